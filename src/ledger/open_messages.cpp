// SPDX-License-Identifier: Apache-2.0
#include "ledger/open_messages.hpp"

#include "base/text.hpp"

namespace sealpost::ledger {
namespace {

constexpr std::size_t most_remembered = 20'000;  // messages; some hundred octets each

std::string octets_of(const MessageId& id) {
  return std::string(reinterpret_cast<const char*>(id.bytes().data()), id.bytes().size());
}

}  // namespace

Expected<const OpenMessage*> OpenMessages::find(const MessageId& id) {
  const OpenMessage* none = nullptr;
  if (const auto at = known_.find(id); at != known_.end())
    return at->second.message.left > 0 ? &at->second.message : none;
  const std::string key = octets_of(id);
  auto read = store_.prepared("SELECT recipients FROM open_message WHERE id = ?1");
  if (!read) return read.error();
  auto there = (*read)->bind_blob(1, key).row();
  if (!there) return there.error();
  if (!*there) return none;
  Known known;
  known.stored = true;
  const std::string recipients = (*read)->text(0);
  (*read)->reset();
  for (const std::string_view address : text::split(recipients, '\n'))
    known.message.recipients.emplace_back(address);
  known.message.done.resize(known.message.recipients.size());
  known.message.left = known.message.recipients.size();
  if (known.message.recipients.size() > 1) {
    auto done = store_.prepared("SELECT recipient FROM open_done WHERE id = ?1");
    if (!done) return done.error();
    (*done)->bind_blob(1, key);
    for (;;) {
      auto row = (*done)->row();
      if (!row) return row.error();
      if (!*row) break;
      const auto index = static_cast<std::size_t>((*done)->number(0));
      if (index >= known.message.done.size() || known.message.done[index]) continue;
      known.message.done[index] = true;
      --known.message.left;
    }
    (*done)->reset();
  }
  return &known_.emplace(id, std::move(known)).first->second.message;
}

void OpenMessages::add(const MessageId& id, const Envelope& envelope) {
  Known& known = known_[id];
  known.message = OpenMessage();
  for (const Recipient& recipient : envelope.recipients)
    known.message.recipients.push_back(recipient.address);
  known.message.done.resize(known.message.recipients.size());
  known.message.left = known.message.recipients.size();
  known.changed = true;
}

void OpenMessages::finish(const MessageId& id, std::uint32_t recipient) {
  const auto at = known_.find(id);
  if (at == known_.end()) return;
  Known& known = at->second;
  if (recipient >= known.message.done.size() || known.message.done[recipient]) return;
  known.message.done[recipient] = true;
  --known.message.left;
  known.changed = true;
  known.newly_done.push_back(recipient);
}

void OpenMessages::finish_all(const MessageId& id) {
  const auto at = known_.find(id);
  if (at == known_.end()) return;
  at->second.message.left = 0;
  at->second.changed = true;
}

Expected<void> OpenMessages::write() {
  for (auto at = known_.begin(); at != known_.end();) {
    Known& known = at->second;
    if (known.changed)
      if (auto done = write_one(octets_of(at->first), known); !done) return done;
    known.changed = false;
    at = known.message.left == 0 ? known_.erase(at) : std::next(at);
  }
  return {};
}

Expected<void> OpenMessages::write_one(const std::string& id, Known& known) {
  if (known.message.left == 0) {
    if (!known.stored) return {};
    const bool several = known.message.recipients.size() > 1;
    for (const char* sql :
         {"DELETE FROM open_message WHERE id = ?1", "DELETE FROM open_done WHERE id = ?1"}) {
      auto clear = store_.prepared(sql);
      if (!clear) return clear.error();
      if (auto done = (*clear)->bind_blob(1, id).done(); !done) return done;
      if (!several) break;
    }
    return {};
  }
  if (!known.stored) {
    std::string recipients;
    for (const std::string& address : known.message.recipients) {
      if (!recipients.empty()) recipients += '\n';
      recipients += address;
    }
    auto insert = store_.prepared("INSERT OR REPLACE INTO open_message(id, recipients) VALUES (?1, ?2)");
    if (!insert) return insert.error();
    if (auto done = (*insert)->bind_blob(1, id).bind(2, recipients).done(); !done) return done;
    known.stored = true;
  }
  for (const std::uint32_t recipient : known.newly_done) {
    auto insert = store_.prepared("INSERT OR IGNORE INTO open_done(id, recipient) VALUES (?1, ?2)");
    if (!insert) return insert.error();
    if (auto done = (*insert)->bind_blob(1, id).bind(2, static_cast<std::int64_t>(recipient)).done(); !done)
      return done;
  }
  known.newly_done.clear();
  return {};
}

void OpenMessages::trim() noexcept {
  std::size_t recipients = 0;
  for (const auto& one : known_) recipients += one.second.message.recipients.size();
  if (recipients > most_remembered) known_.clear();
}

}  // namespace sealpost::ledger
