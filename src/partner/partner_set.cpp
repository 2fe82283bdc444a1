// SPDX-License-Identifier: Apache-2.0
//
// Rules taken together: conflicts between them, and what two of them have in common (meaning_hash).
#include <algorithm>
#include <map>

#include "base/digest.hpp"
#include "partner/partner_file.hpp"

namespace sealpost::app {
namespace {

std::string place_of(const PartnerRule& rule) {
  return "'" + rule.name + "' (" + rule.file + ":" + std::to_string(rule.line) + ")";
}

void add(Findings& findings, Finding::Kind kind, const PartnerRule& rule, std::string key,
         std::string message) {
  Finding finding;
  finding.kind = kind;
  finding.file = rule.file;
  finding.line = rule.line;
  finding.key = "partner." + std::move(key);
  finding.message = std::move(message);
  findings.push_back(std::move(finding));
}

bool overlap_in_time(const PartnerRule& a, const PartnerRule& b) {
  return !(a.ends && b.starts && *a.ends <= *b.starts) && !(b.ends && a.starts && *b.ends <= *a.starts);
}

// Two rules are equally specific for a domain exactly when they name it, or its pattern, in the same words.
void check_domains(const std::vector<PartnerRule>& rules, Findings& findings) {
  std::map<std::string, std::vector<const PartnerRule*>, std::less<>> by_pattern;
  for (const PartnerRule& rule : rules)
    for (const std::string& pattern : rule.domains) {
      for (const PartnerRule* other : by_pattern[pattern])
        if (overlap_in_time(rule, *other))
          add(findings, Finding::Kind::error, rule, "domains",
              "'" + pattern + "' is in rule " + place_of(*other) +
                  " as well, and both hold at the same time; leave it in one, or part them by starts and "
                  "ends");
      by_pattern[pattern].push_back(&rule);
    }
}

void check_names(const std::vector<PartnerRule>& rules, Findings& findings) {
  std::map<std::string, const PartnerRule*, std::less<>> by_name;
  for (const PartnerRule& rule : rules) {
    const auto [found, is_new] = by_name.emplace(rule.name, &rule);
    if (!is_new)
      add(findings, Finding::Kind::error, rule, "name",
          "is the name of " + place_of(*found->second) + " too");
  }
}

// The more specific rule wins even when it is only on trial: mail that was refused in clear would go out again.
void check_trials(const std::vector<PartnerRule>& rules, Findings& findings) {
  for (const PartnerRule& trial : rules) {
    if (!trial.audit) continue;
    for (const PartnerRule& other : rules) {
      if (other.audit || other.level <= PartnerLevel::opportunistic || !overlap_in_time(trial, other))
        continue;
      for (const std::string& domain : trial.domains)
        for (const std::string& pattern : other.domains) {
          const std::string_view inside =
              domain.starts_with("*.") ? std::string_view(domain).substr(2) : domain;
          if (domain == pattern || !is_pattern(pattern)) continue;
          if (covers(pattern, inside) || (domain.starts_with("*.") && pattern.substr(2) == inside))
            add(findings, Finding::Kind::warning, trial, "mode",
                "audit: for '" + domain + "' this rule takes the place of " + place_of(other) +
                    ", which enforces");
        }
    }
  }
}

class Meaning {
 public:
  void add(std::string_view key, std::string_view value) {
    text_ += key;
    text_ += '=';
    text_ += value;
    text_ += '\n';
  }
  void add_sorted(std::string_view key, std::vector<std::string> values) {
    std::sort(values.begin(), values.end());
    for (const std::string& value : values) add(key, value);
  }
  void add_time(std::string_view key, const std::optional<SystemTime>& time) {
    if (time) add(key, to_rfc3339(*time));
  }
  std::string hash() const { return sha256_hex(text_); }

 private:
  std::string text_ = "sealpost partner rule 1\n";
};

}  // namespace

void check_together(const std::vector<PartnerRule>& rules, Findings& findings) {
  check_names(rules, findings);
  check_domains(rules, findings);
  check_trials(rules, findings);
}

std::string meaning_hash(const PartnerRule& rule) {
  Meaning meaning;
  meaning.add_sorted("domain", rule.domains);
  meaning.add("tls", name_of(rule.level));
  meaning.add_sorted("mx", rule.mx);
  switch (rule.names) {
    case PartnerRule::Names::mx: meaning.add("names", "mx"); break;
    case PartnerRule::Names::domain: meaning.add("names", "domain"); break;
    case PartnerRule::Names::literal: meaning.add_sorted("name", rule.literal_names); break;
  }
  meaning.add_sorted("pin", rule.pins);
  meaning.add("minimum", name_of(rule.minimum));
  meaning.add("mode", rule.audit ? "audit" : "enforce");
  switch (rule.on_failure) {
    case PartnerRule::OnFailure::bounce: meaning.add("on_failure", "bounce"); break;
    case PartnerRule::OnFailure::defer: meaning.add("on_failure", "defer"); break;
    case PartnerRule::OnFailure::reroute: meaning.add("on_failure", "reroute:" + rule.reroute); break;
  }
  if (!rule.client_certificate.empty()) meaning.add("client_certificate", rule.client_certificate);
  meaning.add("grace", to_duration_text(rule.grace));
  meaning.add_time("starts", rule.starts);
  meaning.add_time("ends", rule.ends);
  std::vector<std::string> exceptions;
  for (const PartnerException& exception : rule.exceptions)
    exceptions.push_back(to_rfc3339(exception.until) + " " + std::string(name_of(exception.level)));
  meaning.add_sorted("exception", std::move(exceptions));
  return meaning.hash();
}

}  // namespace sealpost::app
