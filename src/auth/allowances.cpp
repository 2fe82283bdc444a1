// SPDX-License-Identifier: Apache-2.0
#include "auth/allowances.hpp"

#include <algorithm>

namespace sealpost::auth {
namespace {

bool fits(std::uint64_t used, std::uint64_t more, std::uint32_t limit) noexcept {
  return limit == 0 || used + more <= limit;
}

}  // namespace

void Allowances::set(const std::string& name, Limits limits, std::string stamp) {
  const std::lock_guard lock(mutex_);
  Window& window = accounts_.at(name);
  window.limits = limits;
  window.stamp = std::move(stamp);
  window.known = true;
  window.closed = false;
}

void Allowances::close(const std::string& name) {
  const std::lock_guard lock(mutex_);
  accounts_.at(name).closed = true;
}

void Allowances::move_on(Window& window, std::int64_t minute) noexcept {
  const std::int64_t gone = std::min<std::int64_t>(minute - window.minute, minutes);
  for (std::int64_t i = 1; i <= gone; ++i)
    window.used[static_cast<std::size_t>(window.minute + i) % minutes] = Used();
  window.minute = std::max(window.minute, minute);
}

bool Allowances::take(const std::string& name, Limits limits, std::uint32_t recipients, SteadyTime now,
                      std::string_view stamp) {
  const std::lock_guard lock(mutex_);
  Window& window = accounts_.at(name);
  if (window.closed || (window.known && window.stamp != stamp)) return false;
  if (window.known) limits = window.limits;
  const std::int64_t minute = std::chrono::floor<std::chrono::minutes>(now.time_since_epoch()).count();
  // The places of a window that is new, or an hour old, are empty all the same.
  if (minute - window.minute >= static_cast<std::int64_t>(minutes)) {
    window.used = {};
    window.minute = minute;
  }
  move_on(window, minute);
  std::uint64_t messages = 0, sent = 0;
  for (const Used& used : window.used) {
    messages += used.messages;
    sent += used.recipients;
  }
  if (!fits(messages, 1, limits.messages_per_hour) || !fits(sent, recipients, limits.recipients_per_hour))
    return false;
  Used& used = window.used[static_cast<std::size_t>(window.minute) % minutes];
  ++used.messages;
  used.recipients += recipients;
  return true;
}

std::vector<std::string> Allowances::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  accounts_.for_each([&](const std::string& name, const Window&) { names.push_back(name); });
  return names;
}

}  // namespace sealpost::auth
