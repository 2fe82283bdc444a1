// SPDX-License-Identifier: Apache-2.0
//
// `sealpost check --against`: what a configuration demands more or less than another one. Rules are compared
// by src/rules/rule_change; here the settings around them, and finding out what was handed in.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "partner/rule_guard.hpp"
#include "rules/rule_change.hpp"

namespace sealpost::app {

struct ConfigChange {
  rules::FloorChange settings;  // hold for everybody
  std::vector<rules::RuleChange> rules;
  bool weaker() const noexcept { return !settings.weaker.empty() || rules::something_weaker(rules); }
};

// The same of what was, is or would be in force.
ConfigChange compare_in_force(const RulesInForce& before, const RulesInForce& after, SystemTime now);
// From `before` to `after`, as they decide at `now` and at each later date that one of their rules names.
ConfigChange compare_configs(const Config& before, const Config& after, SystemTime now);

// Is it a partner file, or a directory, of which all files are taken for such?
bool is_partner_file(const std::string& path);

// The configuration to compare with: a configuration file; or a partner file or a directory of them, then with all other
// settings as in `other`.
LoadResult load_for_comparison(const std::string& path, const Config& other, SystemTime now);

}  // namespace sealpost::app
