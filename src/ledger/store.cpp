// SPDX-License-Identifier: Apache-2.0
#include "ledger/store.hpp"

#include <algorithm>
#include <span>

#include "base/gzip.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "ledger/schema.hpp"

namespace sealpost::ledger {
namespace {

std::string random_key() {
  std::string key(Commitments::key_size, '\0');
  random_bytes(std::span(reinterpret_cast<std::uint8_t*>(key.data()), key.size()));
  return key;
}

std::int64_t as_number(std::uint64_t value) noexcept { return static_cast<std::int64_t>(value); }

void put_hash_start(std::string& out, std::int64_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> shift);
}

// In order, which is the order of the index.
std::vector<std::int64_t>& each_once(std::vector<std::int64_t>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

}  // namespace

std::int64_t key_of(const MessageId& id) noexcept {
  std::int64_t milliseconds = 0;
  for (std::size_t i = 0; i < 6; ++i) milliseconds = milliseconds << 8 | id.bytes()[i];
  return milliseconds;
}

Store::Store(StoreOptions options, Health* health)
    : options_(std::move(options)), file_(schema_settings(options_.path), health) {}

Expected<sqlite::Statement*> Store::prepared(const char* sql) { return statements_.get(file_, sql); }

// What is in memory is that of a file as it was: after a failure all of it is read again.
void Store::forget() noexcept {
  statements_.forget();
  loaded_ = false;
  ++generation_;
  sealed_.clear();
  proofs_.clear();
  fresh_.clear();
  counts_.clear();
}

Expected<void> Store::ready() {
  if (file_.trouble() != sqlite::Trouble::none) forget();
  if (!file_.tend()) {
    forget();
    return Error(Errc::unavailable, "ledger.db is not open; 'sealpost status' says why");
  }
  if (opened_ != file_.generation()) {
    forget();
    opened_ = file_.generation();
  }
  if (loaded_) return {};
  if (auto done = load(); !done) return done;
  loaded_ = true;
  return {};
}

Expected<void> Store::load() {
  if (auto done = load_key(); !done) return done;
  auto state = file_.statement("SELECT node, last_time, horizon, begun_why FROM state");
  if (!state) return state.error();
  auto there = state->row();
  if (!there) return there.error();
  node_ = *there ? static_cast<std::uint64_t>(state->number(0)) : 0;
  last_time_ = *there ? state->time(1) : SystemTime{};
  horizon_ = *there && state->number(2) != 0 ? state->time(2) : SystemTime::max();
  begun_why_ = *there ? state->text(3) : std::string();
  if (auto done = load_day(); !done) return done;
  return load_open_rows();
}

Expected<void> Store::load_key() {
  auto signer = options_.signer();
  if (!signer) return signer.error();
  signer_ = std::move(*signer);
  auto newest = file_.statement("SELECT public_key FROM signing_key ORDER BY number DESC LIMIT 1");
  if (!newest) return newest.error();
  auto there = newest->row();
  if (!there) return there.error();
  key_known_ = *there && newest->text(0) == signer_.public_key;
  return {};
}

Expected<void> Store::load_day() {
  head_ = Head();
  head_changed_ = false;
  auto day = file_.statement("SELECT head, address_key FROM day ORDER BY number DESC LIMIT 1");
  if (!day) return day.error();
  auto there = day->row();
  if (!there) return there.error();
  if (!*there) return {};
  auto head = parse_head(day->text(0));
  if (!head) return Error(Errc::invalid, "ledger.db: its last head cannot be read");
  head_ = std::move(*head);
  chain_.begin(head_.hash);
  commitments_.use(day->text(1));
  return {};
}

Expected<void> Store::load_open_rows() {
  const auto rows = file_.number("SELECT count(*) FROM row");
  if (!rows) return rows.error();
  open_rows_ = *rows;
  const auto block = file_.number("SELECT max(number) FROM block");
  if (!block) return block.error();
  next_block_ = *block + 1;
  return {};
}

Expected<std::optional<spool::Cursor>> Store::cursor() {
  if (auto opened = ready(); !opened) return opened.error();
  auto state = file_.statement("SELECT node, segment, place FROM state WHERE segment IS NOT NULL");
  if (!state) return state.error();
  auto there = state->row();
  if (!there) return there.error();
  if (!*there) return std::optional<spool::Cursor>();
  spool::Cursor cursor;
  cursor.node = static_cast<std::uint64_t>(state->number(0));
  cursor.position.segment = static_cast<std::uint64_t>(state->number(1));
  cursor.position.offset = static_cast<std::uint32_t>(state->number(2));
  return std::optional<spool::Cursor>(cursor);
}

Expected<void> Store::commit(const spool::Cursor& next, const std::function<Expected<void>()>& work) {
  if (auto opened = ready(); !opened) return opened;
  sealed_.clear();
  auto done = file_.in_transaction([&]() -> Expected<void> {
    // Another relay's journal: its rows are a day of their own, whose head names it.
    if (node_ != next.node && head_.day != 0 && !head_.sealed) {
      if (auto finished = finish_day(); !finished) return finished;
    }
    node_ = next.node;
    if (auto worked = work(); !worked) return worked;
    if (auto kept = keep_fresh(); !kept) return kept;
    if (auto written = write_counts(); !written) return written;
    if (head_changed_)
      if (auto written = write_head(); !written) return written;
    return write_state(next);
  });
  if (!done) {
    forget();
    return done;
  }
  if (options_.sealed)
    for (const SignedHead& head : sealed_) options_.sealed(head);
  sealed_.clear();
  return {};
}

Expected<void> Store::write_state(const spool::Cursor& next) {
  auto write = prepared(
      "INSERT OR REPLACE INTO state(id, node, segment, place, last_time, horizon, begun_why) VALUES (1, ?1, "
      "?2, ?3, ?4, "
      "?5, ?6)");
  if (!write) return write.error();
  return (*write)
      ->bind(1, as_number(next.node))
      .bind(2, as_number(next.position.segment))
      .bind(3, static_cast<std::int64_t>(next.position.offset))
      .bind(4, last_time_)
      .bind(5, horizon_)
      .bind(6, begun_why_)
      .done();
}

Expected<Row> Store::row(std::string_view kind, SystemTime when) {
  const bool first = head_.day == 0;
  const auto date = to_utc_day(when);
  const bool none_open = first || head_.sealed;
  const bool later = !none_open && date > head_.date;
  // Two threads may tell of midnight in another order; a clock that was set back is another thing.
  const bool set_back = !none_open && to_utc_day(when + std::chrono::days(1)) < head_.date;
  if (none_open || later || set_back)
    if (auto begun = begin_day(date); !begun) return begun.error();
  if (first)
    if (auto begun = begin_ledger(when); !begun) return begun.error();
  if (!key_known_)
    if (auto told = introduce_key(when); !told) return told.error();
  return Row(kind, when);
}

Expected<void> Store::begin_ledger(SystemTime when) {
  Row begun("begun", when);
  begun.payload.number("v", 1).text_unless_empty("why", begun_why_);
  return add(std::move(begun));
}

// The new key is worth what the former one says of it.
Expected<void> Store::introduce_key(SystemTime when) {
  std::string by, signature;
  if (options_.former_signer) {
    auto former = options_.former_signer();
    if (!former) return former.error();
    auto signed_by_it = former->sign(signer_.public_key);
    if (!signed_by_it) return signed_by_it.error();
    by = fingerprint_of(former->public_key);
    signature = std::move(*signed_by_it);
  }
  auto write = prepared(
      "INSERT INTO signing_key(fingerprint, public_key, signed_by, signature) VALUES (?1, ?2, ?3, ?4)");
  if (!write) return write.error();
  const std::string fingerprint = fingerprint_of(signer_.public_key);
  if (auto done = (*write)
                      ->bind(1, fingerprint)
                      .bind_blob(2, signer_.public_key)
                      .bind(3, by)
                      .bind_blob(4, signature)
                      .done();
      !done)
    return done;
  key_known_ = true;
  Row row("key", when);
  row.payload.text("key", fingerprint)
      .text("public", short_text(signer_.public_key))
      .text_unless_empty("by", by)
      .text_unless_empty("signature", short_text(signature));
  return add(std::move(row));
}

Expected<void> Store::begin_day(const std::string& date) {
  if (head_.day != 0 && !head_.sealed)
    if (auto done = finish_day(); !done) return done;
  const std::string key = options_.day_key ? options_.day_key() : random_key();
  Head next;
  next.node = node_;
  next.day = head_.day + 1;
  next.date = date;
  next.first = head_.last + 1;
  next.last = head_.last;
  if (head_.day != 0) next.previous = sha256(to_text(head_));
  next.hash = next.previous;
  head_ = std::move(next);
  chain_.begin(head_.previous);
  commitments_.use(key);
  auto write =
      prepared("INSERT INTO day(number, date, head, signature, address_key) VALUES (?1, ?2, '', x'', ?3)");
  if (!write) return write.error();
  if (auto done = (*write)->bind(1, head_.day).bind(2, head_.date).bind_blob(3, key).done(); !done)
    return done;
  auto counted = prepared("INSERT INTO counted_day(day) VALUES (?1)");
  if (!counted) return counted.error();
  return (*counted)->bind(1, head_.day).done();
}

Expected<void> Store::finish_day() {
  head_.sealed = true;
  head_changed_ = true;
  if (auto done = pack(); !done) return done;
  if (auto done = write_counts(); !done) return done;
  return write_head();
}

Expected<void> Store::write_head() {
  head_.key = fingerprint_of(signer_.public_key);
  SignedHead written;
  written.text = to_text(head_);
  auto signature = signer_.sign(written.text);
  if (!signature) return signature.error();
  written.signature = std::move(*signature);
  written.public_key = signer_.public_key;
  auto write = prepared("UPDATE day SET head = ?2, signature = ?3 WHERE number = ?1");
  if (!write) return write.error();
  if (auto done = (*write)->bind(1, head_.day).bind(2, written.text).bind_blob(3, written.signature).done();
      !done)
    return done;
  head_changed_ = false;
  if (head_.sealed) sealed_.push_back(std::move(written));
  return {};
}

std::string Store::kept(const std::string& address) const {
  switch (options_.addresses) {
    case Addresses::plain: return address;
    case Addresses::domain: {
      const std::string mailbox = address.substr(0, address.find('\t'));
      const auto at = mailbox.rfind('@');
      return at == std::string::npos ? std::string() : mailbox.substr(at);
    }
    case Addresses::hash: break;
  }
  return {};
}

Expected<void> Store::add(Row row) {
  Fresh fresh;
  fresh.payload = row.payload.take();
  chain_.add(fresh.payload);
  head_.hash = chain_.hash();
  ++head_.last;
  head_changed_ = true;
  fresh.hash_start = chain_.check();
  fresh.address = kept(row.address);
  fresh.message = row.message;
  fresh.about = row.about;
  fresh.word = row.word;
  fresh_.push_back(std::move(fresh));
  return open_rows_ + static_cast<std::int64_t>(fresh_.size()) < rows_in_block ? Expected<void>() : pack();
}

Expected<void> Store::keep_fresh() {
  std::int64_t number = head_.last - static_cast<std::int64_t>(fresh_.size());
  for (const Fresh& one : fresh_) {
    auto write = prepared(
        "INSERT INTO row(number, hash_start, payload, address, message, about, word) VALUES (?1, ?2, ?3, ?4, "
        "?5, ?6, ?7)");
    if (!write) return write.error();
    if (auto done = (*write)
                        ->bind(1, ++number)
                        .bind(2, std::int64_t{one.hash_start})
                        .bind(3, one.payload)
                        .bind(4, one.address)
                        .bind(5, one.message)
                        .bind(6, one.about)
                        .bind(7, one.word)
                        .done();
        !done)
      return done;
  }
  open_rows_ += static_cast<std::int64_t>(fresh_.size());
  fresh_.clear();
  return {};
}

// Rows of a day that stand behind each other, in one piece: they are alike, so together they take a third of the room.
Expected<void> Store::pack() {
  const std::int64_t rows = open_rows_ + static_cast<std::int64_t>(fresh_.size());
  if (rows == 0) return {};
  std::string payloads, addresses, hash_starts;
  std::vector<std::int64_t> messages, words;  // what they are found by
  const auto take = [&](std::int64_t hash_start, std::string_view payload, std::string_view address) {
    put_hash_start(hash_starts, hash_start);
    payloads.append(payload).append(1, '\n');
    addresses.append(address).append(1, '\n');
  };
  if (open_rows_ > 0) {
    auto read =
        prepared("SELECT hash_start, payload, address, message, about, word FROM row ORDER BY number");
    if (!read) return read.error();
    for (;;) {
      auto there = (*read)->row();
      if (!there) return there.error();
      if (!*there) break;
      take((*read)->number(0), (*read)->text(1), (*read)->text(2));
      for (const int column : {3, 4})
        if (const auto message = (*read)->number_unless_null(column)) messages.push_back(*message);
      if (const auto word = (*read)->number_unless_null(5)) words.push_back(*word);
    }
    (*read)->reset();
    auto clear = prepared("DELETE FROM row");
    if (!clear) return clear.error();
    if (auto done = (*clear)->done(); !done) return done;
    open_rows_ = 0;
  }
  for (const Fresh& one : fresh_) {
    take(one.hash_start, one.payload, one.address);
    if (one.message) messages.push_back(*one.message);
    if (one.about) messages.push_back(*one.about);
    if (one.word) words.push_back(*one.word);
  }
  fresh_.clear();
  auto write = prepared(
      "INSERT INTO block(number, day, first, rows, hash_starts, payloads, addresses) VALUES (?1, ?2, ?3, ?4, "
      "?5, ?6, ?7)");
  if (!write) return write.error();
  if (auto done = (*write)
                      ->bind(1, next_block_)
                      .bind(2, head_.day)
                      .bind(3, head_.last - rows + 1)
                      .bind(4, rows)
                      .bind_blob(5, hash_starts)
                      .bind_blob(6, gzip(payloads, pack_level))
                      .bind_blob(7, gzip(addresses, pack_level))
                      .done();
      !done)
    return done;
  for (const std::int64_t message : each_once(messages)) {
    auto index = prepared("INSERT INTO by_message(message, block) VALUES (?1, ?2)");
    if (!index) return index.error();
    if (auto done = (*index)->bind(1, message).bind(2, next_block_).done(); !done) return done;
  }
  for (const std::int64_t word : each_once(words)) {
    auto index = prepared("INSERT INTO by_word(day, word, block) VALUES (?1, ?2, ?3)");
    if (!index) return index.error();
    if (auto done = (*index)->bind(1, head_.day).bind(2, word).bind(3, next_block_).done(); !done)
      return done;
  }
  ++next_block_;
  return {};
}

Expected<std::int64_t> Store::prune_before(const std::string& date) {
  // From the oldest on and without a gap, the open day never: what a later clock says does not matter to the order.
  auto end = file_.statement(
      "SELECT coalesce(min(number), 0) FROM day WHERE date >= ?1 OR number = (SELECT max(number) FROM day)");
  if (!end) return end.error();
  auto there = end->bind(1, date).row();
  if (!there) return there.error();
  const std::int64_t through = end->number(0) - 1;
  auto pruned = file_.number("SELECT coalesce(max(number), 0) FROM day WHERE pruned = 1");
  if (!pruned) return pruned.error();
  if (through <= *pruned) return 0;
  const std::int64_t days = through - *pruned;
  auto rows = file_.statement("SELECT coalesce(sum(rows), 0) FROM block WHERE day <= ?1");
  if (!rows) return rows.error();
  auto counted = rows->bind(1, through).row();
  if (!counted) return counted.error();
  const std::int64_t gone = rows->number(0);
  // Those of messages that came before the days to go; one that is left over leads to nothing.
  auto messages = file_.statement(
      "DELETE FROM by_message WHERE message < (SELECT unixepoch(date, '+1 day') * 1000 FROM day WHERE number "
      "= ?1) "
      "AND block <= (SELECT max(number) FROM block WHERE day <= ?1)");
  if (!messages) return messages.error();
  if (auto done = messages->bind(1, through).done(); !done) return done.error();
  for (const char* sql : {"DELETE FROM by_word WHERE day <= ?1", "DELETE FROM block WHERE day <= ?1",
                          "DELETE FROM proof WHERE last_day <= ?1", "DELETE FROM rules WHERE last_day <= ?1",
                          "UPDATE day SET pruned = 1, address_key = NULL WHERE number <= ?1"}) {
    auto work = file_.statement(sql);
    if (!work) return work.error();
    if (auto done = work->bind(1, through).done(); !done) return done.error();
  }
  proofs_.clear();
  for (const char* sql :
       {"DELETE FROM tally WHERE day <= ?1", "DELETE FROM counted_day WHERE day <= ?1",
        "DELETE FROM proof_about WHERE ?1 > 0 AND proof NOT IN (SELECT digest FROM proof)"}) {
    auto work = file_.statement(sql);
    if (!work) return work.error();
    if (auto done = work->bind(1, through).done(); !done) return done.error();
  }
  auto row = this->row("pruned", last_time_);
  if (!row) return row.error();
  row->payload.number("through", through).number("rows", gone).text("before", date);
  if (auto done = add(std::move(*row)); !done) return done.error();
  return days;
}

}  // namespace sealpost::ledger
