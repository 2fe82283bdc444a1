// SPDX-License-Identifier: Apache-2.0
//
// Commands that read a ledger: its file, as its owner, and what they say when that cannot be.
#pragma once

#include <functional>
#include <string>

#include "cli/command_line.hpp"
#include "ledger/reader.hpp"

namespace sealpost::cli {

int fail_reading(const CommandLine& line, const Error& error);

// `named`, or that of the configuration.
std::string ledger_file(const CommandLine& line, const std::string& named);

// As its owner: what SQLite makes beside the file must be the relay's.
int with_ledger(const CommandLine& line, const std::string& named,
                const std::function<int(ledger::Reader&)>& work);

// A date, or how long ago: "7d"; as it is when it is neither.
std::string date_of(const std::string& text);

}  // namespace sealpost::cli
