// SPDX-License-Identifier: Apache-2.0
//
// When to try again, when to tell the sender, when to give up (RFC 5321 §4.5.4.1; D-19, D-20). Pure: times
// and a random number come in.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "sealpost/clock.hpp"

namespace sealpost::queue {

struct ScheduleSettings {
  ScheduleSettings();
  std::vector<std::chrono::seconds> retry;  // gaps; the last repeats. Never empty
  std::chrono::seconds lifetime{std::chrono::days(5)};
  std::chrono::seconds report_lifetime{std::chrono::hours(24)};  // TLS-RPT mail (R25)
  std::chrono::seconds delay_notice{std::chrono::hours(4)};      // 0: never
};

class Schedule {
 public:
  explicit Schedule(ScheduleSettings settings) : settings_(std::move(settings)) {}
  // The gap after `attempts` failed attempts (1 and up), spread over 80% to 120% by `random` so that messages
  // deferred together do not come back together.
  std::chrono::microseconds gap(std::uint32_t attempts, std::uint32_t random) const noexcept;
  // The most that gap() gives for any number of attempts.
  std::chrono::microseconds longest_gap() const noexcept;
  // Gives up only when the lifetime is over and enough was tried: five attempts, or all that the schedule
  // fits into the lifetime, and one of them since this start (D-19). `age` is time that has really passed (Job::age),
  // so a clock that jumps ahead expires nothing.
  bool expired(std::chrono::microseconds age, std::uint32_t attempts, bool attempted_since_start,
               bool report) const noexcept;
  bool delay_notice_due(std::chrono::microseconds age) const noexcept;
  std::chrono::microseconds lifetime(bool report) const noexcept;
  // Where after a restart an overdue message goes: spread over a window that grows with their number.
  std::chrono::microseconds restart_delay(std::size_t overdue, std::uint32_t random) const noexcept;
  const ScheduleSettings& settings() const noexcept { return settings_; }

 private:
  std::uint32_t attempts_in_lifetime(std::chrono::seconds lifetime) const noexcept;
  ScheduleSettings settings_;
};

}  // namespace sealpost::queue
