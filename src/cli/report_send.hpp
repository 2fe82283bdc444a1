// SPDX-License-Identifier: Apache-2.0
//
// `sealpost report send`: begins, and says what is under way; or waits until everything has been tried once.
#pragma once

#include "cli/command_line.hpp"

namespace sealpost::cli {

int send_reports(const CommandLine& line, const Json& arguments, bool wait);

}  // namespace sealpost::cli
