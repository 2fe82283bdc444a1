// SPDX-License-Identifier: Apache-2.0
//
// state = fold(apply, records): which messages are alive, how far each recipient is, and which segments they
// need. No I/O. The same function runs live (after the sync), at replay and in crash simulation, so what a
// restart finds is what ran before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "spool/record.hpp"

namespace sealpost::spool {

// A record together with where it lies.
struct JournalEntry {
  MessageId id;
  Record record;
  Extent blob;               // segment and offset count even when its length is 0
  std::uint32_t octets = 0;  // footprint in the segment
  bool blob_intact = true;
  // message and relocate, live: the object the caller gets. Replay leaves it empty and apply() makes one.
  std::shared_ptr<StoredMessage> message;
};

// What a live message needs of one segment.
struct Pin {
  std::uint64_t segment = 0;
  std::uint32_t octets = 0;
};

struct LiveMessage {
  std::shared_ptr<StoredMessage> message;  // shared with the queue; only its body place changes
  std::vector<RecipientProgress> progress;
  Pin record;                               // where its record is
  std::unique_ptr<std::vector<Pin>> parts;  // and the parts of a long body
  bool held = false;
  // For people; few messages have any (T-28).
  struct Notes {
    std::string hold_reason, last_reply;
    AnswerPtr last_answer;  // whose word the reply is
    std::vector<Reroute> reroutes;
    std::string unknown;  // MessageRecord::unknown
  };
  std::unique_ptr<Notes> notes;
  std::string_view hold_reason() const noexcept { return notes ? std::string_view(notes->hold_reason) : ""; }
  std::string_view last_reply() const noexcept { return notes ? std::string_view(notes->last_reply) : ""; }
  AnswerPtr last_answer() const noexcept { return notes ? notes->last_answer : nullptr; }
  std::string_view unknown() const noexcept { return notes ? std::string_view(notes->unknown) : ""; }
  void note_hold(std::string reason);
  void note_reply(std::string reply, AnswerPtr answer);
  void note_unknown(std::string attributes);
  void note_reroute(const RerouteRecord& said);
  void forget_reroutes() noexcept {
    if (notes) notes->reroutes.clear();
  }
  bool needs(std::uint64_t segment) const noexcept;
};

class JournalState {
 public:
  enum class Effect : std::uint8_t {
    none,  // about a message that is not alive, or a repetition
    changed,
    appeared,  // a message is alive now
    finished,  // ... and now no longer: its segments may be free
  };
  Effect apply(JournalEntry entry);
  // Holds a message for a reason that is not in the journal: its record is damaged.
  void hold(const MessageId& id, std::string reason);
  // The parts of a message that will not come, so that they no longer pin their segments.
  void discard_parts(const MessageId& id);
  void discard_all_parts();

  const LiveMessage* find(const MessageId& id) const;
  bool has_parts(const MessageId& id, const std::vector<Extent>& chunks) const;
  std::size_t live_messages() const noexcept { return live_.size(); }
  std::uint64_t live_octets() const noexcept { return live_octets_; }
  // Nothing alive needs it. Segments never heard of are free.
  bool is_free(std::uint64_t segment) const;
  std::vector<MessageId> messages_in(std::uint64_t segment) const;  // looks at every live message
  // Every live message as the queue gets it after a restart, in order of arrival (D-12: an open attempt
  // counts as interrupted).
  std::vector<std::shared_ptr<StoredMessage>> recovered() const;

 private:
  struct Part {
    Extent extent;
    std::uint32_t octets = 0;
  };
  using Live = std::unordered_map<MessageId, LiveMessage, MessageIdHash>;

  Effect apply_message(JournalEntry& entry, MessageRecord& record);
  Effect apply_relocate(JournalEntry& entry, RelocateRecord& record);
  Effect apply_attempt(LiveMessage& live, const AttemptRecord& record);
  Effect apply_outcome(Live::iterator at, const OutcomeRecord& record);
  Effect apply_release(LiveMessage& live);
  Effect erase(Live::iterator at);
  void close_attempts();
  bool place_body(JournalEntry& entry, const MessageRecord& record, StoredMessage& message,
                  LiveMessage& live);
  void unpin(LiveMessage& live);
  void use(std::uint64_t segment, std::uint32_t octets);
  void unuse(std::uint64_t segment, std::uint32_t octets);

  Live live_;
  std::unordered_map<MessageId, std::vector<Part>, MessageIdHash> parts_;
  std::map<std::uint64_t, std::uint64_t> uses_;  // segment: how many pins
  std::uint64_t live_octets_ = 0;
};

}  // namespace sealpost::spool
