// SPDX-License-Identifier: Apache-2.0
#include "rules/rule_hold.hpp"

#include <algorithm>
#include <utility>

namespace sealpost::rules {
namespace {

constexpr const char* none_before = "(as before: no rule)";
constexpr const char* none_written = "(as written: no rule)";

// How closely a rule is about a domain, as find_partner() measures it; 0: not at all.
std::size_t closeness(const PartnerRule& rule, const std::string& domain) {
  std::size_t best = 0;
  for (const std::string& pattern : rule.domains)
    if (covers(pattern, domain))
      best = std::max(best, is_pattern(pattern) ? pattern.size() : std::string::npos);
  return best;
}

// The same text; the domains it is kept for may differ.
bool same_rule(const PartnerRule& one, const PartnerRule& other) {
  return one.name == other.name && one.hash == other.hash && one.file == other.file && one.line == other.line;
}

// Everything that may govern the domain at some moment, the closest first. What is behind a rule without dates never
// does, nor does the same rule again: a set that is held at a hundred reloads is no longer for that.
std::vector<PartnerRule> governing(const std::vector<PartnerRule>& rules, const std::string& pattern) {
  const std::string domain = example_of(pattern);
  std::vector<std::pair<std::size_t, PartnerRule>> found;
  for (const PartnerRule& rule : rules)
    if (const std::size_t close = closeness(rule, domain); close > 0) found.emplace_back(close, rule);
  std::ranges::stable_sort(found, [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<PartnerRule> all;
  for (auto& close_rule : found) {
    PartnerRule& rule = close_rule.second;
    const bool always = !rule.starts && !rule.ends;
    if (std::ranges::none_of(all, [&](const PartnerRule& other) { return same_rule(other, rule); }))
      all.push_back(std::move(rule));
    if (always) break;
  }
  return all;
}

// Names that are not held themselves, but lie inside a pattern that is. The former rule comes back for the pattern, and
// would reach these too where the files leave them to the pattern.
std::set<std::string> named_inside(const std::set<std::string>& held, const std::vector<PartnerRule>& before,
                                   const std::vector<PartnerRule>& after) {
  std::vector<std::string> patterns;
  for (const std::string& one : held)
    if (is_pattern(one)) patterns.push_back(one);
  std::set<std::string> inside;
  for (const auto* rules : {&before, &after})
    for (const PartnerRule& rule : *rules)
      for (const std::string& domain : rule.domains) {
        const std::string example = example_of(domain);
        const auto reaches = [&](const std::string& pattern) { return covers(pattern, example); };
        if (!held.contains(domain) && std::ranges::any_of(patterns, reaches)) inside.insert(domain);
      }
  return inside;
}

// Says of one domain or pattern that these rules govern it, the closest first.
void write_out(const std::string& domain, const std::vector<PartnerRule>& rules, const char* no_rule,
               std::vector<PartnerRule>& all) {
  for (PartnerRule rule : rules) {
    rule.domains = {domain};
    const auto same = [&](const PartnerRule& other) { return same_rule(other, rule); };
    const auto known = rules.size() > 1 ? all.end() : std::ranges::find_if(all, same);
    if (known == all.end())
      all.push_back(std::move(rule));
    else
      known->domains.push_back(domain);
  }
  // Nothing governs it: TLS is tried and nothing demanded.
  if (!rules.empty()) return;
  PartnerRule none;
  none.name = no_rule;
  none.domains = {domain};
  all.push_back(std::move(none));
}

}  // namespace

bool stands_for_no_rule(const std::string& name) noexcept {
  return name == none_before || name == none_written;
}

std::string example_of(const std::string& pattern) {
  if (pattern == "*") return "any-other-name.any-other-domain.invalid";
  return is_pattern(pattern) ? "any-other-name" + pattern.substr(1) : pattern;
}

std::vector<PartnerRule> hold_rules(const std::vector<PartnerRule>& before, std::vector<PartnerRule> after,
                                    const std::set<std::string>& domains) {
  std::vector<PartnerRule> all;
  for (const std::string& domain : domains) write_out(domain, governing(before, domain), none_before, all);
  const std::set<std::string> inside = named_inside(domains, before, after);
  for (const std::string& domain : inside) write_out(domain, governing(after, domain), none_written, all);
  for (PartnerRule& rule : after) {
    std::erase_if(rule.domains, [&](const std::string& domain) {
      return domains.contains(domain) || inside.contains(domain);
    });
    if (!rule.domains.empty()) all.push_back(std::move(rule));
  }
  return all;
}

}  // namespace sealpost::rules
