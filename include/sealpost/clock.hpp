// SPDX-License-Identifier: Apache-2.0
//
// Time as sealpost uses it: system time for what survives a restart, steady time for waits. Nothing reads a
// clock by itself; the current time is an argument, or comes from the event loop (real or simulated).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sealpost {

using Duration = std::chrono::steady_clock::duration;
using SteadyTime = std::chrono::steady_clock::time_point;
using SystemTime = std::chrono::sys_time<std::chrono::microseconds>;

std::string to_rfc3339(SystemTime time);                        // 2026-01-31T23:59:59Z, whole seconds, UTC
std::optional<SystemTime> from_rfc3339(std::string_view text);  // with zone; fractions are accepted
std::string to_rfc5322(SystemTime time);                        // Sat, 31 Jan 2026 23:59:59 +0000
std::string to_utc_day(SystemTime time);                        // 2026-01-31
// Whole seconds since 1970-01-01T00:00:00Z.
inline std::int64_t to_unix(SystemTime time) noexcept {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}
// "90s", "15m", "4h", "5d", and sums of falling units such as "1h30m"; nothing else.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);
std::string to_duration_text(std::chrono::seconds duration);  // "1h30m"; parse_duration reads it back

}  // namespace sealpost
