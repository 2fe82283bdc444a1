// SPDX-License-Identifier: Apache-2.0
#include "spool/journal_state.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace sealpost::spool {
namespace {

template <class Int>
void count_up(Int& value) noexcept {
  if (value < std::numeric_limits<Int>::max()) ++value;
}

std::shared_ptr<StoredMessage> make_message(const MessageId& id, Envelope envelope) {
  auto message = std::make_shared<StoredMessage>();
  message->id = id;
  message->envelope = std::move(envelope);
  return message;
}

// A message that has just been accepted is in its first attempt, if it is for now.
RecipientProgress progress_of_new(const Envelope& envelope) noexcept {
  RecipientProgress progress;
  if (!first_attempt_is_implied(envelope)) return progress;
  progress.attempting = true;
  progress.attempts = 1;
  return progress;
}

}  // namespace

void LiveMessage::note_hold(std::string reason) {
  if (!notes && !reason.empty()) notes = std::make_unique<Notes>();
  if (notes) notes->hold_reason = std::move(reason);
}

void LiveMessage::note_reply(std::string reply, AnswerPtr answer) {
  if (!notes && !reply.empty()) notes = std::make_unique<Notes>();
  if (!notes) return;
  notes->last_reply = std::move(reply);
  notes->last_answer = std::move(answer);
}

void LiveMessage::note_unknown(std::string attributes) {
  if (!notes && !attributes.empty()) notes = std::make_unique<Notes>();
  if (notes) notes->unknown = std::move(attributes);
}

// A recipient has one next hop: the last one that was said.
void LiveMessage::note_reroute(const RerouteRecord& said) {
  if (!notes) notes = std::make_unique<Notes>();
  const std::unordered_set<std::uint32_t> moved(said.recipients.begin(), said.recipients.end());
  for (Reroute& earlier : notes->reroutes)
    std::erase_if(earlier.recipients, [&](std::uint32_t recipient) { return moved.contains(recipient); });
  std::erase_if(notes->reroutes, [](const Reroute& earlier) { return earlier.recipients.empty(); });
  if (said.next_hop.empty()) return;
  Reroute reroute;
  reroute.next_hop = said.next_hop;
  for (const std::uint32_t recipient : moved)
    if (recipient < progress.size()) reroute.recipients.push_back(recipient);
  std::sort(reroute.recipients.begin(), reroute.recipients.end());
  if (!reroute.recipients.empty()) notes->reroutes.push_back(std::move(reroute));
}

bool LiveMessage::needs(std::uint64_t segment) const noexcept {
  const auto there = [segment](const Pin& pin) { return pin.segment == segment; };
  return there(record) || (parts && std::any_of(parts->begin(), parts->end(), there));
}

JournalState::Effect JournalState::apply(JournalEntry entry) {
  if (auto* message = std::get_if<MessageRecord>(&entry.record)) return apply_message(entry, *message);
  if (auto* relocate = std::get_if<RelocateRecord>(&entry.record)) return apply_relocate(entry, *relocate);
  if (std::holds_alternative<BodyPartRecord>(entry.record)) {
    if (!entry.blob_intact) return Effect::none;  // its message will miss it and be held
    parts_[entry.id].push_back(Part{entry.blob, entry.octets});
    use(entry.blob.segment, entry.octets);
    return Effect::changed;
  }
  if (std::holds_alternative<CleanStopRecord>(entry.record) ||
      std::holds_alternative<DrainingRecord>(entry.record)) {
    close_attempts();
    return Effect::changed;
  }
  const auto at = live_.find(entry.id);
  if (at == live_.end()) return Effect::none;
  LiveMessage& live = at->second;
  if (const auto* attempt = std::get_if<AttemptRecord>(&entry.record)) return apply_attempt(live, *attempt);
  if (const auto* outcome = std::get_if<OutcomeRecord>(&entry.record)) return apply_outcome(at, *outcome);
  if (auto* held = std::get_if<HoldRecord>(&entry.record)) {
    hold(entry.id, std::move(held->reason));
    return Effect::changed;
  }
  if (std::holds_alternative<ReleaseRecord>(entry.record)) return apply_release(live);
  if (std::holds_alternative<WithdrawRecord>(entry.record)) return erase(at);
  if (const auto* reroute = std::get_if<RerouteRecord>(&entry.record)) {
    live.note_reroute(*reroute);
    return Effect::changed;
  }
  const auto type = std::get<UnknownRecord>(entry.record).type;
  hold(entry.id,
       std::string(hold_record_unknown) + std::to_string(type) + ", which this release does not know");
  return Effect::changed;  // D-11
}

JournalState::Effect JournalState::apply_message(JournalEntry& entry, MessageRecord& record) {
  const auto [at, is_new] = live_.try_emplace(entry.id);
  if (!is_new) return Effect::none;
  LiveMessage& live = at->second;
  live.message =
      entry.message ? std::move(entry.message) : make_message(entry.id, std::move(record.envelope));
  live.progress.assign(live.message->envelope.recipients.size(), progress_of_new(live.message->envelope));
  live.message->progress = live.progress;
  live.note_unknown(std::move(record.unknown));
  if (!place_body(entry, record, *live.message, live)) hold(entry.id, std::string(hold_body_damaged));
  return Effect::appeared;
}

// Supersedes what earlier records said. The object that the queue shares stays the same one.
JournalState::Effect JournalState::apply_relocate(JournalEntry& entry, RelocateRecord& record) {
  const auto [at, is_new] = live_.try_emplace(entry.id);
  LiveMessage& live = at->second;
  if (!live.message) live.message = make_message(entry.id, std::move(record.message.envelope));
  live.progress = std::move(record.progress);
  live.progress.resize(live.message->envelope.recipients.size());
  live.held = record.held;
  live.note_hold(std::move(record.hold_reason));
  live.note_reply(std::move(record.last_reply), std::move(record.last_answer));
  live.note_unknown(std::move(record.message.unknown));
  live.forget_reroutes();  // said again behind it, if they hold
  if (!is_new) unpin(live);
  if (!place_body(entry, record.message, *live.message, live)) hold(entry.id, std::string(hold_body_damaged));
  return is_new ? Effect::appeared : Effect::changed;
}

// Where the body lies, from the parts the record names and its own blob. False when some of it is missing.
bool JournalState::place_body(JournalEntry& entry, const MessageRecord& record, StoredMessage& message,
                              LiveMessage& live) {
  const bool whole = entry.blob_intact && has_parts(entry.id, record.chunks);
  std::vector<Extent> extents = record.chunks;
  if (entry.blob.length > 0) extents.push_back(entry.blob);
  std::uint64_t size = 0;
  for (const Extent& extent : extents) size += extent.length;
  if (message.size != size) message.size = size;  // not when it moves: other threads read it
  message.body->move_to(std::move(extents));
  if (const auto parts = parts_.find(entry.id); parts != parts_.end()) {
    live.parts = std::make_unique<std::vector<Pin>>();  // what they use is the message's now
    for (const Part& part : parts->second) live.parts->push_back(Pin{part.extent.segment, part.octets});
    parts_.erase(parts);
  }
  live.record = Pin{entry.blob.segment, entry.octets};
  use(live.record.segment, live.record.octets);
  return whole;
}

JournalState::Effect JournalState::apply_attempt(LiveMessage& live, const AttemptRecord& record) {
  for (const std::uint32_t index : record.recipients) {
    if (index >= live.progress.size() || is_final(live.progress[index].state)) continue;
    RecipientProgress& progress = live.progress[index];
    if (progress.attempting) count_up(progress.interrupted);  // the one before has no outcome (D-12)
    progress.attempting = true;
    count_up(progress.attempts);
  }
  return Effect::changed;
}

JournalState::Effect JournalState::apply_outcome(Live::iterator at, const OutcomeRecord& record) {
  LiveMessage& live = at->second;
  const Outcome& outcome = record.outcome;
  for (const RecipientOutcome& recipient : outcome.recipients) {
    if (recipient.recipient >= live.progress.size()) continue;
    RecipientProgress& progress = live.progress[recipient.recipient];
    if (is_final(progress.state)) continue;  // D-16
    progress.state = recipient.state;
    progress.attempting = false;
    progress.interrupted = 0;
    if (!is_final(recipient.state) && !recipient.reply.empty())
      live.note_reply(recipient.reply, recipient.answer);
    if (recipient.state != RecipientState::pending) continue;
    progress.next_attempt = outcome.next_attempt;
    progress.refused_since = outcome.refused_since;
    if (outcome.delay_notice_sent) progress.delay_notice_sent = true;
  }
  const bool done = std::all_of(live.progress.begin(), live.progress.end(),
                                [](const RecipientProgress& progress) { return is_final(progress.state); });
  if (done) return erase(at);
  live.message->body->drop_fresh();  // what waits for another attempt is read from the journal
  return Effect::changed;
}

JournalState::Effect JournalState::apply_release(LiveMessage& live) {
  live.held = false;
  live.note_hold("");
  for (RecipientProgress& progress : live.progress)
    if (progress.state == RecipientState::held) progress.state = RecipientState::pending;
  return Effect::changed;
}

void JournalState::close_attempts() {
  for (auto& [id, live] : live_)
    for (RecipientProgress& progress : live.progress) progress.attempting = false;
}

JournalState::Effect JournalState::erase(Live::iterator at) {
  unpin(at->second);
  live_.erase(at);
  return Effect::finished;
}

void JournalState::hold(const MessageId& id, std::string reason) {
  const auto at = live_.find(id);
  if (at == live_.end()) return;
  at->second.held = true;
  at->second.note_hold(std::move(reason));
}

void JournalState::discard_parts(const MessageId& id) {
  const auto at = parts_.find(id);
  if (at == parts_.end()) return;
  for (const Part& part : at->second) unuse(part.extent.segment, part.octets);
  parts_.erase(at);
}

void JournalState::discard_all_parts() {
  while (!parts_.empty()) discard_parts(MessageId(parts_.begin()->first));
}

const LiveMessage* JournalState::find(const MessageId& id) const {
  const auto at = live_.find(id);
  return at == live_.end() ? nullptr : &at->second;
}

bool JournalState::has_parts(const MessageId& id, const std::vector<Extent>& chunks) const {
  if (chunks.empty()) return true;
  const auto at = parts_.find(id);
  if (at == parts_.end()) return false;
  return std::all_of(chunks.begin(), chunks.end(), [&](const Extent& chunk) {
    return std::any_of(at->second.begin(), at->second.end(),
                       [&](const Part& part) { return part.extent == chunk; });
  });
}

bool JournalState::is_free(std::uint64_t segment) const { return !uses_.contains(segment); }

std::vector<MessageId> JournalState::messages_in(std::uint64_t segment) const {
  std::vector<MessageId> found;
  for (const auto& [id, live] : live_)
    if (live.needs(segment)) found.push_back(id);
  std::sort(found.begin(), found.end());  // simulation must not depend on the order of a hash table
  return found;
}

std::vector<std::shared_ptr<StoredMessage>> JournalState::recovered() const {
  std::vector<std::shared_ptr<StoredMessage>> all;
  all.reserve(live_.size());
  for (const auto& [id, live] : live_) {
    StoredMessage& message = *live.message;
    message.progress = live.progress;
    for (RecipientProgress& progress : message.progress)
      if (progress.attempting) count_up(progress.interrupted);
    message.held = live.held;
    message.hold_reason = live.hold_reason();
    message.last_reply = live.last_reply();
    message.last_answer = live.last_answer();
    if (live.notes) message.reroutes = live.notes->reroutes;
    all.push_back(live.message);
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::tie(a->envelope.arrival, a->id) < std::tie(b->envelope.arrival, b->id);
  });
  return all;
}

void JournalState::unpin(LiveMessage& live) {
  unuse(live.record.segment, live.record.octets);
  if (live.parts)
    for (const Pin& pin : *live.parts) unuse(pin.segment, pin.octets);
  live.parts.reset();
}

void JournalState::use(std::uint64_t segment, std::uint32_t octets) {
  ++uses_[segment];
  live_octets_ += octets;
}

void JournalState::unuse(std::uint64_t segment, std::uint32_t octets) {
  const auto at = uses_.find(segment);
  if (--at->second == 0) uses_.erase(at);
  live_octets_ -= octets;
}

}  // namespace sealpost::spool
