// SPDX-License-Identifier: Apache-2.0
//
// A message in the spool as the rest of the relay sees it: what was accepted, how far each recipient was when
// it was stored or recovered, and where its body is now.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mail/envelope.hpp"
#include "mail/message_id.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::spool {

// A piece of a message body in the journal.
struct Extent {
  std::uint64_t segment = 0;
  std::uint32_t offset = 0;  // of the first body octet in the segment file
  std::uint32_t length = 0;
  std::uint32_t crc = 0;  // CRC-32C of these octets
  bool operator==(const Extent&) const = default;
};

enum class RecipientState : std::uint8_t { pending, delivered, failed, removed, held };
constexpr bool is_final(RecipientState state) noexcept {  // nothing is ever sent to it again (D-16)
  return state == RecipientState::delivered || state == RecipientState::failed ||
         state == RecipientState::removed;
}

// How far one recipient is (D-11).
struct RecipientProgress {
  RecipientState state = RecipientState::pending;
  bool attempting = false;  // an attempt was begun and has no outcome
  bool delay_notice_sent = false;
  std::uint8_t interrupted =
      0;  // attempts in a row that ended with the relay itself, the open one included (D-12)
  std::uint16_t attempts = 0;  // begun
  SystemTime next_attempt{};   // when the schedule wanted the next one; the epoch when it never said
  SystemTime
      refused_since{};  // since when policy has refused every attempt; the epoch: it did not refuse the last
  bool operator==(const RecipientProgress&) const = default;
};

// Does its record stand for the beginning of its first attempt (ADR 4)? Where not, that attempt is recorded as later ones are.
inline bool first_attempt_is_implied(const Envelope& envelope) noexcept {
  return envelope.not_before == SystemTime{};
}

// Whose word a reply is, beside the word itself. Shared by the recipients that were answered alike.
struct Answer {
  std::string status;  // "4.7.1" (RFC 3463), ours when the host gave none; "" when nobody said
  std::string host,
      address;  // MX host and its IP address; "" when there was no session: the words are our own
  bool operator==(const Answer&) const = default;
};
using AnswerPtr = std::shared_ptr<const Answer>;  // null: not on record

// What a session proved, for those who read the journal (follower.hpp): text that names what was asked, shown and judged,
// and its SHA-256. The spool keeps both as they are. Shared by the recipients and messages of a session.
struct ProofText {
  std::array<char, 32> digest{};
  std::string text;  // "": an outcome before this one in the journal carries it
  bool operator==(const ProofText&) const = default;
};
using ProofTextPtr = std::shared_ptr<const ProofText>;  // null: there was none
constexpr std::size_t max_proof_text = 64u << 10;       // more is left out, and the digest alone is kept

// Where a body is now. The spool changes it (a body in memory is let go, a record is copied forward), so it
// is looked at through Spool::open() and never kept.
class BodyPlace {
 public:
  struct View {
    std::shared_ptr<const std::string> fresh;  // the whole body, while it is kept in memory
    std::vector<Extent> extents;
  };
  View look() const {
    const std::lock_guard lock(mutex());
    return view_;
  }
  void set(View view) {
    const std::lock_guard lock(mutex());
    view_ = std::move(view);
  }
  void move_to(std::vector<Extent> extents) {
    const std::lock_guard lock(mutex());
    view_.extents = std::move(extents);
  }
  void drop_fresh() {
    std::shared_ptr<const std::string> dropped;  // freed outside the lock
    const std::lock_guard lock(mutex());
    dropped.swap(view_.fresh);
  }

 private:
  // A mutex of its own would be a twentieth of what a waiting message costs (T-28); nobody holds one for long.
  std::mutex& mutex() const noexcept {
    static std::array<std::mutex, 64> shared;
    return shared[reinterpret_cast<std::uintptr_t>(this) / sizeof(View) % shared.size()];
  }
  View view_;
};

// Where an operator sends the mail of some recipients instead of where routes and MX records do.
struct Reroute {
  std::string next_hop;                   // as in `relay` of a [[route]]
  std::vector<std::uint32_t> recipients;  // sorted
};

struct StoredMessage {
  MessageId id;
  Envelope envelope;
  std::uint64_t size = 0;  // octets of the body as it will be sent, dot-stuffing not counted
  // One per recipient, as of store() or recovery; the queue owns the running state. After store() every
  // recipient is in its first attempt: the queue begins that at once.
  std::vector<RecipientProgress> progress;
  bool held = false;  // recovery: held by an operator, or because its record is damaged or not understood
  std::string hold_reason;        // an operator's, or beginning with one of the words below
  std::string last_reply;         // recovery: last word of an outcome, for people
  AnswerPtr last_answer;          // whose word that was
  std::vector<Reroute> reroutes;  // recovery: a recipient is in one of them at most
  // Null: nobody sends it another way.
  const std::string* rerouted(std::uint32_t recipient) const noexcept {
    for (const Reroute& reroute : reroutes)
      if (std::binary_search(reroute.recipients.begin(), reroute.recipients.end(), recipient))
        return &reroute.next_hop;
    return nullptr;
  }
  // Shared by copies of this: the spool must be able to tell all of them when a body moves.
  std::shared_ptr<BodyPlace> body = std::make_shared<BodyPlace>();
};
using StoredMessagePtr = std::shared_ptr<const StoredMessage>;

// What recovery says when it puts a message on hold: the beginnings of its reasons.
inline constexpr std::string_view hold_body_damaged = "a part of its body is damaged";
inline constexpr std::string_view hold_record_damaged = "a record of its journal is damaged";
inline constexpr std::string_view hold_record_newer =
    "a record of its journal says more than this release understands";
inline constexpr std::string_view hold_record_unknown = "its journal has a record of type ";

}  // namespace sealpost::spool
