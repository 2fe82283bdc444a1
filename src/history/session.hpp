// SPDX-License-Identifier: Apache-2.0
//
// A recorded session: everything decide() and judge() were given about one host for one recipient domain, and
// what came of it. Kept so that a rule can be tried on what has happened (replay.hpp). Partner rules are not
// part of the facts: they are what a replay exchanges. This is the front of the room; in order:
//
//   1. pending.hpp       sessions of one kind are folded in memory
//   2. db_recorder.hpp   the thread that writes them
//   3. store.hpp         evidence.db: equal facts once (facts_codec.hpp), counted per domain, host and day
//   4. replay.hpp        rules tried on them; suggest.hpp: rules that what was seen would bear
//
// It counts kinds of session and drops what is too much: it says what a rule would meet, and proves no single delivery.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sealpost/requirement.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost::history {

// What was known and seen. Equal facts are stored once, so nothing belongs here that differs from one session
// to the next without a meaning for a decision: no times, no addresses, no ticket state, no free text of a peer.
struct Facts {
  bool mx_secure = false;
  StsState sts;  // without the text and expiry of the policy
  DaneState dane;
  MessageFlags flags;
  std::optional<SessionFacts> session;  // unset: the host was passed over before it was contacted
};

// How it ended then.
struct Ending {
  Verdict verdict = Verdict::refuse;
  std::string partner, partner_hash;     // the rule in force for the recipient's domain
  std::string refused_by;                // source that refused: "partner", "mta-sts"; empty: none
  std::string result_type, reason_code;  // of the refusal, else of the first failure that was only reported
  auto operator<=>(const Ending&) const = default;
};

struct Session {
  Session() = default;
  SystemTime when{};
  std::string recipient_domain;
  std::string policy_domain;  // the next hop's
  std::string mx_host;
  Facts facts;
  Ending ending;
  bool reused = false;  // a connection that was open already, judged again for this domain
};

// Sessions of one kind and day: equal facts, hosts and ending.
struct Counted {
  Counted() = default;
  explicit Counted(const Session& one)
      : session(one),
        handshakes(one.reused ? 0 : 1),
        reuses(one.reused ? 1 : 0),
        first(one.when),
        last(one.when) {}
  Session session;
  std::uint64_t handshakes = 0, reuses = 0;
  SystemTime first{}, last{};
};

class Recorder {
 public:
  virtual ~Recorder() = default;
  // Any thread. Never waits; what cannot be kept is dropped and counted, mail goes on (D-23).
  virtual void record(Session session) noexcept = 0;
};

// Sessions with equal facts and ending, as they are read back.
struct Recorded {
  std::string recipient_domain, policy_domain, mx_host;
  std::shared_ptr<const Facts> facts;
  Ending ending;
  std::uint64_t handshakes = 0, reuses = 0;
  SystemTime first{}, last{};
  std::uint64_t sessions() const noexcept { return handshakes + reuses; }
};

}  // namespace sealpost::history
