// SPDX-License-Identifier: Apache-2.0
#include "history/replay.hpp"

#include <algorithm>

#include "sealpost/verdict.hpp"

namespace sealpost::history {
namespace {

DecisionFacts facts_for(const Recorded& recorded, const Terms& terms) {
  DecisionFacts facts;
  facts.policy_domain = recorded.policy_domain;
  facts.mx_host = recorded.mx_host;
  facts.mx_secure = recorded.facts->mx_secure;
  facts.sts = recorded.facts->sts;
  facts.dane = recorded.facts->dane;
  facts.flags = recorded.facts->flags;
  facts.default_minimum = terms.minimum;
  facts.dane_satisfies_sts = terms.dane_satisfies_sts;
  facts.explain = false;
  facts.now = terms.now;
  return facts;
}

DemandFailure to_failure(const HostSkip& skip) {
  DemandFailure failure;
  failure.result_type = skip.result_type;
  failure.reason_code = skip.reason_code;
  failure.status = skip.status;
  failure.text = skip.text;
  return failure;
}

const DemandFailure& refusing(const DemandResult& result) {
  const auto found =
      std::ranges::find_if(result.failures, [](const auto& each) { return !each.report_only; });
  return found == result.failures.end() ? result.failures.front() : *found;
}

Judgement judge_then(const Recorded& recorded, const Requirement& requirement) {
  return judge(requirement, *recorded.facts->session, recorded.last);
}

PartnerRule enforced(PartnerRule rule) {
  rule.audit = false;
  rule.starts.reset();
  return rule;
}

Reason reason_about(const DemandFailure& failure, const Recorded& recorded) {
  Reason reason;
  reason.result_type = failure.result_type;
  reason.text = failure.text;
  reason.first = recorded.first;
  return reason;
}

void count_in(Reason& reason, const Recorded& recorded) {
  reason.sessions += recorded.sessions();
  reason.first = std::min(reason.first, recorded.first);
  reason.last = std::max(reason.last, recorded.last);
}

void add_reason(std::vector<Reason>& reasons, const DemandFailure& failure, const Recorded& recorded) {
  auto found = std::ranges::find_if(reasons, [&](const Reason& each) { return each.text == failure.text; });
  if (found == reasons.end()) found = reasons.insert(reasons.end(), reason_about(failure, recorded));
  count_in(*found, recorded);
}

void sort_reasons(std::vector<Reason>& reasons) {
  std::ranges::stable_sort(reasons, [](const Reason& a, const Reason& b) { return a.sessions > b.sessions; });
}

template <class Into>
void widen(Into& into, const Recorded& recorded) {
  into.first = into.first == SystemTime{} ? recorded.first : std::min(into.first, recorded.first);
  into.last = std::max(into.last, recorded.last);
}

}  // namespace

Assessment assess(const Recorded& recorded, const std::vector<PartnerRule>& rules, const Terms& terms) {
  DecisionFacts facts = facts_for(recorded, terms);
  const PartnerRule* rule = find_partner(rules, recorded.recipient_domain, terms.now);
  const PartnerRule* hop_rule = find_partner(rules, recorded.policy_domain, terms.now);
  if (rule != nullptr) facts.partner = *rule;
  if (hop_rule != nullptr && hop_rule != rule) facts.hop_partner = *hop_rule;
  const Decision decision = decide(facts);
  Assessment assessment;
  if (decision.skip) {
    assessment.result = Result::fail;
    assessment.failure = to_failure(*decision.skip);
    return assessment;
  }
  if (!recorded.facts->session) return assessment;
  const Judgement judgement = judge_then(recorded, decision.requirement);
  const DemandResult* decisive = judgement.decisive();
  assessment.result = decisive == nullptr ? Result::pass : Result::fail;
  if (decisive != nullptr) assessment.failure = refusing(*decisive);
  return assessment;
}

Assessment assess_rule(const Recorded& recorded, const PartnerRule& rule, const Terms& terms) {
  DecisionFacts facts = facts_for(recorded, terms);
  facts.partner = enforced(rule);
  facts.partner->exceptions.clear();
  const Decision decision = decide(facts);
  Assessment assessment;
  if (decision.skip && decision.skip->source == Source::partner) {
    assessment.result = Result::fail;
    assessment.failure = to_failure(*decision.skip);
    return assessment;
  }
  if (!recorded.facts->session) return assessment;
  assessment.result = Result::pass;
  for (const DemandResult& result : judge_then(recorded, decision.requirement).results) {
    if (result.source != Source::partner || !result.refuses()) continue;
    assessment.result = Result::fail;
    assessment.failure = refusing(result);
  }
  return assessment;
}

Replay replay(const std::vector<Recorded>& sessions, const std::vector<PartnerRule>& rules,
              const Terms& terms) {
  Replay all;
  std::map<std::pair<std::string, std::string>, HostReplay> hosts;
  for (const Recorded& recorded : sessions) {
    HostReplay& host = hosts[{recorded.recipient_domain, recorded.mx_host}];
    host.domain = recorded.recipient_domain;
    host.mx_host = recorded.mx_host;
    widen(host, recorded);
    const std::uint64_t count = recorded.sessions();
    const bool passed = recorded.ending.verdict != Verdict::refuse;
    const Assessment now = assess(recorded, rules, terms);
    host.sessions += count;
    (passed ? host.passed_then : host.failed_then) += count;
    switch (now.result) {
      case Result::pass:
        host.passes_now += count;
        if (!passed) host.newly_passing += count;
        break;
      case Result::fail:
        host.fails_now += count;
        if (passed) host.newly_failing += count;
        add_reason(host.reasons, now.failure, recorded);
        break;
      case Result::unknown: host.unknown_now += count; break;
    }
  }
  for (auto& [key, host] : hosts) {
    sort_reasons(host.reasons);
    all.sessions += host.sessions;
    all.passed_then += host.passed_then;
    all.passes_now += host.passes_now;
    all.unknown_now += host.unknown_now;
    all.newly_failing += host.newly_failing;
    all.newly_passing += host.newly_passing;
    all.hosts.push_back(std::move(host));
  }
  return all;
}

std::vector<PartnerRule> with_draft(std::vector<PartnerRule> active, std::vector<PartnerRule> draft) {
  std::vector<PartnerRule> rules;
  for (PartnerRule& rule : draft) rules.push_back(enforced(std::move(rule)));
  const std::size_t drafted = rules.size();
  for (PartnerRule& rule : active) {
    bool replaced = false;
    for (std::size_t i = 0; i < drafted; ++i) {
      replaced = replaced || rules[i].name == rule.name;
      std::erase_if(rule.domains, [&](const std::string& pattern) {
        return std::ranges::find(rules[i].domains, pattern) != rules[i].domains.end();
      });
    }
    if (!replaced && !rule.domains.empty()) rules.push_back(std::move(rule));
  }
  return rules;
}

std::string Readiness::to_string(unsigned days, bool audit) const {
  const std::string span = days == 1 ? "1 day" : std::to_string(days) + " days";
  if (sessions == 0) return "no session in " + span;
  std::string text = std::to_string(passed) + " of " + std::to_string(sessions) + " sessions in " + span +
                     (audit ? " would have passed" : " passed this rule");
  if (unknown > 0) text += ", " + std::to_string(unknown) + " cannot be told";
  return text;
}

ReadinessOf::ReadinessOf(std::vector<PartnerRule> rules, const Terms& terms)
    : rules_(std::move(rules)), terms_(terms), all_(rules_.size()), reasons_(rules_.size()) {
  for (std::size_t i = 0; i < rules_.size(); ++i) all_[i].partner = rules_[i].name;
}

bool ReadinessOf::governs(std::size_t rule, const std::string& domain) const {
  const PartnerRule& asked = rules_[rule];
  const auto named = [&](const std::string& pattern) { return covers(pattern, domain); };
  if (std::ranges::none_of(asked.domains, named)) return false;
  if (!asked.starts || *asked.starts <= terms_.now) return find_partner(rules_, domain, terms_.now) == &asked;
  std::vector<PartnerRule> begun = rules_;  // a rule that starts later governs already, for this question
  begun[rule].starts.reset();
  return find_partner(begun, domain, terms_.now) == &begun[rule];
}

void ReadinessOf::add(const Recorded& recorded) {
  if (recorded.recipient_domain != recipient_domain_ || recorded.policy_domain != policy_domain_) {
    recipient_domain_ = recorded.recipient_domain;
    policy_domain_ = recorded.policy_domain;
    governing_.clear();
    for (std::size_t i = 0; i < rules_.size(); ++i)
      if (governs(i, recipient_domain_) || governs(i, policy_domain_)) governing_.push_back(i);
  }
  for (const std::size_t i : governing_) {
    Readiness& one = all_[i];
    const Assessment result = assess_rule(recorded, rules_[i], terms_);
    one.sessions += recorded.sessions();
    if (result.result == Result::pass) one.passed += recorded.sessions();
    if (result.result == Result::unknown) one.unknown += recorded.sessions();
    if (result.result == Result::fail) {
      const auto [known, is_new] = reasons_[i].emplace(result.failure.text, one.reasons.size());
      if (is_new) one.reasons.push_back(reason_about(result.failure, recorded));
      count_in(one.reasons[known->second], recorded);
    }
    widen(one, recorded);
  }
}

std::vector<Readiness> ReadinessOf::take() {
  for (Readiness& one : all_) sort_reasons(one.reasons);
  return std::move(all_);
}

std::vector<Readiness> readiness(const std::vector<Recorded>& sessions, const std::vector<PartnerRule>& rules,
                                 const Terms& terms) {
  ReadinessOf all(rules, terms);
  for (const Recorded& recorded : sessions) all.add(recorded);
  return all.take();
}

}  // namespace sealpost::history
