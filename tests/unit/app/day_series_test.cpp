// SPDX-License-Identifier: Apache-2.0
#include "app/day_series.hpp"

#include <doctest.h>

#include "event/sim_loop.hpp"

using namespace sealpost;
using namespace std::chrono_literals;

TEST_CASE("the last day is 48 steps of half an hour, which end on the clock, and no more") {
  event::SimLoop loop(event::SimLoop::default_start + 10min);
  delivery::Totals totals;
  totals.delivered = 5;  // before: not of the day
  app::DaySeries day(loop, totals);
  event::TaskScope scope(loop);
  scope.spawn(day.run());
  loop.settle();
  totals.delivered += 3;
  totals.refused_by_policy += 1;
  CHECK(day.status()["steps"].size() == 1);
  CHECK(day.status()["delivered"] == 3);
  CHECK(day.status()["since"] == "2026-01-05T00:10:00Z");
  loop.advance(20min);
  totals.deferred += 2;
  const auto later = day.status();
  REQUIRE(later["steps"].size() == 2);
  CHECK(later["steps"][0]["delivered"] == 3);
  CHECK(later["steps"][1]["from"] == "2026-01-05T00:30:00Z");
  CHECK(later["steps"][1]["deferred"] == 2);
  CHECK(later["delivered"] == 3);
  CHECK(later["refused"] == 1);
  loop.advance(24h);
  CHECK(day.status()["steps"].size() == app::DaySeries::most_steps);
  CHECK(day.status()["delivered"] == 0);
  CHECK(day.status()["since"] == "2026-01-05T01:00:00Z");
}
