// SPDX-License-Identifier: Apache-2.0
//
// Days as `report list` and `report show` take them: "2026-01-31", or "2026-01-01..2026-01-31", an end of which may be
// left out. Pure.
#pragma once

#include <optional>
#include <string>

namespace sealpost::admin {

struct Days {
  std::string from, to;  // both included; equal for one day; empty: no end on that side
  bool one() const noexcept { return !from.empty() && from == to; }
};

bool is_day(const std::string& text);
// Nothing: it is no such text, or its end comes before its beginning. An empty text is all days.
std::optional<Days> parse_days(const std::string& text);

}  // namespace sealpost::admin
