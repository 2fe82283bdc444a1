// SPDX-License-Identifier: Apache-2.0
#include "app/reload_outcome.hpp"

namespace sealpost::app {

nlohmann::json to_json(const ReloadOutcome& outcome, const std::string& config) {
  nlohmann::json answer{{"reloaded", outcome.refused.empty()},
                        {"config", config},
                        {"findings", outcome.findings},
                        {"changed", outcome.changed},
                        {"rules", outcome.rules},
                        {"restart", outcome.restart},
                        {"held", outcome.held},
                        {"partners", outcome.partners}};
  if (!outcome.refused.empty()) {
    answer["why"] = outcome.refused;
    answer["remedy"] =
        "what was in force before is, all of it; 'sealpost check' tells of the files without a reload";
  }
  return answer;
}

}  // namespace sealpost::app
