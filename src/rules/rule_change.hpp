// SPDX-License-Identifier: Apache-2.0
//
// What changes between two sets of partner rules, in what they demand and not in how they are written: for
// every domain and pattern that either set names, the rule that governs it before and after (precedence,
// dates and exceptions included) is turned into its requirement by decide(), and the requirements are
// compared axis by axis. Pure; `sealpost check --against` prints it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sealpost/partner.hpp"

namespace sealpost::rules {

// One axis each, in words. Weaker: something that was refused before may pass now. A change can be both.
struct FloorChange {
  std::vector<std::string> weaker, stronger, other;
  bool empty() const noexcept { return weaker.empty() && stronger.empty() && other.empty(); }
  auto operator<=>(const FloorChange&) const = default;
};
// Null: no rule. The minima are those of the [tls] sections, which hold where a rule names none.
FloorChange compare_rules(const PartnerRule* before, const PartnerRule* after, SystemTime now,
                          TlsVersion minimum_before, TlsVersion minimum_after);

struct RuleChange {
  enum class Kind : std::uint8_t { weaker, stronger, added, gone, changed };
  Kind kind = Kind::changed;
  std::string before, after;         // names of the rules; empty: none
  std::vector<std::string> domains;  // as the rules name them, those changed alike together
  std::optional<SystemTime> from;    // only from then on: a rule or an exception begins or ends
  FloorChange change;
};
std::string_view name_of(RuleChange::Kind kind) noexcept;

// Weaker ones first. A rule that is gone or replaced is weaker when what it demanded is no longer demanded.
std::vector<RuleChange> compare_rule_sets(const std::vector<PartnerRule>& before,
                                          const std::vector<PartnerRule>& after, SystemTime now,
                                          TlsVersion minimum_before, TlsVersion minimum_after);
bool something_weaker(const std::vector<RuleChange>& changes) noexcept;

}  // namespace sealpost::rules
