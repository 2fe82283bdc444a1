// SPDX-License-Identifier: Apache-2.0
//
// Spool: where accepted mail is kept. Every change is a group of journal records that become durable
// together; a call returns when its group has been synced (D-01..D-07) and never blocks a loop (D-06).
// docs/spool-format.md describes the files. Behind it: JournalSpool (journal_spool.hpp) on a thread of its
// own, or, in simulation, the same code on a virtual disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/loop.hpp"
#include "event/task.hpp"
#include "mail/envelope.hpp"
#include "mail/message_id.hpp"
#include "sealpost/expected.hpp"
#include "spool/stored_message.hpp"

namespace sealpost::spool {

// Most octets in one call: an inline body, or one part of a longer one. Recipients and replies have bounds
// too.
constexpr std::size_t max_part = 4u << 20;
constexpr std::size_t max_recipients = 10'000;
constexpr std::size_t max_reply = 512;

struct NewMessage {
  NewMessage() = default;
  MessageId id;
  Envelope envelope;
  std::string body;                // inline part; the octets that follow `chunks`
  std::vector<Extent> chunks;      // parts already written with append_body(), in order
  std::uint64_t chunk_octets = 0;  // their sum
};

struct RecipientOutcome {
  RecipientOutcome() = default;
  RecipientOutcome(std::uint32_t recipient_, RecipientState state_, std::string reply_,
                   AnswerPtr answer_ = nullptr, ProofTextPtr proof_ = nullptr)
      : recipient(recipient_),
        state(state_),
        reply(std::move(reply_)),
        answer(std::move(answer_)),
        proof(std::move(proof_)) {}
  std::uint32_t recipient = 0;                     // index into the envelope
  RecipientState state = RecipientState::pending;  // pending: deferred
  std::string reply;                               // last word about it, printable; cut at max_reply octets
  AnswerPtr answer;                                // whose word
  ProofTextPtr proof;                              // what the session proved
};

// The end of one attempt, or an operator's word (removed, held), for some recipients of one message.
struct Outcome {
  Outcome() = default;
  MessageId id;
  std::vector<RecipientOutcome> recipients;
  SystemTime when{};
  SystemTime next_attempt{};  // of those deferred
  // Of those deferred: when the first of an unbroken row of attempts ended that a policy refused; zero: not this one.
  SystemTime refused_since{};
  bool delay_notice_sent = false;  // this group carries a delay notice for them
};

class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // The next piece, at most 256 KiB, empty at the end; valid until the next call. The last octets of a
  // damaged body are never handed out: Errc::io instead. Errc::unavailable: cannot be read now, which says
  // nothing about damage.
  virtual event::Task<Expected<std::string_view>> next() = 0;
};

class Spool {
 public:
  virtual ~Spool() = default;

  // Room for a message of `size` octets (0: unknown)? Errc::no_space when below the floor of D-08,
  // Errc::unavailable when the journal is unhealthy (D-07). Cheap, any thread.
  virtual Expected<void> room_for(std::uint64_t size) const = 0;
  // Can what happens be recorded? When not, nothing must be begun whose outcome would be forgotten (D-07). That stays so
  // until a restart when the disk failed, and ends by itself when room or descriptors were short. Cheap, any thread.
  virtual bool healthy() const noexcept = 0;

  // Writes a part of a long body ahead of its message; durable only together with the message.
  virtual event::Task<Expected<Extent>> append_body(event::Loop& home, MessageId id, std::string bytes) = 0;
  // Forgets the parts of a message that will never be stored; nothing happens when it was, or has none.
  // Whoever appends parts calls it from the destructor that ends an unfinished transaction. Any thread.
  virtual void discard(MessageId id) noexcept = 0;

  // Durable when it succeeds. On an error nothing is kept: answer 451, or 452 for Errc::no_space.
  // Errc::timed_out when the disk did not answer within 60 s (D-06); then, and when the task is destroyed
  // before it has finished, the message is withdrawn as soon as the disk answers: a refused message is never
  // delivered.
  virtual event::Task<Expected<StoredMessagePtr>> store(event::Loop& home, NewMessage message) = 0;

  // An attempt (the second and later ones) for these recipients is about to begin (D-12).
  virtual event::Task<Expected<void>> begin_attempt(event::Loop& home, MessageId id,
                                                    std::vector<std::uint32_t> recipients) = 0;
  // The outcome, and the DSNs it caused, in one group (D-17). Returns the DSNs it stored: one whose id is
  // there already is not stored again. Errc::not_found: the message is finished. Do not cancel it: the group
  // is kept, and DSNs nobody took over wait for the next start.
  virtual event::Task<Expected<std::vector<StoredMessagePtr>>> finish_attempt(
      event::Loop& home, Outcome outcome, std::vector<NewMessage> dsns) = 0;
  // Operator's hold and release of a whole message.
  virtual event::Task<Expected<void>> hold(event::Loop& home, MessageId id, bool held,
                                           std::string reason) = 0;

  // These recipients go to `next_hop` from now on, also after a restart (StoredMessage::reroutes); empty: as routes say.
  virtual event::Task<Expected<void>> reroute(event::Loop& home, MessageId id,
                                              std::vector<std::uint32_t> recipients,
                                              std::string next_hop) = 0;

  // The reader must not outlive the spool.
  virtual std::unique_ptr<BodyReader> open(event::Loop& home, StoredMessagePtr message) = 0;

  // What replay found, in order of arrival; once, before anything else is called.
  virtual std::vector<StoredMessagePtr> take_recovered() = 0;

  struct Counters {
    std::uint64_t messages = 0, groups = 0, syncs = 0, octets = 0, failures = 0;
    std::uint64_t segments = 0, live_messages = 0;
    std::uint64_t damaged = 0;    // stretches of the journal that the start could not read
    std::uint64_t set_aside = 0;  // files in corrupt/ that nobody has dealt with, as of the start
  };
  virtual Counters counters() const = 0;
};

}  // namespace sealpost::spool
