// SPDX-License-Identifier: Apache-2.0
//
// A partner file on the command line. Its text goes to the relay, which may not be allowed to read it where it
// lies.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace sealpost::cli {

struct CommandLine;

// Adds `file` and `rule` to the arguments. The exit code: when it is not 0, it has said why.
int read_rule_file(const CommandLine& line, const std::string& path, nlohmann::json& arguments);

}  // namespace sealpost::cli
