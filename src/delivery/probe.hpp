// SPDX-License-Identifier: Apache-2.0
//
// A live look at a domain: every MX host is contacted as a delivery would contact it, up to the second EHLO, and
// told QUIT. No mail is sent. Same plan, decision, handshake and judgement as delivery; but nothing of it
// reaches the lanes, the pool, the counters, the record of sessions or TLS-RPT, and no TLS session is resumed
// or kept. Bounded in time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "delivery/context.hpp"
#include "delivery/plan.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost::delivery {

struct HostProbe {
  HostProbe() = default;
  std::string mx;
  std::uint16_t preference = 0;
  enum class Outcome : std::uint8_t {
    judged,       // the host was reached; `facts` and `judgement` say the rest
    passed_over,  // the decision alone rules it out (`decision.skip`)
    unreachable,  // `why` says how
  };
  Outcome outcome = Outcome::unreachable;
  std::string why;
  std::vector<std::string> tried;  // addresses that did not answer, each with the reason
  std::string address;             // the one that did
  std::string server_name;         // as it calls itself in EHLO
  DaneState dane;
  Decision decision;
  SessionFacts facts;
  Judgement judgement;
  bool mx_secure = false;

  bool refused() const noexcept {
    return outcome == Outcome::passed_over ||
           (outcome == Outcome::judged && judgement.verdict == Verdict::refuse);
  }
};

struct Probe {
  Probe() = default;
  std::string recipient_domain, next_hop, policy_domain;
  std::optional<PartnerRule> partner, hop_partner;
  StsState sts;
  std::string no_route;  // why there is no host at all; empty otherwise
  std::vector<HostProbe> hosts;
  SystemTime when{};
};

// `place` is held until the probe is over: whoever hands it out bounds how many there are at once.
event::Task<Probe> probe(Context& context, RulesPtr rules, queue::LaneKey key, std::shared_ptr<void> place);

}  // namespace sealpost::delivery
