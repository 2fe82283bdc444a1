// SPDX-License-Identifier: Apache-2.0
#include "sealpost/partner.hpp"

#include <algorithm>
#include <array>

namespace sealpost {
namespace {

bool in_force(const PartnerRule& rule, SystemTime now) noexcept {
  return !(rule.starts && now < *rule.starts) && !(rule.ends && now >= *rule.ends);
}

// An exact domain beats every pattern, the longer pattern the shorter. 0: not covered.
std::size_t specificity(const PartnerRule& rule, std::string_view domain) noexcept {
  std::size_t best = 0;
  for (const std::string& pattern : rule.domains) {
    if (!covers(pattern, domain)) continue;
    best = std::max(best, is_pattern(pattern) ? pattern.size() : std::string_view::npos);
  }
  return best;
}

}  // namespace

std::string_view name_of(PartnerLevel level) noexcept {
  switch (level) {
    case PartnerLevel::none: return "none";
    case PartnerLevel::opportunistic: return "opportunistic";
    case PartnerLevel::encrypt: return "encrypt";
    case PartnerLevel::verify: return "verify";
    case PartnerLevel::dane: return "dane";
    case PartnerLevel::pin: return "pin";
  }
  return "unknown";
}

const PartnerRule* find_partner(const std::vector<PartnerRule>& rules, std::string_view domain,
                                SystemTime now) noexcept {
  const PartnerRule* found = nullptr;
  std::size_t best = 0;
  for (const PartnerRule& rule : rules) {
    const std::size_t here = specificity(rule, domain);
    if (here <= best || !in_force(rule, now)) continue;
    found = &rule;
    best = here;
  }
  return found;
}

std::vector<const PartnerRule*> partners_in_force(const std::vector<PartnerRule>& rules,
                                                  std::string_view domain, const Believed& time) {
  const PartnerRule* early = find_partner(rules, domain, time.earliest);
  const PartnerRule* late = time.in_doubt ? find_partner(rules, domain, time.latest) : early;
  if (early == late) return early == nullptr ? std::vector<const PartnerRule*>() : std::vector{early};
  std::vector<const PartnerRule*> found;
  for (const PartnerRule* rule : time.now == time.latest ? std::array{late, early} : std::array{early, late})
    if (rule != nullptr && level_at(*rule, time.latest) > PartnerLevel::none) found.push_back(rule);
  return found;
}

const PartnerException* exception_at(const PartnerRule& rule, SystemTime now) noexcept {
  const PartnerException* weakest = nullptr;
  for (const PartnerException& exception : rule.exceptions)
    if (now < exception.until && (weakest == nullptr || exception.level < weakest->level))
      weakest = &exception;
  return weakest;
}

PartnerLevel level_at(const PartnerRule& rule, SystemTime now) noexcept {
  const PartnerException* exception = exception_at(rule, now);
  return exception != nullptr ? exception->level : rule.level;
}

}  // namespace sealpost
