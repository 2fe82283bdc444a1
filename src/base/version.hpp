// SPDX-License-Identifier: Apache-2.0
//
// The version as users see it.
#pragma once

#include <string_view>

#include "sealpost/clock.hpp"

namespace sealpost {
std::string_view version() noexcept;  // "0.1.0"
// No clock is right that says it is earlier than this: the day of the release before this one, so that the same sources
// make the same program.
SystemTime built() noexcept;
}  // namespace sealpost
