// SPDX-License-Identifier: Apache-2.0
//
// Mail that is to be sent later (RFC 4865), by whichever door it comes. Pure.
#pragma once

#include <chrono>
#include <optional>

#include "sealpost/clock.hpp"

namespace sealpost {

constexpr std::chrono::days longest_hold{30};
// Who asks for the day before yesterday has mistyped the year, and would see it sent now. A repeated request may be this late.
constexpr std::chrono::days longest_past{1};

// Envelope::not_before for what was asked: the epoch, at once, when the time has passed. Nothing: it is too far away, or too
// long ago.
inline std::optional<SystemTime> release_time(SystemTime wanted, SystemTime now) noexcept {
  if (wanted > now + longest_hold || wanted < now - longest_past) return std::nullopt;
  return wanted > now ? wanted : SystemTime{};
}

}  // namespace sealpost
