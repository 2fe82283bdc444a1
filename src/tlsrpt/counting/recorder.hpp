// SPDX-License-Identifier: Apache-2.0
//
// Counting TLS sessions for RFC 8460: one call per connection attempt that reached policy evaluation (§4.2),
// folded in memory and flushed to tlsrpt.db by the housekeeping thread. Never blocks, never fails towards
// delivery (D-25). This is the front of the room; in order:
//
//   1. counted.hpp       a session becomes one entry per policy
//   2. pending.hpp       entries of one kind are folded until they are written; refusals.hpp: those our own demands ended
//   3. db_recorder.hpp   the thread that writes them
//   4. store.hpp         tlsrpt.db: schema.hpp its tables, salvage.cpp what a damaged one still gives, retention.hpp its end
//   5. overview.hpp      what the numbers say, plain_words.hpp in words
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sealpost/ip_address.hpp"
#include "sealpost/requirement.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost::tlsrpt {

// One session (or one attempt that never got one: a fetch or TLSA failure, then `facts` and addresses are
// unset).
struct SessionRecord {
  SessionRecord() = default;
  std::string attempt_id;     // unique per attempt: replay-safe (D-25)
  SystemTime when{};          // end of handshake
  std::string policy_domain;  // whose published policies counted: with a smart host, the smart host's
  StsState sts;
  DaneState dane;
  std::optional<SessionFacts> facts;
  Judgement judgement;  // of the published policies as they stand, operator rules included
  std::optional<HostSkip> skip;
  std::string mx_host, mx_helo;
  std::optional<IpAddress> sending_ip, receiving_ip;
};

class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual void count(SessionRecord record) noexcept = 0;  // any thread
};

}  // namespace sealpost::tlsrpt
