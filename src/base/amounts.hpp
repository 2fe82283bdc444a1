// SPDX-License-Identifier: Apache-2.0
//
// How many, and how long, as people say it.
#pragma once

#include <cstdint>
#include <string>

namespace sealpost::text {

std::string counted(std::uint64_t number, const char* one,
                    const char* many);    // "1 message", "1,128 messages"
std::string about(std::int64_t seconds);  // "2h13m": two units are enough to know how long

}  // namespace sealpost::text
