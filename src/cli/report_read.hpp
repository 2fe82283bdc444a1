// SPDX-License-Identifier: Apache-2.0
//
// `sealpost report read FILE...`: hands files to the relay, one by one, and says what was in them.
#pragma once

#include <string>
#include <vector>

#include "cli/command_line.hpp"

namespace sealpost::cli {

// A file that cannot be taken does not keep the others from it; the exit code is that of the first failure.
int read_reports(const CommandLine& line, const std::vector<std::string>& files);

// `sealpost report aside [ID] [--forget]`: what is kept aside (id 0), or one piece of it as it came.
int show_aside(const CommandLine& line, std::int64_t id, bool forget);

}  // namespace sealpost::cli
