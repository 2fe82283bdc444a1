// SPDX-License-Identifier: Apache-2.0
#include "queue/schedule.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace sealpost::queue;
using namespace std::chrono_literals;

namespace {
Schedule with(std::vector<std::chrono::seconds> retry, std::chrono::seconds lifetime) {
  ScheduleSettings settings;
  settings.retry = std::move(retry);
  settings.lifetime = lifetime;
  return Schedule(settings);
}
}  // namespace

TEST_CASE("D-20 gaps follow the list, the last repeats, jitter stays within a fifth") {
  const Schedule schedule = with({5min, 10min, 30min}, 24h * 5);
  const struct {
    std::uint32_t attempts;
    std::chrono::seconds base;
  } rows[] = {{0, 5min}, {1, 5min}, {2, 10min}, {3, 30min}, {4, 30min}, {1000, 30min}};
  for (const auto& row : rows) {
    std::chrono::microseconds least = 1000h, most{0};
    for (std::uint32_t random = 0; random < 5000; random += 7) {
      const auto gap = schedule.gap(row.attempts, random);
      least = std::min(least, gap);
      most = std::max(most, gap);
    }
    CHECK(least >= row.base * 4 / 5);
    CHECK(most <= row.base * 6 / 5);
    CHECK(most - least > row.base / 4);  // it does spread
  }
}

TEST_CASE("D-19 expiry needs the lifetime, enough attempts and one attempt since the start") {
  const Schedule schedule = with({5min, 10min, 30min, 1h, 2h, 4h}, std::chrono::days(5));
  constexpr std::chrono::days late(6);
  CHECK(schedule.expired(late, 5, true, false));
  CHECK_FALSE(schedule.expired(late, 4, true, false));    // not enough attempts
  CHECK_FALSE(schedule.expired(late, 50, false, false));  // none since this start
  CHECK_FALSE(schedule.expired(std::chrono::days(4), 50, true, false));
}

TEST_CASE("D-19 a short lifetime asks only for the attempts that fit into it") {
  const Schedule schedule = with({10s, 20s}, 25s);  // attempts at 0, 10, (30 is too late)
  CHECK_FALSE(schedule.expired(26s, 1, true, false));
  CHECK(schedule.expired(26s, 2, true, false));
}

TEST_CASE("T-50 a clock far ahead or behind expires nothing untried") {
  const Schedule schedule = with({5min}, std::chrono::days(5));
  CHECK_FALSE(schedule.expired(std::chrono::years(10), 1, true, false));
  CHECK_FALSE(schedule.expired(-std::chrono::years(10), 100, true, false));
}

TEST_CASE("reports live a day at most (RFC 8460 §5.5)") {
  const Schedule schedule = with({5min}, std::chrono::days(5));
  CHECK(schedule.lifetime(true) == 24h);
  CHECK(schedule.lifetime(false) == std::chrono::days(5));
}

TEST_CASE("the delay notice is due once its time has come, and never when switched off") {
  ScheduleSettings settings;
  settings.delay_notice = 4h;
  CHECK_FALSE(Schedule(settings).delay_notice_due(3h));
  CHECK(Schedule(settings).delay_notice_due(4h));
  settings.delay_notice = 0s;
  CHECK_FALSE(Schedule(settings).delay_notice_due(1000h));
}

TEST_CASE("D-20 a restart spreads overdue mail over a window that grows with it") {
  const Schedule schedule = with({5min}, std::chrono::days(5));
  CHECK(schedule.restart_delay(1, 1023) <= 5ms);
  CHECK(schedule.restart_delay(10'000, 1023) > 40s);
  CHECK(schedule.restart_delay(10'000, 1023) <= 50s);
  CHECK(schedule.restart_delay(10'000'000, 1023) <= 5min);
}
