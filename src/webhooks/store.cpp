// SPDX-License-Identifier: Apache-2.0
#include "webhooks/store.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "base/durable_file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "webhooks/schema.hpp"

namespace sealpost::webhooks {
namespace {

std::string key_octets(const MessageId& id) {
  return std::string(reinterpret_cast<const char*>(id.bytes().data()), id.bytes().size());
}

}  // namespace

Store::Store(const std::string& path, Now now, Health* health)
    : file_(schema_settings(path), health), now_(std::move(now)) {}

Expected<void> Store::open() {
  const std::lock_guard lock(mutex_);
  return file_.open();
}

Expected<sqlite::Statement*> Store::prepared(const char* sql) { return statements_.get(file_, sql); }

// What is in memory is that of a file as it was: after a failure all of it is read again.
void Store::forget() noexcept {
  statements_.forget();
  loaded_ = false;
}

Expected<void> Store::ready() {
  if (file_.trouble() != sqlite::Trouble::none) forget();
  if (!file_.tend()) {
    forget();
    return Error(Errc::unavailable, "webhooks.db is not open; 'sealpost status' says why");
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
  auto state = file_.statement(
      "SELECT node, segment, place, last_time, horizon, begun, begun_why, octets, segment IS NULL, "
      "begun IS NULL FROM state");
  if (!state) return state.error();
  auto there = state->row();
  if (!there) return there.error();
  has_cursor_ = *there && state->number(8) == 0;
  cursor_ = spool::Cursor();
  if (has_cursor_) {
    cursor_.node = static_cast<std::uint64_t>(state->number(0));
    cursor_.position.segment = static_cast<std::uint64_t>(state->number(1));
    cursor_.position.offset = static_cast<std::uint32_t>(state->number(2));
  }
  last_time_ = *there ? state->time(3) : SystemTime{};
  horizon_ = *there ? state->time(4) : SystemTime{};
  begun_.reset();
  if (*there && state->number(9) == 0) begun_ = state->time(5);
  begun_why_ = *there ? state->text(6) : std::string();
  octets_ = *there ? state->number(7) : 0;
  octets_shown_.store(static_cast<std::uint64_t>(std::max<std::int64_t>(octets_, 0)),
                      std::memory_order_relaxed);
  return file_.in_transaction([this] { return webhooks_.empty() ? rest() : enlist(); });
}

// After damage the journal is read from its oldest segment on, and each webhook is told all of it; else a new one is told
// what comes.
Expected<void> Store::enlist() {
  auto last = newest();
  if (!last) return last.error();
  std::vector<std::string> known;
  {
    auto rows = prepared("SELECT name FROM webhook");
    if (!rows) return rows.error();
    for (;;) {
      auto row = (*rows)->row();
      if (!row) return row.error();
      if (!*row) break;
      known.push_back((*rows)->text(0));
    }
  }
  for (const std::string& name : known) {
    const bool stays =
        std::any_of(webhooks_.begin(), webhooks_.end(), [&](const auto& one) { return one->name == name; });
    if (stays) continue;
    auto gone = prepared("DELETE FROM webhook WHERE name = ?1");
    if (!gone) return gone.error();
    if (auto done = (*gone)->bind(1, name).done(); !done) return done;
  }
  for (const WebhookPtr& one : webhooks_) {
    if (std::find(known.begin(), known.end(), one->name) != known.end()) continue;
    auto insert = prepared("INSERT INTO webhook(name, through) VALUES (?1, ?2)");
    if (!insert) return insert.error();
    if (auto done = (*insert)->bind(1, one->name).bind(2, begun_why_.empty() ? *last : 0).done(); !done)
      return done;
  }
  if (!begun_) begun_ = now_();
  resting_ = false;
  return write_state();
}

// Nobody is to be told anything: what would have to be known of messages under way is read anew when somebody is.
Expected<void> Store::rest() {
  cursor_ = spool::Cursor();
  has_cursor_ = false;
  begun_.reset();
  begun_why_.clear();
  octets_ = 0;
  resting_ = true;
  if (auto done = file_.run(
          "DELETE FROM webhook; DELETE FROM event; DELETE FROM open_message; DELETE FROM open_done");
      !done)
    return done;
  return write_state();
}

Expected<void> Store::use(Webhooks webhooks) {
  const std::lock_guard lock(mutex_);
  const bool was_idle = webhooks_.empty();
  webhooks_ = std::move(webhooks);
  const bool idle = webhooks_.empty();
  loaded_ = false;  // whatever happens now, it is enlisted before anything is read
  // First forgotten, then told to rest: else the follower would go on for nobody.
  const bool nothing_there = resting_ || is_absent(file_.path());
  auto done = was_idle && idle && nothing_there ? Expected<void>() : ready();
  idle_.store(idle, std::memory_order_release);
  return done;
}

Expected<std::optional<spool::Cursor>> Store::cursor() {
  const std::lock_guard lock(mutex_);
  if (auto opened = ready(); !opened) return opened.error();
  if (!has_cursor_) return std::optional<spool::Cursor>();
  return std::optional<spool::Cursor>(cursor_);
}

// All of it or nothing; what was in memory of a transaction that failed is read again.
Expected<void> Store::write(const std::function<Expected<void>()>& work) {
  if (auto opened = ready(); !opened) return opened;
  auto done = file_.in_transaction(work);
  if (!done) forget();
  return done;
}

Expected<void> Store::commit(const spool::Cursor& next, const std::function<Expected<void>()>& work) {
  const std::lock_guard lock(mutex_);
  std::uint64_t added = 0;
  auto done = write([&]() -> Expected<void> {
    if (webhooks_.empty()) return Error(Errc::unavailable, "no webhook is configured any more");
    auto before = newest();
    if (!before) return before.error();
    if (!begun_why_.empty()) {
      Event gap;
      gap.id = sha256_octets(begun_why_).substr(0, 16);
      gap.kind = "gap";
      gap.when = now_();
      gap.body["why"] = begun_why_;
      begun_why_.clear();
      note_gap();
      if (auto told = add(gap); !told) return told;
    }
    if (auto worked = work(); !worked) return worked;
    auto after = newest();
    if (!after) return after.error();
    added = static_cast<std::uint64_t>(*after - *before);
    cursor_ = next;
    has_cursor_ = true;
    return write_state();
  });
  if (!done) return done;
  events_.fetch_add(added, std::memory_order_relaxed);
  octets_shown_.store(static_cast<std::uint64_t>(std::max<std::int64_t>(octets_, 0)),
                      std::memory_order_relaxed);
  return {};
}

Expected<void> Store::write_state() {
  auto write = prepared(
      "INSERT OR REPLACE INTO state(id, node, segment, place, last_time, horizon, begun, begun_why, octets) "
      "VALUES (1, ?1, iif(?2, ?3, NULL), iif(?2, ?4, NULL), ?5, ?6, iif(?7, ?8, NULL), ?9, ?10)");
  if (!write) return write.error();
  return (*write)
      ->bind(1, static_cast<std::int64_t>(cursor_.node))
      .bind(2, std::int64_t{has_cursor_})
      .bind(3, static_cast<std::int64_t>(cursor_.position.segment))
      .bind(4, static_cast<std::int64_t>(cursor_.position.offset))
      .bind(5, last_time_)
      .bind(6, horizon_)
      .bind(7, std::int64_t{begun_.has_value()})
      .bind(8, begun_.value_or(SystemTime{}))
      .bind(9, begun_why_)
      .bind(10, octets_)
      .done();
}

Expected<void> Store::add(const Event& event) {
  if (begun_ && event.when < *begun_ && event.kind != "gap") return {};
  const std::string text = to_text(event);
  auto insert = prepared(
      "INSERT OR IGNORE INTO event(id, time, kind, domain, account, octets, body) VALUES (?1, ?2, ?3, ?4, "
      "?5, ?6, ?7)");
  if (!insert) return insert.error();
  const auto octets = static_cast<std::int64_t>(text.size());
  (*insert)->bind_blob(1, event.id).bind(2, event.when).bind(3, event.kind).bind(4, event.domain);
  if (auto done = (*insert)->bind(5, event.account).bind(6, octets).bind(7, text).done(); !done) return done;
  if (file_.changed() > 0) octets_ += octets;
  return {};
}

Expected<std::optional<OpenMessage>> Store::find_open(const MessageId& id) {
  const std::string key = key_octets(id);
  auto read = prepared("SELECT sender, account, recipients, unfinished FROM open_message WHERE id = ?1");
  if (!read) return read.error();
  auto there = (*read)->bind_blob(1, key).row();
  if (!there) return there.error();
  if (!*there) return std::optional<OpenMessage>();
  OpenMessage message;
  message.sender = (*read)->text(0);
  message.account = (*read)->text(1);
  const std::string recipients = (*read)->text(2);
  message.unfinished = (*read)->number(3);
  (*read)->reset();
  for (const std::string_view address : text::split(recipients, '\n'))
    message.recipients.emplace_back(address);
  message.done.resize(message.recipients.size());
  if (message.recipients.size() > 1) {
    auto done = prepared("SELECT recipient FROM open_done WHERE id = ?1");
    if (!done) return done.error();
    (*done)->bind_blob(1, key);
    for (;;) {
      auto row = (*done)->row();
      if (!row) return row.error();
      if (!*row) break;
      const auto index = static_cast<std::size_t>((*done)->number(0));
      if (index < message.done.size()) message.done[index] = true;
    }
    (*done)->reset();
  }
  return std::optional<OpenMessage>(std::move(message));
}

Expected<void> Store::begin_open(const MessageId& id, const Envelope& envelope) {
  std::string recipients;
  for (std::size_t i = 0; i < envelope.recipients.size(); ++i)
    recipients += (i > 0 ? "\n" : "") + envelope.recipients[i].address;
  auto insert = prepared(
      "INSERT OR REPLACE INTO open_message(id, sender, account, recipients, unfinished) VALUES (?1, ?2, ?3, "
      "?4, ?5)");
  if (!insert) return insert.error();
  const std::string key = key_octets(id);
  return (*insert)
      ->bind_blob(1, key)
      .bind(2, envelope.reverse_path)
      .bind(3, envelope.account)
      .bind(4, recipients)
      .bind(5, static_cast<std::int64_t>(envelope.recipients.size()))
      .done();
}

Expected<void> Store::finish_open(const MessageId& id, std::uint32_t recipient) {
  const std::string key = key_octets(id);
  auto read = prepared("SELECT unfinished FROM open_message WHERE id = ?1");
  if (!read) return read.error();
  auto there = (*read)->bind_blob(1, key).row();
  if (!there) return there.error();
  if (!*there) return {};
  const std::int64_t left = (*read)->number(0);
  (*read)->reset();
  if (left <= 1) return end_open(id);
  auto note = prepared("INSERT OR IGNORE INTO open_done(id, recipient) VALUES (?1, ?2)");
  if (!note) return note.error();
  if (auto done = (*note)->bind_blob(1, key).bind(2, static_cast<std::int64_t>(recipient)).done(); !done)
    return done;
  if (file_.changed() == 0) return {};
  auto count = prepared("UPDATE open_message SET unfinished = unfinished - 1 WHERE id = ?1");
  if (!count) return count.error();
  return (*count)->bind_blob(1, key).done();
}

Expected<void> Store::end_open(const MessageId& id) {
  const std::string key = key_octets(id);
  for (const char* sql : {"DELETE FROM open_message WHERE id = ?1", "DELETE FROM open_done WHERE id = ?1"}) {
    auto clear = prepared(sql);
    if (!clear) return clear.error();
    if (auto done = (*clear)->bind_blob(1, key).done(); !done) return done;
  }
  return {};
}

Expected<std::int64_t> Store::newest() {
  auto read = prepared("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)");
  if (!read) return read.error();
  auto row = (*read)->row();
  if (!row) return row.error();
  const std::int64_t found = *row ? (*read)->number(0) : 0;
  (*read)->reset();
  return found;
}

}  // namespace sealpost::webhooks
