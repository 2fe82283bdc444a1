// SPDX-License-Identifier: Apache-2.0
#include "admin/report_days.hpp"

#include "sealpost/clock.hpp"

namespace sealpost::admin {

bool is_day(const std::string& text) {
  return text.size() == 10 && from_rfc3339(text + "T00:00:00Z").has_value();
}

std::optional<Days> parse_days(const std::string& text) {
  Days days;
  const std::size_t dots = text.find("..");
  days.from = text.substr(0, dots);
  days.to = dots == std::string::npos ? text : text.substr(dots + 2);
  for (const std::string& day : {days.from, days.to}) {
    if (!day.empty() && !is_day(day)) return std::nullopt;
  }
  if (!days.from.empty() && !days.to.empty() && days.to < days.from) return std::nullopt;
  return days;
}

}  // namespace sealpost::admin
