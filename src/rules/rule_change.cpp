// SPDX-License-Identifier: Apache-2.0
//
// Two sets of rules: which domains to ask about, at which moments, and what came of it (compare_rule_sets).
#include "rules/rule_change.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "rules/rule_hold.hpp"

namespace sealpost::rules {
namespace {

using Kind = RuleChange::Kind;

// The rules that can govern a domain, so that each moment is asked of few.
std::vector<PartnerRule> about(const std::vector<PartnerRule>& rules, const std::string& domain) {
  std::vector<PartnerRule> found;
  for (const PartnerRule& rule : rules) {
    const auto named = [&](const std::string& pattern) { return covers(pattern, domain); };
    if (std::ranges::any_of(rule.domains, named)) found.push_back(rule);
  }
  return found;
}

// Now, and every later moment at which one of them may begin or cease to hold.
std::set<SystemTime> moments(const std::vector<PartnerRule>& before, const std::vector<PartnerRule>& after,
                             SystemTime now) {
  std::set<SystemTime> all{now};
  const auto add = [&](const std::optional<SystemTime>& time) {
    if (time && *time > now) all.insert(*time);
  };
  for (const auto* rules : {&before, &after})
    for (const PartnerRule& rule : *rules) {
      add(rule.starts);
      add(rule.ends);
      for (const PartnerException& exception : rule.exceptions) add(exception.until);
    }
  return all;
}

Kind kind_of(const PartnerRule* before, const PartnerRule* after, const FloorChange& change) {
  if (after == nullptr) return Kind::gone;
  if (!change.weaker.empty()) return Kind::weaker;
  if (before == nullptr) return Kind::added;
  return change.stronger.empty() ? Kind::changed : Kind::stronger;
}

std::string name_or_none(const PartnerRule* rule) { return rule == nullptr ? std::string() : rule->name; }

class SetComparison {
 public:
  SetComparison(SystemTime now, TlsVersion minimum_before, TlsVersion minimum_after)
      : now_(now), minimum_before_(minimum_before), minimum_after_(minimum_after) {}

  void compare(const std::string& pattern, const std::vector<PartnerRule>& before,
               const std::vector<PartnerRule>& after) {
    const std::string domain = example_of(pattern);
    const auto rules_before = about(before, domain), rules_after = about(after, domain);
    FloorChange last;
    for (const SystemTime moment : moments(rules_before, rules_after, now_)) {
      const PartnerRule* rule_before = find_partner(rules_before, domain, moment);
      const PartnerRule* rule_after = find_partner(rules_after, domain, moment);
      FloorChange change = compare_rules(rule_before, rule_after, moment, minimum_before_, minimum_after_);
      const bool appeared = (rule_before == nullptr) != (rule_after == nullptr);
      if (change != last && (!change.empty() || appeared))
        note(pattern, rule_before, rule_after, moment, change);
      if (moment == now_ && appeared && change.empty())
        note(pattern, rule_before, rule_after, moment, change);
      last = std::move(change);
    }
  }

  std::vector<RuleChange> take() {
    std::vector<RuleChange> all;
    for (auto& [key, change] : changes_) all.push_back(std::move(change));
    std::ranges::stable_sort(all, [](const RuleChange& a, const RuleChange& b) {
      return std::pair(a.change.weaker.empty(), a.kind) < std::pair(b.change.weaker.empty(), b.kind);
    });
    return all;
  }

 private:
  void note(const std::string& pattern, const PartnerRule* before, const PartnerRule* after,
            SystemTime moment, const FloorChange& change) {
    RuleChange made;
    made.kind = kind_of(before, after, change);
    made.before = name_or_none(before);
    made.after = name_or_none(after);
    if (moment != now_) made.from = moment;
    made.change = change;
    RuleChange& kept =
        changes_.try_emplace(std::tuple(made.before, made.after, made.kind, moment, change), made)
            .first->second;
    if (std::ranges::find(kept.domains, pattern) == kept.domains.end()) kept.domains.push_back(pattern);
  }

  SystemTime now_;
  TlsVersion minimum_before_, minimum_after_;
  std::map<std::tuple<std::string, std::string, Kind, SystemTime, FloorChange>, RuleChange> changes_;
};

}  // namespace

std::string_view name_of(RuleChange::Kind kind) noexcept {
  switch (kind) {
    case Kind::weaker: return "weaker";
    case Kind::stronger: return "stronger";
    case Kind::added: return "new";
    case Kind::gone: return "gone";
    case Kind::changed: return "changed";
  }
  return "unknown";
}

std::vector<RuleChange> compare_rule_sets(const std::vector<PartnerRule>& before,
                                          const std::vector<PartnerRule>& after, SystemTime now,
                                          TlsVersion minimum_before, TlsVersion minimum_after) {
  SetComparison comparison(now, minimum_before, minimum_after);
  std::set<std::string> patterns;
  for (const auto* rules : {&before, &after})
    for (const PartnerRule& rule : *rules) patterns.insert(rule.domains.begin(), rule.domains.end());
  for (const std::string& pattern : patterns) comparison.compare(pattern, before, after);
  return comparison.take();
}

bool something_weaker(const std::vector<RuleChange>& changes) noexcept {
  return std::ranges::any_of(changes, [](const RuleChange& each) { return !each.change.weaker.empty(); });
}

}  // namespace sealpost::rules
