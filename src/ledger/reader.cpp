// SPDX-License-Identifier: Apache-2.0
#include "ledger/reader.hpp"

#include "base/digest.hpp"
#include "base/gzip.hpp"

namespace sealpost::ledger {
namespace {

// Far above what 256 rows are.
constexpr std::size_t most_unpacked = 64u << 20;
constexpr std::size_t largest_rules = 256u << 20;
constexpr int newest_version = 1;

std::string octets(sqlite3_stmt* row, int column) {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(row, column));
  return data == nullptr ? std::string()
                         : std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(row, column)));
}

std::string_view octets_view(sqlite3_stmt* row, int column) {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(row, column));
  return data == nullptr
             ? std::string_view()
             : std::string_view(data, static_cast<std::size_t>(sqlite3_column_bytes(row, column)));
}

bool is_null(sqlite3_stmt* row, int column) { return sqlite3_column_type(row, column) == SQLITE_NULL; }

// The next line of `text`, without its end.
std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

std::uint32_t hash_start_at(std::string_view octets, std::size_t index) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4 && index * 4 + i < octets.size(); ++i)
    value = value << 8U | static_cast<unsigned char>(octets[index * 4 + i]);
  return value;
}

}  // namespace

Error Reader::failure() const {
  const int code = sqlite3_errcode(connection_.get());
  const Errc errc = code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? Errc::damaged
                    : code == SQLITE_BUSY || code == SQLITE_LOCKED  ? Errc::unavailable
                                                                    : Errc::io;
  return Error(errc, path_ + ": " + sqlite3_errmsg(connection_.get()));
}

Expected<Reader> Reader::open(const std::string& path) {
  Reader reader(path);
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
  reader.connection_.reset(raw);
  if (opened == SQLITE_CANTOPEN) return Error(Errc::not_found, path + ": cannot be opened");
  if (opened != SQLITE_OK) return reader.failure();
  sqlite3_busy_timeout(raw, 5000);
  // One state of the file to the end: the relay may be writing.
  if (sqlite3_exec(raw, "BEGIN", nullptr, nullptr, nullptr) != SQLITE_OK) return reader.failure();
  auto version = reader.statement("PRAGMA user_version");
  if (!version) return version.error();
  auto there = reader.step(version->get());
  if (!there) return there.error();
  const int found = sqlite3_column_int(version->get(), 0);
  if (found > newest_version) return Error(Errc::newer, path + ": a ledger of a newer release");
  auto tables = reader.statement(
      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('day', 'row', 'block', "
      "'signing_key')");
  if (!tables) return tables.error();
  there = reader.step(tables->get());
  if (!there) return there.error();
  if (sqlite3_column_int(tables->get(), 0) != 4) return Error(Errc::invalid, path + ": this is no ledger");
  return reader;
}

Expected<sqlite::StatementPtr> Reader::statement(const char* sql) const {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(connection_.get(), sql, -1, &raw, nullptr) != SQLITE_OK) return failure();
  return sqlite::StatementPtr(raw);
}

Expected<bool> Reader::step(sqlite3_stmt* statement) const {
  const int result = sqlite3_step(statement);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return failure();
}

Expected<std::vector<ReadDay>> Reader::days() {
  auto read = statement("SELECT number, date, head, signature, address_key, pruned FROM day ORDER BY number");
  if (!read) return read.error();
  std::vector<ReadDay> days;
  for (;;) {
    auto there = step(read->get());
    if (!there) return there.error();
    if (!*there) return days;
    ReadDay day;
    day.number = sqlite3_column_int64(read->get(), 0);
    day.date = octets(read->get(), 1);
    day.head = octets(read->get(), 2);
    day.signature = octets(read->get(), 3);
    if (!is_null(read->get(), 4)) day.address_key = octets(read->get(), 4);
    day.pruned = sqlite3_column_int(read->get(), 5) != 0;
    days.push_back(std::move(day));
  }
}

Expected<std::vector<ReadKey>> Reader::keys() {
  auto read =
      statement("SELECT fingerprint, public_key, signed_by, signature FROM signing_key ORDER BY number");
  if (!read) return read.error();
  std::vector<ReadKey> keys;
  for (;;) {
    auto there = step(read->get());
    if (!there) return there.error();
    if (!*there) return keys;
    keys.push_back(
        {octets(read->get(), 0), octets(read->get(), 1), octets(read->get(), 2), octets(read->get(), 3)});
  }
}

Expected<bool> Reader::unpacked(sqlite3_stmt* block, const std::function<bool(const ReadRow&)>& see) const {
  const auto first = sqlite3_column_int64(block, 0);
  const auto rows = sqlite3_column_int64(block, 1);
  const std::string damaged = path_ + ": rows from " + std::to_string(first) + " on cannot be unpacked";
  auto payloads = gunzip(octets_view(block, 3), most_unpacked);
  if (!payloads) return Error(Errc::damaged, damaged);
  const bool erased = is_null(block, 4);
  auto addresses =
      erased ? Expected<std::string>(std::string()) : gunzip(octets_view(block, 4), most_unpacked);
  if (!addresses) return Error(Errc::damaged, damaged);
  const std::string_view starts = octets_view(block, 2);
  std::string_view lines = *payloads, beside = *addresses;
  // As many as there are, not as many as it says: one that is too many or too few is a break of the chain.
  std::int64_t i = 0;
  for (; !lines.empty(); ++i) {
    ReadRow row;
    row.number = first + i;
    row.hash_start = hash_start_at(starts, static_cast<std::size_t>(i));
    row.payload = take_line(lines);
    const std::string_view address = take_line(beside);
    if (!erased) row.address = address;
    if (!see(row)) return false;
  }
  if (i != rows)
    return Error(Errc::damaged, damaged + ": there are " + std::to_string(i) + " of " + std::to_string(rows));
  return true;
}

Expected<bool> Reader::loose(const std::function<bool(const ReadRow&)>& see) const {
  auto read = statement("SELECT number, hash_start, payload, address FROM row ORDER BY number");
  if (!read) return read.error();
  for (;;) {
    auto there = step(read->get());
    if (!there) return there.error();
    if (!*there) return true;
    ReadRow row;
    row.number = sqlite3_column_int64(read->get(), 0);
    row.hash_start = static_cast<std::uint32_t>(sqlite3_column_int64(read->get(), 1));
    row.payload = octets_view(read->get(), 2);
    if (!is_null(read->get(), 3)) row.address = octets_view(read->get(), 3);
    if (!see(row)) return false;
  }
}

Expected<void> Reader::rows_of_day(std::int64_t day, const std::function<bool(const ReadRow&)>& see) {
  auto blocks = statement(
      "SELECT first, rows, hash_starts, payloads, addresses FROM block WHERE day = ?1 ORDER BY number");
  if (!blocks) return blocks.error();
  sqlite3_bind_int64(blocks->get(), 1, day);
  for (;;) {
    auto there = step(blocks->get());
    if (!there) return there.error();
    if (!*there) break;
    auto on = unpacked(blocks->get(), see);
    if (!on) return on.error();
    if (!*on) return {};
  }
  auto newest = statement("SELECT max(number) FROM day");
  if (!newest) return newest.error();
  if (auto there = step(newest->get()); !there) return there.error();
  if (sqlite3_column_int64(newest->get(), 0) != day) return {};
  auto rest = loose(see);
  return rest ? Expected<void>() : Expected<void>(rest.error());
}

Expected<void> Reader::rows_of_block(std::int64_t block, const std::function<bool(const ReadRow&)>& see) {
  if (block == 0) {
    auto rest = loose(see);
    return rest ? Expected<void>() : Expected<void>(rest.error());
  }
  auto read = statement("SELECT first, rows, hash_starts, payloads, addresses FROM block WHERE number = ?1");
  if (!read) return read.error();
  sqlite3_bind_int64(read->get(), 1, block);
  auto there = step(read->get());
  if (!there) return there.error();
  if (!*there) return {};
  auto on = unpacked(read->get(), see);
  return on ? Expected<void>() : Expected<void>(on.error());
}

Expected<std::vector<std::int64_t>> Reader::numbers(sqlite3_stmt* read) const {
  std::vector<std::int64_t> found;
  for (;;) {
    auto there = step(read);
    if (!there) return there.error();
    if (!*there) return found;
    found.push_back(sqlite3_column_int64(read, 0));
  }
}

Expected<std::vector<std::int64_t>> Reader::blocks_of_message(std::int64_t key) {
  auto read = statement("SELECT block FROM by_message WHERE message = ?1 ORDER BY block");
  if (!read) return read.error();
  sqlite3_bind_int64(read->get(), 1, key);
  return numbers(read->get());
}

Expected<std::vector<std::int64_t>> Reader::blocks_of_word(std::int64_t day, std::int64_t word) {
  auto read = statement("SELECT block FROM by_word WHERE day = ?1 AND word = ?2 ORDER BY block");
  if (!read) return read.error();
  sqlite3_bind_int64(read->get(), 1, day);
  sqlite3_bind_int64(read->get(), 2, word);
  return numbers(read->get());
}

Expected<std::string> Reader::proof(std::string_view digest) {
  auto read = statement("SELECT text FROM proof WHERE digest = ?1");
  if (!read) return read.error();
  sqlite3_bind_blob(read->get(), 1, digest.data(), static_cast<int>(digest.size()), SQLITE_TRANSIENT);
  auto there = step(read->get());
  if (!there) return there.error();
  if (!*there) return std::string();
  std::string text = octets(read->get(), 0);
  return sha256_octets(text) == digest ? text : std::string();
}

// A ledger of an earlier release has fewer.
Expected<bool> Reader::has_table(const char* name) const {
  auto found = statement("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1");
  if (!found) return found.error();
  sqlite3_bind_text(found->get(), 1, name, -1, SQLITE_STATIC);
  auto there = step(found->get());
  if (!there) return there.error();
  return sqlite3_column_int(found->get(), 0) != 0;
}

Expected<std::set<std::int64_t>> Reader::counted_days() {
  std::set<std::int64_t> days;
  const auto kept = has_table("counted_day");
  if (!kept) return kept.error();
  if (!*kept) return days;
  auto read = statement("SELECT day FROM counted_day");
  if (!read) return read.error();
  auto all = numbers(read->get());
  if (!all) return all.error();
  days.insert(all->begin(), all->end());
  return days;
}

Expected<void> Reader::tallies(const std::string& name, std::int64_t first_day, std::int64_t last_day,
                               const std::function<void(const ReadTally&)>& see) {
  auto read = statement(
      "SELECT tally.day, tally.rows, tally.kind, proof.digest, proof.text FROM proof_about "
      "CROSS JOIN tally ON tally.proof = proof_about.proof AND tally.day BETWEEN ?2 AND ?3 "
      "CROSS JOIN proof ON proof.digest = proof_about.proof WHERE proof_about.name = ?1");
  if (!read) return read.error();
  sqlite3_bind_text(read->get(), 1, name.c_str(), -1, SQLITE_TRANSIENT);
  sqlite3_bind_int64(read->get(), 2, first_day);
  sqlite3_bind_int64(read->get(), 3, last_day);
  for (;;) {
    auto there = step(read->get());
    if (!there) return there.error();
    if (!*there) return {};
    ReadTally tally;
    tally.day = sqlite3_column_int64(read->get(), 0);
    tally.rows = sqlite3_column_int64(read->get(), 1);
    tally.kind = octets_view(read->get(), 2);
    tally.digest = octets_view(read->get(), 3);
    tally.proof = octets_view(read->get(), 4);
    see(tally);
  }
}

Expected<std::map<std::pair<std::string, std::string>, std::int64_t>> Reader::tally_of_day(std::int64_t day) {
  std::map<std::pair<std::string, std::string>, std::int64_t> all;
  auto read = statement("SELECT proof, kind, rows FROM tally WHERE day = ?1");
  if (!read) return read.error();
  sqlite3_bind_int64(read->get(), 1, day);
  for (;;) {
    auto there = step(read->get());
    if (!there) return there.error();
    if (!*there) return all;
    all[{octets(read->get(), 0), octets(read->get(), 1)}] = sqlite3_column_int64(read->get(), 2);
  }
}

Expected<std::vector<std::string>> Reader::counted_names(const std::string& prefix) {
  std::vector<std::string> names;
  const auto kept = has_table("proof_about");
  if (!kept) return kept.error();
  if (!*kept) return names;
  auto read = statement("SELECT DISTINCT name FROM proof_about WHERE name >= ?1 AND name < ?2 ORDER BY name");
  if (!read) return read.error();
  std::string end = prefix;
  ++end.back();
  sqlite3_bind_text(read->get(), 1, prefix.c_str(), -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(read->get(), 2, end.c_str(), -1, SQLITE_TRANSIENT);
  for (;;) {
    auto there = step(read->get());
    if (!there) return there.error();
    if (!*there) return names;
    names.push_back(octets(read->get(), 0).substr(prefix.size()));
  }
}

Expected<std::string> Reader::rules(std::string_view digest) {
  const auto kept = has_table("rules");
  if (!kept) return kept.error();
  if (!*kept) return std::string();
  auto read = statement("SELECT text FROM rules WHERE digest = ?1");
  if (!read) return read.error();
  sqlite3_bind_blob(read->get(), 1, digest.data(), static_cast<int>(digest.size()), SQLITE_TRANSIENT);
  auto there = step(read->get());
  if (!there) return there.error();
  if (!*there) return std::string();
  auto text = gunzip(octets_view(read->get(), 0), largest_rules);
  return text && sha256_octets(*text) == digest ? std::move(*text) : std::string();
}

}  // namespace sealpost::ledger
