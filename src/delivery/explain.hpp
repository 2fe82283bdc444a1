// SPDX-License-Identifier: Apache-2.0
//
// What mail to a domain would have to meet, from the same plan and decision that delivery uses; no host is
// contacted.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "delivery/context.hpp"
#include "delivery/plan.hpp"

namespace sealpost::delivery {

struct HostExplanation {
  std::string mx;
  std::uint16_t preference = 0;
  std::vector<std::string> trace;  // decide()'s steps, and what skips the host
  bool tls_required = false;
  std::string on_failure;  // what happens when it cannot be met
  std::string unusable;    // why it cannot be used; then nothing below is known
  std::vector<std::string> addresses;
  DaneState dane;
  Decision decision;
};

struct Explanation {
  std::string recipient_domain, next_hop, policy_domain;
  std::vector<std::string> trace;  // partner rule, MTA-STS state, MX lookup
  std::vector<HostExplanation> hosts;
  std::string no_route;  // why there is none; then nothing below is known
  std::optional<PartnerRule> partner, hop_partner;
  StsState sts;
  bool mx_implicit = false, mx_secure = false;
};

event::Task<Explanation> explain(Context& context, RulesPtr rules, queue::LaneKey key);

}  // namespace sealpost::delivery
