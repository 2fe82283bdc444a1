// SPDX-License-Identifier: Apache-2.0
//
// The gateway of a partner rule, on_failure = "reroute:HOST:PORT": where mail goes that could not be delivered as the
// rule demands, once its grace is over. Such mail has a lane of its own, whose key names the rule; the gateway's own
// requirement stands in for the partner's, and clear text is never part of it.
#pragma once

#include <string>

#include "delivery/context.hpp"
#include "queue/lane.hpp"

namespace sealpost::delivery {

// The lane of mail that `rule` takes out of the lane `direct`.
queue::LaneKey gateway_lane(const queue::LaneKey& direct, const PartnerRule& rule);

// The rule that sends this lane's mail to its gateway; null when no rule does any more.
const PartnerRule* rule_behind(const queue::LaneKey& gateway_lane, const Partners& partners, SystemTime now);

// What the gateway itself must prove: what a partner rule for its host asks, when that is at least encryption and
// enforced; else a certificate that names the gateway. A gateway that fails makes mail wait.
PartnerRule gateway_requirement(const PartnerRule& rule, const Partners& partners, SystemTime now);

// For people: "gateway.example:25, encrypted and verified as gateway.example".
std::string describe_gateway(const PartnerRule& rule, const Partners& partners, SystemTime now);

}  // namespace sealpost::delivery
