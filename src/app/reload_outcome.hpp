// SPDX-License-Identifier: Apache-2.0
//
// What a reload came to, for the log and for who asked for it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace sealpost::app {

struct ReloadOutcome {
  std::string refused;                // why nothing has changed; empty: it is in force
  std::vector<std::string> findings;  // of the files read: "FILE:LINE: key: what"
  std::vector<std::string> changed;   // keys it took over
  std::vector<std::string> restart;   // keys that differ from what runs and wait for a restart
  std::vector<std::string>
      rules;  // of partners that now ask for more, less or something else: "Bank: in words"
  std::vector<std::string>
      held;  // demands that stay although the files ask for less (ADR 15): "rule Bank: in words"
  std::size_t partners = 0;  // rules in force
};

// {"reloaded", "config", "why" and "remedy" when refused, "findings", "changed", "rules", "restart", "held", "partners"}
nlohmann::json to_json(const ReloadOutcome& outcome, const std::string& config);

}  // namespace sealpost::app
