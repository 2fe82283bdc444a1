// SPDX-License-Identifier: Apache-2.0
//
// A lane's plan: what is known about its destination before any host is contacted. Partner rule, MTA-STS
// state, MX hosts. Built at the start of a courier's work and again when it has grown old; the requirement
// per host is decided from it (requirement.hpp).
#pragma once

#include <optional>
#include <variant>

#include "delivery/context.hpp"
#include "delivery/outcome.hpp"
#include "dns/query_budget.hpp"
#include "queue/lane.hpp"

namespace sealpost::delivery {

struct Plan {
  Plan() = default;
  RulesPtr rules;
  std::shared_ptr<dns::QueryBudget> resolver;  // asks for all that attempts under this plan need (T-40)
  NextHop next_hop;
  std::string recipient_domain;
  std::string policy_domain;               // the next hop's domain: the smart host's with a route (S25)
  std::optional<PartnerRule> partner;      // for the recipient's domain
  std::optional<PartnerRule> hop_partner;  // for a smart host's domain, when it is another rule
  std::vector<PartnerRule> doubted;  // in force under one reading of a doubted clock; they hold, too (T-50)
  SmartHostPtr smart_host;  // of the route that the mail takes, when that is more than a name; else null
  std::shared_ptr<const tls::ServerIdentity> identity;  // for the next hop's hosts, if they ask; mostly null
  StsState sts;
  MxSet mx;
  Traffic traffic;  // what the operator's [[limit]]s say of it
  MessageFlags flags;
  bool relayed = false;  // to a host of our operator's choice: a route's or a gateway
  bool by_operator =
      false;  // as LaneKey: of `queue why`, and no lasting trouble, since it is about this mail alone
  bool null_reverse_path = false;  // known of mail with REQUIRETLS only (RFC 8689 §5)
  bool report = false;
  SteadyTime made{};
  std::uint64_t policies = 0;  // StsService::version() when `sts` was asked for
  const PartnerRule* rule_named(std::string_view name) const noexcept;
};

using PlanResult = std::variant<Plan, Refusal>;
event::Task<PlanResult> make_plan(Context& context, RulesPtr rules, queue::LaneKey key);

// Is the MTA-STS state in the plan still what the service would say? Cheap while no policy changes anywhere; else the
// service is asked, which waits for a policy that is on its way (S26). False: make another plan.
event::Task<bool> still_current(Context& context, Plan& plan);

// Mail that the policy of `policy_domain` has refused so far: due again when that policy changes.
bool waits_for_policy(const queue::LaneKey& key, const queue::Job& job, const std::string& policy_domain);

// Does it go where our operator says instead of where the recipient's domain says? What such a host lacks, or says of itself or of
// us, is a matter between it and our operator, and nobody's mail is returned for it.
bool is_relayed(const queue::LaneKey& key) noexcept;

// What such a host is called where `status` lists what is not well with it (base/health.hpp).
std::string trouble_of(const NextHop& relay);

// What the plan's route asks of its hosts, whatever else is asked; none: there is no route, or it asks for nothing. Of a plan whose hosts
// are known.
std::optional<PartnerRule> route_rule(const Plan& plan);

// The name of the site where the plan's mail goes: its hosts in the order of their names, and a port that is not 25.
std::string site_of(const Plan& plan);

// The decision for one host of the plan.
Decision decide_for(const Plan& plan, const MxHost& host, const DaneState& dane, SystemTime now);

}  // namespace sealpost::delivery
