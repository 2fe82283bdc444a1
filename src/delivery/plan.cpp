// SPDX-License-Identifier: Apache-2.0
#include "delivery/plan.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "delivery/gateway.hpp"
#include "delivery/log_in.hpp"
#include "delivery/traffic.hpp"

namespace sealpost::delivery {
namespace {

// Both the rule for the recipient's domain and the one for a smart host hold: a route takes no rule away. And in doubt
// about the time those that hold under either reading (T-50).
void find_rules(Plan& plan, const Believed& time) {
  const Partners& partners = plan.rules->partners;
  const auto rules = partners_in_force(partners, plan.recipient_domain, time);
  if (!rules.empty()) plan.partner = *rules.front();
  auto hop_rules = partners_in_force(partners, plan.policy_domain, time);
  for (const PartnerRule* rule : rules) std::erase(hop_rules, rule);
  if (!hop_rules.empty()) plan.hop_partner = *hop_rules.front();
  if (rules.size() > 1) plan.doubted.push_back(*rules.back());
  if (hop_rules.size() > 1) plan.doubted.push_back(*hop_rules.back());
}

// A certificate is for the hosts of the partner it was made for: never for a smart host or a gateway on the way there,
// unless a rule for that one says so.
std::shared_ptr<const tls::ServerIdentity> identity_for(const Rules& rules, const std::string& next_hop,
                                                        SystemTime now) {
  const PartnerRule* rule = find_partner(rules.partners, next_hop, now);
  if (rule == nullptr) return nullptr;
  const auto found = rules.client_identities.find(rule->name);
  return found == rules.client_identities.end() ? nullptr : found->second;
}

bool enforced(const StsState& state) {
  return state.kind == StsState::Kind::policy && state.policy && state.policy->mode == StsMode::enforce;
}

// What the route itself asks for, beside all that holds already.
void add_route_rule(Plan& plan) {
  auto rule = route_rule(plan);
  if (!rule) return;
  if (plan.hop_partner)
    plan.doubted.push_back(std::move(*rule));
  else
    plan.hop_partner = std::move(rule);
}

// What may be relied on as the relay's name. One that an MX record gave, signed by nobody and vouched for by no policy, may be that of whoever
// answers DNS, who has a certificate for it: what must be proven then is the name that the operator wrote.
PartnerRule::Names names_of_relay(const Plan& plan) {
  const bool vouched_for = plan.mx.implicit || plan.mx.dnssec == dns::Dnssec::secure || enforced(plan.sts);
  return vouched_for ? PartnerRule::Names::mx : PartnerRule::Names::domain;
}

// The published policy of the recipient's domain does not count towards another host. So that a verb asks no less than that
// could, a relay that no route names is sent mail only when it is who it was called, or as a rule of its own says.
void add_reroute_rule(Plan& plan, SystemTime now) {
  const auto& own = plan.hop_partner;
  if (own && !own->audit && level_at(*own, now) >= PartnerLevel::encrypt) return;
  PartnerRule asked;
  asked.name = "reroute to " + plan.next_hop.to_string();
  asked.level = PartnerLevel::verify;
  asked.names = names_of_relay(plan);
  asked.on_failure = PartnerRule::OnFailure::defer;
  asked.file = "queue reroute";
  asked.hash =
      "reroute:" + plan.next_hop.to_string() + (asked.names == PartnerRule::Names::domain ? ":domain" : "");
  plan.hop_partner = std::move(asked);
}

std::vector<std::string> hosts_of(const Plan& plan) {
  std::vector<std::string> hosts;
  for (const MxHost& host : plan.mx.hosts) hosts.push_back(host.name);
  return hosts;
}

bool same_demands(const StsState& a, const StsState& b) {
  if (a.kind != b.kind || a.id != b.id || a.changing != b.changing) return false;
  if (!a.policy || !b.policy) return a.policy.has_value() == b.policy.has_value();
  return a.policy->mode == b.policy->mode && a.policy->mx == b.policy->mx;
}

}  // namespace

event::Task<bool> still_current(Context& context, Plan& plan) {
  if (plan.sts.kind == StsState::Kind::disabled) co_return true;
  const std::uint64_t version = context.sts.version();
  if (version == plan.policies) co_return true;
  const StsState now = co_await context.sts.state_for(context.loop, plan.policy_domain,
                                                      plan.rules->settings.hold_first_for_policy);
  if (!same_demands(now, plan.sts)) {
    context.totals.decided_again.fetch_add(1, std::memory_order_relaxed);
    co_return false;
  }
  plan.policies = version;
  co_return true;
}

event::Task<PlanResult> make_plan(Context& context, RulesPtr rules, queue::LaneKey key) {
  const Settings& settings = rules->settings;
  Plan plan;
  plan.rules = rules;
  // The record, and both kinds of address of the policy host, are asked for on the resolver's loop, for all at once.
  constexpr unsigned sts_questions = 3;
  plan.resolver = std::make_shared<dns::QueryBudget>(context.resolver, settings.mta_sts ? sts_questions : 0);
  plan.recipient_domain = key.recipient_domain;
  plan.report = key.message_class == MessageClass::report;
  plan.flags.requiretls = key.requiretls;
  plan.flags.tls_need = key.tls_need;
  plan.null_reverse_path = key.requiretls_bounce;
  plan.flags.tls_required_no = key.tls_required_no || plan.report;
  plan.relayed = is_relayed(key);
  plan.by_operator = key.by_operator;
  plan.made = context.loop.now();
  if (!settings.hold_all.empty()) {
    Refusal refusal("4.7.0", settings.hold_all);
    co_return refusal;
  }

  const auto next_hop = NextHop::parse(key.next_hop);
  if (!next_hop) {
    Refusal refusal("5.1.2", "'" + key.next_hop + "' is not a domain mail can be sent to");
    co_return refusal;
  }
  plan.next_hop = *next_hop;
  plan.policy_domain = plan.next_hop.domain;

  const Believed time = context.loop.believed();
  if (!key.gateway_rule.empty()) {
    const PartnerRule* rule = rule_behind(key, rules->partners, time.earliest);
    if (rule == nullptr) {
      Refusal refusal("4.7.0",
                      "partner rule '" + key.gateway_rule + "' no longer hands mail to " + key.next_hop);
      refusal.leave_gateway = true;
      co_return refusal;
    }
    plan.partner = gateway_requirement(*rule, rules->partners, time.latest);
    PartnerRule earlier = gateway_requirement(*rule, rules->partners, time.earliest);
    if (earlier.name != plan.partner->name) plan.doubted.push_back(std::move(earlier));
  } else {
    find_rules(plan, time);
  }

  if (!key.route.empty()) {
    const auto found = rules->smart_hosts.find(key.route);
    // A reload is half way through the workers: where this mail goes now is looked at again in a moment. A route of the same
    // name to another relay is another one: its account and its level are not for the relay of this lane (T-31).
    if (found == rules->smart_hosts.end() || !text::iequals(found->second->relay, key.next_hop)) {
      Refusal refusal("4.7.0", "route '" + key.route + "' leads to " + key.next_hop + " no more");
      refusal.no_place = true;
      co_return refusal;
    }
    plan.smart_host = found->second;
    if (auto waits = login_waits(*plan.smart_host, context.loop.now())) co_return std::move(*waits);
  }

  plan.identity = identity_for(*rules, plan.policy_domain, time.now);

  plan.sts.kind = StsState::Kind::disabled;
  // Hosts that the operator lists have no policy domain in common: the route's level and their TLSA records hold.
  const bool listed = plan.smart_host && !plan.smart_host->hosts.empty();
  if (settings.mta_sts && !plan.report && !listed) {
    const Duration hold = settings.hold_first_for_policy;
    plan.policies = context.sts.version();  // before asking: what changes meanwhile is looked at again
    plan.sts = co_await context.sts.state_for(context.loop, plan.policy_domain, hold);
    // The old one asks less than the new one may: the mail waits until the fetch has ended, well or not. A policy
    // host that stalls can hold it no longer than one fetch may last, and one that fails changes nothing (S24, S29).
    if (plan.sts.changing && !enforced(plan.sts)) {
      Refusal refusal("4.7.0", "a new MTA-STS policy of " + plan.policy_domain + " is being fetched");
      refusal.no_place = true;
      co_return refusal;
    }
  }

  if (listed) {
    plan.mx = plan.smart_host->choose(context.random);
    add_route_rule(plan);
    plan.traffic = traffic_for(rules->limits, plan.recipient_domain, hosts_of(plan));
    co_return plan;
  }
  auto found = co_await find_mx(*plan.resolver, plan.next_hop, settings.routing, context.random);
  if (auto* failure = std::get_if<RouteFailure>(&found)) {
    Refusal refusal(failure->status, failure->text);
    context.nx_guard.saw(plan.next_hop.domain, failure->nxdomain, context.loop.now());
    if (!failure->nxdomain) co_return refusal;
    const std::string doubt = co_await doubt_of_absence(context.resolver, context.nx_guard,
                                                        plan.next_hop.domain, context.loop.now());
    if (doubt.empty()) co_return refusal;
    refusal.status = "4.4.3";
    refusal.text += "; not believed: " + doubt;
    log::warning("nxdomain_held",
                 {{"domain", plan.next_hop.domain}, {"why", doubt}, {"do", "check the resolver"}});
    co_return refusal;
  }
  context.nx_guard.saw(plan.next_hop.domain, false, context.loop.now());
  plan.mx = std::get<MxSet>(std::move(found));
  add_route_rule(plan);
  if (key.by_operator) add_reroute_rule(plan, time.earliest);
  plan.traffic = traffic_for(rules->limits, plan.recipient_domain, hosts_of(plan));
  co_return plan;
}

bool is_relayed(const queue::LaneKey& key) noexcept {
  return !key.route.empty() || !key.gateway_rule.empty() || key.next_hop != key.recipient_domain;
}

std::string trouble_of(const NextHop& relay) { return "relay " + relay.to_string(); }

std::optional<PartnerRule> route_rule(const Plan& plan) {
  if (!plan.smart_host) return std::nullopt;
  return plan.smart_host->rule(names_of_relay(plan));
}

const PartnerRule* Plan::rule_named(std::string_view name) const noexcept {
  for (const auto* rule : {&partner, &hop_partner})
    if (*rule && (*rule)->name == name) return &**rule;
  for (const PartnerRule& rule : doubted)
    if (rule.name == name) return &rule;
  return nullptr;
}

bool waits_for_policy(const queue::LaneKey& key, const queue::Job& job, const std::string& policy_domain) {
  if (job.policy_failing_since == SystemTime{}) return false;
  const auto hop = NextHop::parse(key.next_hop);
  return hop && hop->domain == policy_domain;
}

std::string site_of(const Plan& plan) {
  std::string name = site_name(hosts_of(plan));
  if (plan.next_hop.port != 25) name += " :" + std::to_string(plan.next_hop.port);
  return name;
}

Decision decide_for(const Plan& plan, const MxHost& host, const DaneState& dane, SystemTime now) {
  DecisionFacts facts;
  facts.policy_domain = plan.policy_domain;
  facts.mx_host = host.name;
  facts.mx_secure = plan.mx.dnssec == dns::Dnssec::secure;
  facts.partner = plan.partner;
  facts.hop_partner = plan.hop_partner;
  facts.doubted = plan.doubted;
  if (plan.smart_host && !plan.smart_host->hosts.empty() && host.name != plan.policy_domain)
    if (const PartnerRule* rule = find_partner(plan.rules->partners, host.name, now))
      facts.doubted.push_back(*rule);
  facts.sts = plan.sts;
  facts.dane = dane;
  facts.flags = plan.flags;
  facts.null_reverse_path = plan.null_reverse_path;
  facts.default_minimum = plan.rules->settings.minimum;
  facts.dane_satisfies_sts = plan.rules->settings.dane_satisfies_sts;
  facts.now = now;
  return decide(facts);
}

}  // namespace sealpost::delivery
