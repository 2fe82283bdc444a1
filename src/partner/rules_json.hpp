// SPDX-License-Identifier: Apache-2.0
//
// Rules in force as JSON, for the record that outlives the process (rules_store.hpp). Equal rules give equal text.
#pragma once

#include <nlohmann/json.hpp>

#include "partner/rule_guard.hpp"

namespace sealpost::app {

nlohmann::json to_json(const RulesInForce& rules);
// Throws nlohmann::json::exception or std::invalid_argument when it is not what to_json() writes.
RulesInForce rules_from_json(const nlohmann::json& json);

}  // namespace sealpost::app
