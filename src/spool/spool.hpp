// SPDX-License-Identifier: Apache-2.0
//
// Spool: where accepted mail is kept. Every change is a group of journal records that become durable together;
// a call returns when its group has been synced (D-01..D-07) and never blocks a loop (D-06). docs/spool-format.md
// describes the files. Behind it: JournalSpool (a thread of its own), in simulation the same code on virtual disk.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event/loop.hpp"
#include "event/task.hpp"
#include "mail/envelope.hpp"
#include "mail/message_id.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::spool {

// A piece of a message body in the journal.
struct Extent {
  std::uint64_t segment = 0;
  std::uint32_t offset = 0;  // of the first body octet in the segment file
  std::uint32_t length = 0;
};

enum class RecipientState : std::uint8_t { pending, delivered, failed, removed, held };

// A message as the rest of the relay sees it. Immutable but for what its lanes know; shared.
struct StoredMessage {
  MessageId id;
  Envelope envelope;
  std::uint64_t size = 0;                 // octets of the body as it will be sent, dot-stuffing not counted
  std::vector<Extent> extents;            // where the body lies
  // The whole body while it is fresh: freed when its first attempts are over, or not kept at all under memory
  // pressure. Read bodies through Spool::open().
  std::shared_ptr<const std::string> fresh;
  // State as of store() or recovery; the queue owns the running state.
  std::vector<RecipientState> states;     // one per recipient
  std::uint32_t attempts = 0;             // attempts begun (D-12)
  SystemTime next_attempt{};              // recovery: when the schedule wanted it next
  bool delay_notice_sent = false;
  bool found_attempting = false;          // recovery: an attempt was begun and has no outcome
};
using StoredMessagePtr = std::shared_ptr<const StoredMessage>;

struct NewMessage {
  NewMessage() = default;
  MessageId id;
  Envelope envelope;
  std::string body;               // inline part; the octets that follow `chunks`
  std::vector<Extent> chunks;     // parts already written with append_body()
  std::uint64_t chunk_octets = 0;
};

struct RecipientOutcome {
  RecipientOutcome() = default;
  RecipientOutcome(std::uint32_t recipient_, RecipientState state_, std::string reply_)
      : recipient(recipient_), state(state_), reply(std::move(reply_)) {}
  std::uint32_t recipient = 0;    // index into the envelope
  RecipientState state = RecipientState::pending;  // pending: deferred
  std::string reply;              // last word about it, printable, at most 512 octets
};

// The end of one attempt, for some recipients of one message.
struct Outcome {
  Outcome() = default;
  MessageId id;
  std::vector<RecipientOutcome> recipients;
  SystemTime when{};
  SystemTime next_attempt{};      // when some are deferred
  bool delay_notice_sent = false; // this group carries a delay notice
};

class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // The next piece, at most 256 KiB, empty at the end; valid until the next call. Errc::io: the record is damaged.
  virtual event::Task<Expected<std::string_view>> next() = 0;
};

class Spool {
 public:
  virtual ~Spool() = default;

  // Room for a message of `size` octets (0: unknown)? Errc::no_space when below the floor of D-08, Errc::unavailable
  // when the journal is unhealthy (D-07). Cheap, any thread.
  virtual Expected<void> room_for(std::uint64_t size) const = 0;

  // Writes a part of a long body ahead of its message; durable only together with the message.
  virtual event::Task<Expected<Extent>> append_body(event::Loop& home, MessageId id, std::string bytes) = 0;
  // Durable when it succeeds. On an error nothing is kept: answer 451 or 452 (no_space). A message counts as
  // attempt 1 begun (the queue attempts it at once).
  virtual event::Task<Expected<StoredMessagePtr>> store(event::Loop& home, NewMessage message) = 0;
  // Attempt `number` (2 and up) is about to begin (D-12).
  virtual event::Task<Expected<void>> begin_attempt(event::Loop& home, MessageId id, std::uint32_t number) = 0;
  // The outcome, and the DSNs it caused, in one group (D-17). Returns the stored DSNs.
  virtual event::Task<Expected<std::vector<StoredMessagePtr>>> finish_attempt(event::Loop& home, Outcome outcome,
                                                                              std::vector<NewMessage> dsns) = 0;
  // Operator's hold and release of a whole message.
  virtual event::Task<Expected<void>> hold(event::Loop& home, MessageId id, bool held, std::string reason) = 0;

  virtual std::unique_ptr<BodyReader> open(event::Loop& home, StoredMessagePtr message) = 0;

  // What replay found, in order of arrival; once, before anything else is called.
  virtual std::vector<StoredMessagePtr> take_recovered() = 0;

  struct Counters {
    std::uint64_t messages = 0, groups = 0, syncs = 0, octets = 0, failures = 0;
    std::uint64_t segments = 0, live_messages = 0;
  };
  virtual Counters counters() const = 0;
};

}  // namespace sealpost::spool
