// SPDX-License-Identifier: Apache-2.0
//
// Which keys of a configuration have changed, and which of these wait for a restart, so that a reload can say what it took
// over and what it left as it was.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace sealpost::app {

// "delivery.timeouts.mail" to its value as TOML writes it; "route.1.relay" in arrays of tables.
using WrittenValues = std::map<std::string, std::string>;

// Keys whose values differ and that a reload takes over; of entries in arrays without their number, each once.
std::vector<std::string> keys_taken_over(const WrittenValues& before, const WrittenValues& after);
// Keys whose values differ and that only a start reads, likewise.
std::vector<std::string> keys_for_restart(const WrittenValues& before, const WrittenValues& after);

}  // namespace sealpost::app
