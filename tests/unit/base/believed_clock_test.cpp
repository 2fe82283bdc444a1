// SPDX-License-Identifier: Apache-2.0
#include "base/believed_clock.hpp"

#include <doctest.h>

#include <vector>

#include "base/shared_clock.hpp"

namespace sealpost {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using Doubt = BelievedClock::Doubt;

const SystemTime built = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);
const SystemTime noon = *from_rfc3339("2026-06-01T12:00:00Z");
const SystemTime epoch{};
constexpr SteadyTime begin{1000h};
constexpr days year(365);

// A clock that has run rightly since noon, for as long as `ran`.
BelievedClock running(Duration ran = 2h) {
  BelievedClock clock(built, noon - 1h, noon, begin);
  for (Duration at = 0s; at <= ran; at += 10min)
    clock.observe(noon + std::chrono::duration_cast<std::chrono::microseconds>(at), begin + at);
  return clock;
}

TEST_CASE("T-50 at a start the clock is compared with what was recorded") {
  struct Row {
    const char* what;
    std::optional<SystemTime> recorded;
    SystemTime wall;
    Doubt doubt;
    SystemTime now, earliest, latest;
  };
  const Row rows[] = {
      {"first start", std::nullopt, noon, Doubt::none, noon, noon, noon},
      {"first start, years after the release", std::nullopt, noon + 3 * year, Doubt::none, noon + 3 * year,
       noon + 3 * year, noon + 3 * year},
      {"first start, ten years after the release", std::nullopt, noon + 10 * year, Doubt::ahead, built, built,
       noon + 10 * year},
      {"first start in 1970", std::nullopt, epoch, Doubt::behind, built, built, built},
      {"a restart", noon, noon + 5s, Doubt::none, noon + 5s, noon + 5s, noon + 5s},
      {"a little behind", noon, noon - 1min, Doubt::none, noon, noon, noon},
      {"a weekend off", noon, noon + 60h, Doubt::none, noon + 60h, noon + 60h, noon + 60h},
      {"four days off", noon, noon + days(4), Doubt::ahead, noon, noon, noon + days(4)},
      {"ten years ahead", noon, noon + 10 * year, Doubt::ahead, noon, noon, noon + 10 * year},
      {"an hour back", noon, noon - 1h, Doubt::behind, noon, noon - 1h, noon},
      {"a month back", noon, noon - days(30), Doubt::behind, noon, noon - days(30), noon},
      {"1970", noon, epoch, Doubt::behind, noon, built, noon},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    BelievedClock clock(built, row.recorded, row.wall, begin);
    CHECK(clock.doubt() == row.doubt);
    const Believed believed = clock.observe(row.wall, begin);
    CHECK(believed.in_doubt == (row.doubt != Doubt::none));
    CHECK(believed.now == row.now);
    CHECK(believed.earliest == row.earliest);
    CHECK(believed.latest == row.latest);
  }
}

TEST_CASE("T-50 a step while the relay runs is seen at once, and forgotten when the clock comes back") {
  struct Row {
    const char* what;
    std::chrono::microseconds step;
    bool seen;
  };
  const Row rows[] = {{"a second", 1s, false},
                      {"four minutes", 4min, false},
                      {"four back", -4min, false},
                      {"an hour", 1h, true},
                      {"an hour back", -1h, true},
                      {"ten years", 10 * year, true},
                      {"ten years back", -10 * year, true}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    BelievedClock clock = running();
    const SystemTime right = noon + 2h + 5s;
    const Believed believed = clock.observe(right + row.step, begin + 2h + 5s);
    CHECK(believed.in_doubt == row.seen);
    if (row.seen) {
      CHECK(believed.now == right);
      CHECK(believed.earliest == std::max(built, std::min(right, right + row.step)));
      CHECK(believed.latest == std::max(right, right + row.step));
    }
    const Believed after = clock.observe(right + 5s, begin + 2h + 10s);
    CHECK_FALSE(after.in_doubt);
    if (row.seen) CHECK(after.now == right + 5s);
    CHECK(clock.steps() == (row.seen ? 1 : 0));
  }
}

TEST_CASE("T-50 what is believed goes on with steady time while the clock is wrong, and never goes back") {
  BelievedClock clock = running();
  SystemTime last = noon;
  for (int minute = 0; minute < 600; ++minute) {
    const auto ran = 2h + std::chrono::minutes(minute);
    const Believed believed = clock.observe(epoch + std::chrono::minutes(minute), begin + ran);
    CHECK(believed.in_doubt);
    CHECK(believed.now == noon + ran);
    CHECK(believed.now >= last);
    last = believed.now;
  }
}

TEST_CASE("T-50 an even clock ends the doubt after an hour, when its step can be real") {
  struct Row {
    const char* what;
    std::chrono::microseconds step;
    bool believed;
  };
  const Row rows[] = {{"a paused machine", days(2), true}, {"a week and more", days(8), false},
                      {"ten years", 10 * year, false},     {"set right by hours", -2h, true},
                      {"two days back", -days(2), false},  {"ten years back", -10 * year, false}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    BelievedClock clock = running();
    const SystemTime right = noon + 2h;
    for (Duration at = 0s; at < 1h; at += 1min)
      CHECK(clock
                .observe(right + row.step + std::chrono::duration_cast<std::chrono::microseconds>(at),
                         begin + 2h + at)
                .in_doubt);
    const Believed believed = clock.observe(right + row.step + 1h, begin + 3h);
    CHECK(believed.in_doubt != row.believed);
    if (!row.believed) CHECK(believed.now == right + 1h);
    if (row.believed && row.step > 0s) CHECK(believed.now == right + row.step + 1h);
    // It does not go back behind what was believed; it waits.
    if (row.believed && row.step < 0s) CHECK(believed.now == right + 59min);
  }
}

TEST_CASE("T-50 a clock that jumps about is not believed") {
  BelievedClock clock = running();
  for (int i = 0; i < 300; ++i) {
    const auto ran = 2h + std::chrono::minutes(i);
    CHECK(clock.observe(noon + ran + (i % 2 == 0 ? 7h : 9h), begin + ran).in_doubt);
  }
}

TEST_CASE("T-50 small steps back do not add up unseen") {
  BelievedClock clock = running();
  bool doubted = false;
  for (int i = 1; i <= 12; ++i) {
    const auto ran = 2h + i * 5min;
    const Believed believed = clock.observe(noon + ran - i * 4min, begin + ran);
    CHECK(believed.now >= noon + 2h);
    doubted = doubted || believed.in_doubt;
  }
  CHECK(doubted);
}

TEST_CASE("T-50 a machine that boots in 1970 and then hears the time goes on at once") {
  BelievedClock clock(built, noon, epoch, begin);
  CHECK(clock.observe(epoch + 20s, begin + 20s).now == noon + 20s);
  const Believed believed = clock.observe(noon + 2h, begin + 30s);
  CHECK_FALSE(believed.in_doubt);
  CHECK(believed.now == noon + 2h);
}

TEST_CASE(
    "T-50 a first start with a wrong clock is forgotten when the clock is right, in this life or the next") {
  for (const SystemTime wall : {noon + 10 * year, epoch}) {
    BelievedClock clock(built, std::nullopt, wall, begin);
    CHECK(clock.observe(wall + 10min, begin + 10min).in_doubt);
    BelievedClock next(built, clock.to_record(), noon, begin);
    CHECK(next.doubt() == Doubt::none);
    CHECK(next.to_record() == noon);
    CHECK_FALSE(clock.observe(noon + 11min, begin + 11min).in_doubt);
    CHECK(clock.to_record() == noon + 11min);
  }
}

TEST_CASE("T-50 an operator's word ends every doubt, back as well as ahead") {
  for (const SystemTime wall : {noon + 10 * year, noon - days(100)}) {
    BelievedClock clock = running();
    CHECK(clock.observe(wall, begin + 2h).in_doubt);
    clock.believe(wall, begin + 2h);
    const Believed believed = clock.observe(wall + 1s, begin + 2h + 1s);
    CHECK_FALSE(believed.in_doubt);
    CHECK(believed.now == wall + 1s);
  }
}

TEST_CASE("T-50 certificates issued meanwhile vouch for a long absence, not for a clock ten years ahead") {
  BelievedClock away(built, noon, noon + days(200), begin);
  CHECK(away.observe(noon + days(200), begin).in_doubt);
  away.witness(noon + days(150), begin + 1s);
  CHECK(away.observe(noon + days(200) + 2s, begin + 2s).now == noon + days(150) + 1s);
  away.witness(noon + days(20), begin + 3s);  // older than what is known
  away.witness(noon + days(198), begin + 4s);
  CHECK_FALSE(away.observe(noon + days(200) + 5s, begin + 5s).in_doubt);

  BelievedClock wrong = running();
  CHECK(wrong.observe(noon + 10 * year, begin + 2h).in_doubt);
  wrong.witness(noon - days(30), begin + 2h);
  wrong.witness(noon + 20 * year, begin + 2h);  // later than the clock itself
  CHECK(wrong.observe(noon + 10 * year, begin + 2h).now == noon + 2h);
}

TEST_CASE("T-50 waits go by a time that does not step") {
  SharedClock clock(built, noon, noon + 1min, begin);
  CHECK(clock.paced(begin) == noon + 1min);
  CHECK(clock.read(noon + 10 * year, begin + 1h).in_doubt);
  CHECK(clock.paced(begin + 1h) == noon + 61min);
  clock.believe(noon + 10 * year, begin + 1h);
  CHECK(clock.paced(begin + 2h) == noon + 121min);
}

}  // namespace
}  // namespace sealpost
