// SPDX-License-Identifier: Apache-2.0
//
// What stands between a file and the rules in force (ADR 15): the set that is wanted is compared with the one in force;
// what asks for more goes in, what asks for less only with a dated line that says so ([[weaker]], an exception). Else the
// former demand is held for those it concerns, and everything else goes in. The same at a start, a reload and in `check`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "partner/floor_settings.hpp"
#include "rules/rule_change.hpp"

namespace sealpost::app {

// What decides about mail at a moment.
struct RulesInForce {
  FloorSettings settings;
  std::vector<PartnerRule> partners;
};
RulesInForce rules_in_force(const Config& config);

struct RuleNews {
  enum class Way : std::uint8_t { weaker, stronger, other };
  Way way = Way::other;
  bool setting = false;              // else a rule
  std::string subject;               // name of the rule as it was called before, or key of the setting
  std::vector<std::string> domains;  // of a rule
  std::string text;                  // in words
  bool gone = false;                 // weaker: no rule takes its place
  bool held = false;                 // weaker: nobody said so, the former demand stays in force
  std::string approved_by, reason;   // weaker: who said so
  std::string file, written;         // weaker and approved: where; the rule's file
};

struct Guarded {
  Config config;  // to put in force
  std::vector<RuleNews> news;
  bool holds() const noexcept;
};

// Null: nothing was in force yet, so all of it goes in and nothing is news.
Guarded guard_rules(const RulesInForce* before, Config wanted, SystemTime now);

// What one would write to let the held changes in; empty when there are none.
std::string entries_to_write(const std::vector<RuleNews>& news, SystemTime now);

}  // namespace sealpost::app
