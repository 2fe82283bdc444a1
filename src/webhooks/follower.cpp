// SPDX-License-Identifier: Apache-2.0
#include "webhooks/follower.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "ledger/chain.hpp"
#include "ledger/kinds.hpp"
#include "mail/address.hpp"

namespace sealpost::webhooks {
namespace {

void put_unless_empty(Json& body, const char* key, std::string_view value) {
  if (!value.empty()) body[key] = value;
}

// Whose message it is, as far as that is known.
void say_sender(Event& event, const std::string& sender, const std::string& account) {
  event.domain = text::lower(domain_of(sender));
  event.account = account;
  event.body["sender"] = sender;
  put_unless_empty(event.body, "account", account);
}

}  // namespace

// Where an entry lies, and which message it is about.
struct WebhookFollower::Place {
  spool::Cursor cursor;
  MessageId message;

  Event event(std::uint64_t index, std::string_view kind, SystemTime when) const {
    Event event;
    event.id = event_id(cursor, index, message, kind, when);
    event.kind = kind;
    event.when = when;
    event.body["queue_id"] = message.to_string();
    return event;
  }
};

Expected<void> WebhookFollower::apply(const std::vector<spool::JournalEntry>& entries,
                                      const spool::Cursor& next) {
  const std::uint64_t before = store_.events();
  auto done = store_.commit(next, [&]() -> Expected<void> {
    for (const spool::JournalEntry& entry : entries) {
      const Place place{{next.node, {entry.blob.segment, entry.blob.offset}}, entry.id};
      if (auto taken = take(place, entry); !taken) return taken;
    }
    return {};
  });
  if (done && store_.events() != before) news_();
  return done;
}

Expected<void> WebhookFollower::missed(const spool::Cursor& from, const spool::Cursor& next,
                                       std::string_view why) {
  auto done = store_.commit(next, [&]() -> Expected<void> {
    store_.note_gap();
    Event gap;
    gap.kind = "gap";
    gap.when = store_.last_time();
    const std::uint64_t begin = from.position.segment << 32 | from.position.offset;
    gap.id = event_id(next, begin, MessageId(), gap.kind, SystemTime{});
    gap.body["why"] = "a part of the journal was not read: " + std::string(why);
    return store_.add(gap);
  });
  if (done) news_();
  return done;
}

Expected<void> WebhookFollower::take(const Place& place, const spool::JournalEntry& entry) {
  struct Visit {
    WebhookFollower& self;
    const Place& place;
    Expected<void> operator()(const spool::MessageRecord& r) const { return self.take_message(place, r); }
    Expected<void> operator()(const spool::OutcomeRecord& r) const {
      return self.take_outcome(place, r.outcome);
    }
    Expected<void> operator()(const spool::HoldRecord& r) const {
      return self.take_word(place, "hold", Json{{"why", r.reason}});
    }
    Expected<void> operator()(const spool::ReleaseRecord&) const {
      return self.take_word(place, "release", Json::object());
    }
    Expected<void> operator()(const spool::RelocateRecord& r) const { return self.take_relocate(place, r); }
    Expected<void> operator()(const spool::RerouteRecord& r) const {
      return self.take_word(place, "rerouted",
                            Json{{"next_hop", r.next_hop}, {"recipients", r.recipients.size()}});
    }
    Expected<void> operator()(const spool::WithdrawRecord&) const { return self.take_withdrawal(place); }
    // Nothing became of anybody.
    Expected<void> operator()(const spool::BodyPartRecord&) const { return {}; }
    Expected<void> operator()(const spool::AttemptRecord&) const { return {}; }
    Expected<void> operator()(const spool::CleanStopRecord&) const { return {}; }
    Expected<void> operator()(const spool::DrainingRecord&) const { return {}; }
    Expected<void> operator()(const spool::UnknownRecord&) const { return {}; }
  };
  return std::visit(Visit{*this, place}, entry.record);
}

Expected<void> WebhookFollower::take_message(const Place& place, const spool::MessageRecord& record) {
  auto known = store_.find_open(place.message);
  if (!known) return known.error();
  if (*known) return {};  // as the journal has it: a second record means nothing
  const Envelope& envelope = record.envelope;
  const SystemTime when = envelope.arrival == SystemTime{} ? place.message.time() : envelope.arrival;
  store_.note_time(when);
  store_.note_arrival(place.message);
  Event event = place.event(0, "accepted", when);
  say_sender(event, envelope.reverse_path, envelope.account);
  event.body["recipients"] = envelope.recipients.size();
  put_unless_empty(event.body, "client", envelope.received_from);
  put_unless_empty(event.body, "message_class", ledger::class_of(envelope.message_class));
  put_unless_empty(event.body, "envid", envelope.envid);
  if (envelope.not_before != SystemTime{}) event.body["send_at"] = to_rfc3339(envelope.not_before);
  if (auto added = store_.add(event); !added) return added;
  return store_.begin_open(place.message, envelope);
}

// What names a message that is not alive means nothing in the journal, unless its beginning was not read.
Expected<void> WebhookFollower::take_outcome(const Place& place, const spool::Outcome& outcome) {
  if (outcome.when != SystemTime{}) store_.note_time(outcome.when);
  auto known = store_.find_open(place.message);
  if (!known) return known.error();
  if (!*known && place.message.time() >= store_.horizon()) return {};
  const OpenMessage* message = *known ? &**known : nullptr;
  for (std::size_t i = 0; i < outcome.recipients.size(); ++i) {
    const std::uint32_t recipient = outcome.recipients[i].recipient;
    if (message != nullptr && (recipient >= message->recipients.size() || message->done[recipient])) continue;
    if (auto taken = take_recipient(place, outcome, i, message); !taken) return taken;
  }
  if (message == nullptr) return {};
  for (const spool::RecipientOutcome& one : outcome.recipients) {
    const bool ends = spool::is_final(one.state) && one.recipient < message->recipients.size() &&
                      !message->done[one.recipient];
    if (!ends) continue;
    if (auto finished = store_.finish_open(place.message, one.recipient); !finished) return finished;
  }
  return {};
}

Expected<void> WebhookFollower::take_recipient(const Place& place, const spool::Outcome& outcome,
                                               std::size_t index, const OpenMessage* message) {
  const spool::RecipientOutcome& one = outcome.recipients[index];
  Event event = place.event(index, ledger::kind_of(one.state), outcome.when);
  if (message != nullptr) {
    say_sender(event, message->sender, message->account);
    event.body["recipient"] = message->recipients[one.recipient];
  }
  event.body["recipient_number"] = one.recipient;
  event.body["reply"] = one.reply;
  if (one.answer) {
    put_unless_empty(event.body, "status", one.answer->status);
    put_unless_empty(event.body, "mx_host", one.answer->host);
    put_unless_empty(event.body, "mx_address", one.answer->address);
  }
  if (one.proof)
    event.body["proof_digest"] = ledger::short_text({one.proof->digest.data(), one.proof->digest.size()});
  if (one.state == spool::RecipientState::pending) {
    if (outcome.next_attempt != SystemTime{}) event.body["next_attempt"] = to_rfc3339(outcome.next_attempt);
    if (outcome.refused_since != SystemTime{})
      event.body["refused_since"] = to_rfc3339(outcome.refused_since);
  }
  return store_.add(event);
}

// The same message with all that is known of it; new only to who did not see it come. It was told when it came.
Expected<void> WebhookFollower::take_relocate(const Place& place, const spool::RelocateRecord& record) {
  auto known = store_.find_open(place.message);
  if (!known) return known.error();
  if (*known) return {};
  if (auto begun = store_.begin_open(place.message, record.message.envelope); !begun) return begun;
  for (std::size_t i = 0; i < record.progress.size(); ++i) {
    if (!spool::is_final(record.progress[i].state)) continue;
    if (auto done = store_.finish_open(place.message, static_cast<std::uint32_t>(i)); !done) return done;
  }
  return {};
}

// The journal does not say when: it was after what it says before.
Expected<void> WebhookFollower::take_word(const Place& place, std::string_view kind, Json body) {
  auto known = store_.find_open(place.message);
  if (!known) return known.error();
  if (!*known) return {};
  Event event = place.event(0, kind, SystemTime{});  // its name must not hang on what was read before it
  event.when = std::max(store_.last_time(), place.message.time());
  say_sender(event, (**known).sender, (**known).account);
  event.body.update(body);
  return store_.add(event);
}

Expected<void> WebhookFollower::take_withdrawal(const Place& place) {
  if (auto told = take_word(place, "withdrawn", Json::object()); !told) return told;
  return store_.end_open(place.message);
}

}  // namespace sealpost::webhooks
