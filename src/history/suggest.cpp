// SPDX-License-Identifier: Apache-2.0
#include "history/suggest.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "rules/partner_text.hpp"

namespace sealpost::history {
namespace {

constexpr std::size_t most_exact_hosts = 10;

using Sessions = std::vector<const Recorded*>;

// What goes into a file must be a name and nothing else, whatever the row says (T-54).
bool is_plain_name(const std::string& name) {
  return !name.empty() && name.front() != '.' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string::npos;
}

// The hosts themselves, or the level above them when there are many.
std::vector<std::string> patterns_for(const std::vector<std::string>& hosts) {
  if (hosts.size() <= most_exact_hosts) return hosts;
  std::set<std::string> parents;
  for (const std::string& host : hosts) {
    const auto dot = host.find('.');
    const bool has_parent = dot != std::string::npos && host.find('.', dot + 1) != std::string::npos;
    parents.insert(has_parent ? "*" + host.substr(dot) : host);
  }
  return {parents.begin(), parents.end()};
}

PartnerRule plain_rule(const std::string& domain, PartnerLevel level) {
  PartnerRule rule;
  rule.name = domain;
  rule.domains = {domain};
  rule.level = level;
  rule.audit = true;
  return rule;
}

// Strongest first.
std::vector<PartnerRule> candidates(const std::string& domain, const std::vector<std::string>& hosts) {
  PartnerRule by_mx = plain_rule(domain, PartnerLevel::verify);
  by_mx.names = PartnerRule::Names::mx;
  by_mx.mx = patterns_for(hosts);
  return {plain_rule(domain, PartnerLevel::dane), plain_rule(domain, PartnerLevel::verify), std::move(by_mx),
          plain_rule(domain, PartnerLevel::encrypt)};
}

bool holds_for_all(const PartnerRule& rule, const Sessions& sessions, const Terms& terms) {
  return std::ranges::all_of(
      sessions, [&](const Recorded* one) { return assess_rule(*one, rule, terms).result == Result::pass; });
}

Suggestion summary_of(const Sessions& sessions) {
  Suggestion made;
  std::set<std::string> hosts;
  made.first = sessions.front()->first;
  made.always_tls13 = true;
  for (const Recorded* one : sessions) {
    made.sessions += one->sessions();
    made.first = std::min(made.first, one->first);
    made.last = std::max(made.last, one->last);
    hosts.insert(one->mx_host);
    const auto& session = one->facts->session;
    made.always_tls13 = made.always_tls13 && session && session->tls.version == TlsVersion::tls1_3;
  }
  made.hosts.assign(hosts.begin(), hosts.end());
  return made;
}

}  // namespace

Suggestions suggest(const std::vector<Recorded>& sessions, const std::vector<PartnerRule>& rules,
                    const Terms& terms, const SuggestTerms& wanted) {
  std::map<std::string, Sessions> by_domain;
  for (const Recorded& one : sessions)
    // Through a relay, hosts and certificates are the relay's and say nothing about the domain.
    if (one.recipient_domain == one.policy_domain) by_domain[one.recipient_domain].push_back(&one);

  Suggestions all;
  all.domains = by_domain.size();
  for (const auto& [domain, seen] : by_domain) {
    const PartnerRule* rule = find_partner(rules, domain, terms.now);
    if (rule != nullptr && rule->level > PartnerLevel::opportunistic) {
      ++all.has_rule;
      continue;
    }
    Suggestion made = summary_of(seen);
    if (made.sessions < wanted.least_sessions || made.last - made.first < wanted.least_span) {
      ++all.too_few;
      continue;
    }
    bool found = is_plain_name(domain) && std::ranges::all_of(made.hosts, is_plain_name);
    if (found) {
      const auto possible = candidates(domain, made.hosts);
      const auto best = std::ranges::find_if(
          possible, [&, &seen = seen](const auto& each) { return holds_for_all(each, seen, terms); });
      found = best != possible.end();
      if (found) made.rule = *best;
    }
    if (found)
      all.proposals.push_back(std::move(made));
    else
      ++all.none_holds;
  }
  std::ranges::stable_sort(all.proposals,
                           [](const auto& a, const auto& b) { return a.sessions > b.sessions; });
  if (all.proposals.size() > wanted.most) {
    all.more = all.proposals.size() - wanted.most;
    all.proposals.resize(wanted.most);
  }
  return all;
}

std::string to_toml(const Suggestion& suggestion) {
  std::string text = "# All of " + std::to_string(suggestion.sessions) + " sessions with " +
                     std::to_string(suggestion.hosts.size()) + " host(s) from " +
                     to_utc_day(suggestion.first) + " to " + to_utc_day(suggestion.last) +
                     " would have passed.\n";
  if (suggestion.always_tls13) text += "# All of them used TLS 1.3: minimum = \"1.3\" would have held too.\n";
  return text + rules::partner_text(suggestion.rule);
}

}  // namespace sealpost::history
