// SPDX-License-Identifier: Apache-2.0
//
// What must not be known any longer goes, and the chain stays: addresses stand beside the rows, in which there is nothing but
// keyed hashes of them (docs/ledger.md, Keeping and erasing).
#include "base/gzip.hpp"
#include "base/text.hpp"
#include "ledger/store.hpp"

namespace sealpost::ledger {
namespace {

constexpr std::size_t most_beside = 64u << 20;

// Sender or recipient; of "sender<tab>account" both parts.
bool is_about(std::string_view beside, std::string_view address) {
  const auto tab = beside.find('\t');
  return text::iequals(beside.substr(0, tab), address) ||
         (tab != std::string_view::npos && text::iequals(beside.substr(tab + 1), address));
}

}  // namespace

Expected<Erased> Store::erase_before(const std::string& date) {
  Erased erased;
  auto addresses = file_.statement(
      "UPDATE block SET addresses = NULL WHERE addresses IS NOT NULL AND day IN (SELECT number FROM day "
      "WHERE date < ?1 "
      "AND number < (SELECT max(number) FROM day))");
  if (!addresses) return addresses.error();
  if (auto done = addresses->bind(1, date).done(); !done) return done.error();
  auto keys = file_.statement(
      "UPDATE day SET address_key = NULL WHERE address_key IS NOT NULL AND date < ?1 AND number < (SELECT "
      "max(number) "
      "FROM day)");
  if (!keys) return keys.error();
  if (auto done = keys->bind(1, date).done(); !done) return done.error();
  erased.days = file_.changed();
  if (erased.days == 0 || head_.day == 0) return erased;
  auto row = this->row("erased", last_time_);
  if (!row) return row.error();
  row->payload.text("before", date).number("days", erased.days);
  if (auto added = add(std::move(*row)); !added) return added.error();
  return erased;
}

Expected<Erased> Store::erase_address(std::string_view address, std::int64_t from, std::int64_t blocks,
                                      std::int64_t before) {
  if (auto kept = keep_fresh(); !kept) return kept.error();
  Erased erased;
  auto read =
      file_.statement("SELECT number, addresses FROM block WHERE number >= ?1 ORDER BY number LIMIT ?2");
  if (!read) return read.error();
  read->bind(1, from).bind(2, blocks);
  std::vector<std::pair<std::int64_t, std::string>> changed;
  std::int64_t seen = 0;
  for (;; ++seen) {
    auto there = read->row();
    if (!there) return there.error();
    if (!*there) break;
    erased.next = read->number(0) + 1;
    const std::string packed = read->text(1);
    if (packed.empty()) continue;
    auto plain = gunzip(packed, most_beside);
    if (!plain)
      return Error(Errc::damaged, "ledger.db: addresses of block " + std::to_string(read->number(0)));
    std::string kept;
    const std::int64_t had = erased.rows;
    for (const std::string_view line : text::split(*plain, '\n')) {
      if (is_about(line, address))
        ++erased.rows;
      else
        kept += line;
      kept += '\n';
    }
    kept.pop_back();  // behind the last one nothing follows
    if (erased.rows != had) changed.emplace_back(read->number(0), gzip(kept, pack_level));
  }
  if (seen < blocks) erased.next = 0;
  for (const auto& one : changed) {
    auto write = prepared("UPDATE block SET addresses = ?2 WHERE number = ?1");
    if (!write) return write.error();
    if (auto done = (*write)->bind(1, one.first).bind_blob(2, one.second).done(); !done) return done.error();
  }
  if (erased.next != 0 || head_.day == 0) return erased;
  auto loose = file_.statement(
      "UPDATE row SET address = '' WHERE lower(address) = ?1 OR lower(address) LIKE ?2 ESCAPE '\\' OR "
      "lower(address) LIKE "
      "?3 ESCAPE '\\'");
  if (!loose) return loose.error();
  std::string escaped;
  for (const char c : text::lower(address)) {
    if (c == '%' || c == '_' || c == '\\') escaped += '\\';
    escaped += c;
  }
  if (auto done =
          loose->bind(1, text::lower(address)).bind(2, escaped + "\t%").bind(3, "%\t" + escaped).done();
      !done)
    return done.error();
  erased.rows += file_.changed();
  if (before + erased.rows == 0) return erased;
  auto row = this->row("erased", last_time_);
  if (!row) return row.error();
  row->payload.number("rows", before + erased.rows);
  if (auto added = add(std::move(*row)); !added) return added.error();
  return erased;
}

}  // namespace sealpost::ledger
