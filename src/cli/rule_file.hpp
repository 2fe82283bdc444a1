// SPDX-License-Identifier: Apache-2.0
//
// A partner file on the command line. Its text goes to the relay, which may not be allowed to read it where it
// lies.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace sealpost::cli {

// Adds `file` and `rule` to the arguments. False: it has said why not.
bool read_rule_file(const std::string& path, nlohmann::json& arguments);

}  // namespace sealpost::cli
