// SPDX-License-Identifier: Apache-2.0
//
// The last lines of the log, kept in memory for who asks what became of a message or wants to see the tail: `most_lines` and
// `most_octets` of them, as JSON objects, escaped as in the log (T-48). Off until keep_recent(); what costs a line then is its
// copy. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sealpost::log {

constexpr std::size_t most_recent_lines = 5000;
constexpr std::size_t most_recent_octets = 4u << 20;

void keep_recent(bool keep) noexcept;
bool keeps_recent() noexcept;
void add_recent(std::string line);  // for log.cpp

// Those that are wanted, the newest `most` of them, the oldest first.
std::vector<std::string> recent(std::size_t most, const std::function<bool(std::string_view line)>& wanted);

}  // namespace sealpost::log
