// SPDX-License-Identifier: Apache-2.0
#include "delivery/explain.hpp"

#include "delivery/gateway.hpp"
#include "delivery/look.hpp"

namespace sealpost::delivery {
namespace {

std::string partner_line(const PartnerRule& rule, SystemTime now) {
  std::string line = "partner rule: '" + rule.name + "' (" + rule.file + ":" + std::to_string(rule.line) +
                     "), tls = " + std::string(name_of(level_at(rule, now)));
  if (rule.audit) line += ", audit only: observed and counted, never refused";
  if (!rule.client_certificate.empty())
    line += ", client certificate " + rule.client_certificate + " shown to its hosts when they ask";
  return line;
}

void add_partner_lines(const Plan& plan, SystemTime now, std::vector<std::string>& lines) {
  if (!plan.partner && !plan.hop_partner)
    lines.push_back("partner rule: none, so TLS is opportunistic unless the domain publishes more");
  if (plan.partner) lines.push_back(partner_line(*plan.partner, now));
  if (plan.hop_partner)
    lines.push_back(partner_line(*plan.hop_partner, now) + "; for the relay it goes through");
}

// What becomes of mail that an enforcing rule refuses; of two rules the one that gives up first.
const PartnerRule* first_to_act(const Plan& plan) {
  const PartnerRule* first = nullptr;
  for (const auto* rule : {&plan.partner, &plan.hop_partner}) {
    if (!*rule || (*rule)->audit || (*rule)->on_failure == PartnerRule::OnFailure::defer) continue;
    if (first == nullptr || (*rule)->grace < first->grace) first = &**rule;
  }
  return first;
}

std::string sts_line(const Plan& plan) {
  switch (plan.sts.kind) {
    case StsState::Kind::disabled: return "MTA-STS: switched off, or not for this class of mail";
    case StsState::Kind::none:
      return plan.sts.failure_reason.empty()
                 ? "MTA-STS: no policy"
                 : "MTA-STS: no policy, because the record that is published cannot be read: " +
                       plan.sts.failure_reason;
    case StsState::Kind::fetch_failed:
      return "MTA-STS: record id=" + plan.sts.id + ", but no policy could be fetched (" +
             plan.sts.failure_type + ": " + plan.sts.failure_reason + ") and none is cached";
    case StsState::Kind::unknown:
      return "MTA-STS: unknown, because what was cached cannot be read; mail waits ('sealpost status')";
    case StsState::Kind::policy: {
      std::string line = "MTA-STS: mode " + std::string(name_of(plan.sts.policy->mode)) + ", id " +
                         plan.sts.id + ", cached until " + to_rfc3339(plan.sts.expires) + ", mx";
      for (const std::string& pattern : plan.sts.policy->mx) line += " " + pattern;
      if (!plan.sts.failure_type.empty())
        line += " (last refresh failed: " + plan.sts.failure_type + ": " + plan.sts.failure_reason + ")";
      return line;
    }
  }
  return "";
}

std::string on_failure(const Plan& plan, const Requirement& requirement, SystemTime now) {
  if (!requirement.tls_required()) return "sent all the same, in clear if the host offers no TLS";
  if (const PartnerRule* rule = first_to_act(plan)) {
    const std::string retried = "next host; when none is left, retried for " + to_duration_text(rule->grace);
    if (rule->on_failure == PartnerRule::OnFailure::bounce) return retried + ", then bounced";
    return retried + ", then handed to the gateway " + describe_gateway(*rule, plan.rules->partners, now) +
           "; never sent in clear";
  }
  return "next host; when none is left, retried until the message's lifetime ends, then bounced; never sent "
         "in clear";
}

}  // namespace

event::Task<Explanation> explain(Context& context, RulesPtr rules, queue::LaneKey key) {
  Explanation explanation;
  explanation.recipient_domain = key.recipient_domain;
  explanation.next_hop = key.next_hop;
  auto made = co_await make_plan(context, rules, key);
  if (const auto* refusal = std::get_if<Refusal>(&made)) {
    explanation.no_route = refusal->status + " " + refusal->text;
    explanation.trace.push_back("no route: " + explanation.no_route);
    co_return explanation;
  }
  const Plan& plan = std::get<Plan>(made);
  const SystemTime now = context.loop.believed().latest;
  explanation.policy_domain = plan.policy_domain;
  explanation.partner = plan.partner;
  explanation.hop_partner = plan.hop_partner;
  explanation.sts = plan.sts;
  explanation.mx_implicit = plan.mx.implicit;
  explanation.mx_secure = plan.mx.dnssec == dns::Dnssec::secure;
  if (key.next_hop != key.recipient_domain)
    explanation.trace.push_back("route: through " + key.next_hop + ", whose policies count");
  add_partner_lines(plan, now, explanation.trace);
  explanation.trace.push_back(sts_line(plan));
  explanation.trace.push_back(
      std::string("MX records: ") +
      (plan.mx.implicit ? "none, the domain itself is the host" : std::to_string(plan.mx.hosts.size())) +
      (plan.mx.dnssec == dns::Dnssec::secure ? ", DNSSEC secure" : ", not signed"));
  for (const MxHost& host : plan.mx.hosts) {
    HostExplanation about;
    about.mx = host.name;
    about.preference = host.preference;
    HostView view = co_await look_at(context, plan, host);
    if (view.loops || view.addresses.endpoints.empty()) {
      about.unusable = view.loops ? std::string(leads_here) : view.addresses.why;
      about.trace.push_back("cannot be used: " + about.unusable);
      about.on_failure = "next host";
      explanation.hosts.push_back(std::move(about));
      continue;
    }
    for (const Endpoint& endpoint : view.addresses.endpoints)
      about.addresses.push_back(endpoint.address.to_string());
    about.decision = std::move(view.decision);
    about.dane = std::move(view.dane);
    about.trace = about.decision.trace;
    if (about.decision.skip) about.trace.push_back("this host is skipped: " + about.decision.skip->text);
    about.tls_required = about.decision.requirement.tls_required();
    about.on_failure = on_failure(plan, about.decision.requirement, now);
    explanation.hosts.push_back(std::move(about));
  }
  co_return explanation;
}

}  // namespace sealpost::delivery
