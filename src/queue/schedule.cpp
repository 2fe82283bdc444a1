// SPDX-License-Identifier: Apache-2.0
#include "queue/schedule.hpp"

#include <algorithm>

namespace sealpost::queue {
namespace {

using namespace std::chrono_literals;
constexpr std::uint32_t enough_attempts = 5;  // D-19

std::chrono::microseconds scaled(std::chrono::microseconds span, std::uint32_t random) noexcept {
  return std::chrono::microseconds(span.count() / 1024 * (random % 1024) +
                                   span.count() % 1024 * (random % 1024) / 1024);
}

}  // namespace

ScheduleSettings::ScheduleSettings() : retry{5min, 10min, 30min, 1h, 2h, 4h} {}

std::chrono::microseconds Schedule::gap(std::uint32_t attempts, std::uint32_t random) const noexcept {
  const std::size_t step =
      std::min<std::size_t>(attempts == 0 ? 0 : attempts - 1, settings_.retry.size() - 1);
  const std::chrono::microseconds base = settings_.retry[step];
  return base * 4 / 5 + scaled(base * 2 / 5, random);
}

std::uint32_t Schedule::attempts_in_lifetime(std::chrono::seconds lifetime) const noexcept {
  std::chrono::seconds at{0};
  std::uint32_t attempts = 1;
  while (attempts < enough_attempts) {
    at += std::max(settings_.retry[std::min<std::size_t>(attempts - 1, settings_.retry.size() - 1)], 1s);
    if (at > lifetime) break;
    ++attempts;
  }
  return attempts;
}

std::chrono::microseconds Schedule::longest_gap() const noexcept {
  return std::chrono::microseconds(*std::max_element(settings_.retry.begin(), settings_.retry.end())) * 6 / 5;
}

std::chrono::microseconds Schedule::lifetime(bool report) const noexcept {
  return report ? std::min(settings_.report_lifetime, settings_.lifetime) : settings_.lifetime;
}

bool Schedule::expired(std::chrono::microseconds age, std::uint32_t attempts, bool attempted_since_start,
                       bool report) const noexcept {
  if (age < lifetime(report) || !attempted_since_start) return false;
  return attempts >= attempts_in_lifetime(settings_.lifetime);
}

bool Schedule::delay_notice_due(std::chrono::microseconds age) const noexcept {
  return settings_.delay_notice > 0s && age >= settings_.delay_notice;
}

std::chrono::microseconds Schedule::restart_delay(std::size_t overdue, std::uint32_t random) const noexcept {
  // 200 a second, at most over five minutes or the first gap, whichever is shorter.
  const std::chrono::microseconds window =
      std::min({std::chrono::microseconds(overdue * 5000), std::chrono::microseconds(5min),
                std::chrono::microseconds(settings_.retry.front())});
  return scaled(window, random);
}

}  // namespace sealpost::queue
