// SPDX-License-Identifier: Apache-2.0
#include "policy/rule_hold.hpp"

#include <algorithm>
#include <utility>

namespace sealpost::policy {
namespace {

// How closely a rule is about a domain, as find_partner() measures it; 0: not at all.
std::size_t closeness(const PartnerRule& rule, const std::string& domain) {
  std::size_t best = 0;
  for (const std::string& pattern : rule.domains)
    if (covers(pattern, domain))
      best = std::max(best, pattern.starts_with("*.") ? pattern.size() : std::string::npos);
  return best;
}

// Everything that may govern the domain at some moment, the closest first.
std::vector<PartnerRule> governing(const std::vector<PartnerRule>& rules, const std::string& pattern) {
  const std::string domain = example_of(pattern);
  std::vector<std::pair<std::size_t, PartnerRule>> found;
  for (const PartnerRule& rule : rules)
    if (const std::size_t close = closeness(rule, domain); close > 0) found.emplace_back(close, rule);
  std::ranges::stable_sort(found, [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<PartnerRule> all;
  for (auto& [close, rule] : found) all.push_back(std::move(rule));
  return all;
}

}  // namespace

std::string example_of(const std::string& pattern) {
  return pattern.starts_with("*.") ? "any-other-name" + pattern.substr(1) : pattern;
}

std::vector<PartnerRule> hold_rules(const std::vector<PartnerRule>& before, std::vector<PartnerRule> after,
                                    const std::set<std::string>& domains) {
  std::vector<PartnerRule> all;
  for (const std::string& domain : domains) {
    const auto rules = governing(before, domain);
    for (PartnerRule rule : rules) {
      rule.domains = {domain};
      const auto same = [&](const PartnerRule& other) {
        return other.name == rule.name && other.hash == rule.hash && other.file == rule.file &&
               other.line == rule.line;
      };
      const auto known = rules.size() > 1 ? all.end() : std::ranges::find_if(all, same);
      if (known == all.end())
        all.push_back(std::move(rule));
      else
        known->domains.push_back(domain);
    }
    // Nothing governed it: TLS was tried and nothing demanded.
    if (rules.empty()) {
      PartnerRule none;
      none.name = "(as before: no rule)";
      none.domains = {domain};
      all.push_back(std::move(none));
    }
  }
  for (PartnerRule& rule : after) {
    std::erase_if(rule.domains, [&](const std::string& domain) { return domains.contains(domain); });
    if (!rule.domains.empty()) all.push_back(std::move(rule));
  }
  return all;
}

}  // namespace sealpost::policy
