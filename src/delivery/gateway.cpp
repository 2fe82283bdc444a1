// SPDX-License-Identifier: Apache-2.0
#include "delivery/gateway.hpp"

#include <algorithm>

#include "route/mx_lookup.hpp"

namespace sealpost::delivery {
namespace {

// In brackets: the host itself, never its MX records.
std::string next_hop_of(const PartnerRule& rule) {
  const auto colon = rule.reroute.rfind(':');
  return "[" + rule.reroute.substr(0, colon) + "]" + rule.reroute.substr(colon);
}

std::string host_of(const PartnerRule& rule) {
  const auto hop = NextHop::parse(next_hop_of(rule));
  return hop ? hop->domain : rule.reroute;
}

}  // namespace

queue::LaneKey gateway_lane(const queue::LaneKey& direct, const PartnerRule& rule) {
  queue::LaneKey key = direct;
  key.next_hop = next_hop_of(rule);
  key.gateway_rule = rule.name;
  key.route.clear();
  key.by_operator = false;
  return key;
}

const PartnerRule* rule_behind(const queue::LaneKey& gateway_lane, const Partners& partners, SystemTime now) {
  const auto still_does = [&](const PartnerRule& rule) {
    return rule.name == gateway_lane.gateway_rule && !rule.audit &&
           rule.on_failure == PartnerRule::OnFailure::reroute && next_hop_of(rule) == gateway_lane.next_hop &&
           !(rule.ends && now >= *rule.ends);
  };
  const auto found = std::find_if(partners.begin(), partners.end(), still_does);
  return found == partners.end() ? nullptr : &*found;
}

PartnerRule gateway_requirement(const PartnerRule& rule, const Partners& partners, SystemTime now) {
  const std::string host = host_of(rule);
  const PartnerRule* own = find_partner(partners, host, now);
  PartnerRule asked;
  if (own != nullptr && !own->audit && level_at(*own, now) >= PartnerLevel::encrypt) {
    asked = *own;
  } else {
    asked.name = rule.name + " (gateway)";
    asked.level = PartnerLevel::verify;
    asked.names = PartnerRule::Names::literal;
    asked.literal_names = {host};
    asked.file = rule.file;
    asked.line = rule.line;
    asked.hash = rule.hash;
  }
  asked.on_failure = PartnerRule::OnFailure::defer;
  return asked;
}

std::string describe_gateway(const PartnerRule& rule, const Partners& partners, SystemTime now) {
  const PartnerRule asked = gateway_requirement(rule, partners, now);
  const std::string how = asked.name == rule.name + " (gateway)"
                              ? "encrypted and verified as " + host_of(rule)
                              : "with what rule '" + asked.name +
                                    "' asks of it, tls = " + std::string(name_of(level_at(asked, now)));
  return rule.reroute + ", " + how;
}

}  // namespace sealpost::delivery
