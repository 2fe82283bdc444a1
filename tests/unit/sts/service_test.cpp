// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include <algorithm>

#include "../log_capture.hpp"
#include "base/shared_clock.hpp"
#include "sts_world.hpp"

using namespace sealpost;
using namespace sealpost::sts;
using namespace sealpost::sts::test;
using namespace std::chrono_literals;

TEST_CASE("S26: on first contact the policy is fetched before the mail goes") {
  World world;
  world.publish("1", policy_text("enforce", week));
  world.fetcher.delay = 3s;
  const StsState state = world.ask();
  CHECK(state.kind == Kind::policy);
  CHECK(state.id == "1");
  CHECK(state.policy->mode == StsMode::enforce);
  CHECK(state.policy->mx == std::vector<std::string>{"mx.b.test"});
  CHECK(state.expires == world.loop.wall() + std::chrono::seconds(week));
  CHECK(state.failure_type.empty());
}

TEST_CASE("S26: a slow policy host holds first mail only so long, and later mail not again") {
  World world;
  world.publish("1", policy_text("enforce", week));
  world.fetcher.delay = 30s;
  const SteadyTime before = world.loop.now();
  CHECK(world.ask().kind == Kind::none);
  CHECK(world.loop.now() - before == 10s);
  CHECK(world.ask().kind == Kind::none);
  CHECK(world.loop.now() - before == 10s);
  world.loop.advance(20s);
  CHECK(world.enforced());
  CHECK(world.fetches() == 1);
}

TEST_CASE("a cached policy adds no wait, and while it holds no change of loop") {
  World world;
  world.publish("1", policy_text("enforce", week));
  world.ask();
  world.table.delay(5s);
  world.fetcher.delay = 5s;
  for (int i = 0; i < 50; ++i) {
    const SteadyTime before = world.loop.now();
    CHECK(world.enforced());
    CHECK(world.loop.now() == before);
    world.loop.advance(1min);
  }
  CHECK(world.fetches() == 1);
  CHECK(world.table.count("_mta-sts.b.test", dns::RrType::txt) <= 11);  // every 300 s, its TTL
}

TEST_CASE("no record, a broken record, several: no policy, and no fetch (S4)") {
  World world;
  CHECK(world.ask().kind == Kind::none);
  world.table.text("_mta-sts.two.test", {"v=STSv1; id=1;", "v=STSv1; id=2;"});
  CHECK(world.ask("two.test").kind == Kind::none);
  world.table.text("_mta-sts.broken.test", {"v=STSv1; id=2024-01-01;"});
  CHECK(world.ask("broken.test").kind == Kind::none);
  CHECK_FALSE(world.ask("broken.test").failure_reason.empty());
  CHECK(world.ask().failure_reason.empty());
  world.table.text("_mta-sts.other.test", {"unrelated", "v=STSv1; id=9"});
  world.fetcher.texts["other.test"] = policy_text("enforce", week);
  CHECK(world.enforced("other.test"));
  CHECK(world.fetcher.asked.size() == 1);
}

TEST_CASE("S25: literals and what is no host name have no policy; the parent's is never looked at (STS-16)") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.ask("[192.0.2.1]").kind == Kind::none);
  CHECK(world.ask("192.0.2.1").kind == Kind::none);
  CHECK(world.ask("").kind == Kind::none);
  CHECK(world.table.asked.empty());
  CHECK(world.ask("sub.b.test").kind == Kind::none);
  CHECK(world.table.asked == std::vector{std::pair(std::string("_mta-sts.sub.b.test"), dns::RrType::txt)});
  CHECK(world.enforced("B.Test"));
}

TEST_CASE(
    "STS-10, S24: a failed fetch without a cache delivers, with one enforces, with an expired one delivers") {
  World world;
  world.record("1");
  StsState state = world.ask();
  CHECK(state.kind == Kind::fetch_failed);
  CHECK(state.id == "1");
  CHECK(state.failure_type == "sts-policy-fetch-error");
  CHECK(state.failure_reason == "http-status-404");

  world.loop.advance(6min);
  world.publish("1", policy_text("enforce", 3600));
  CHECK(world.enforced());
  world.no_policy_host();
  world.record("2");
  world.loop.advance(10min);
  world.ask_and_settle();
  state = world.ask();
  CHECK(state.kind == Kind::policy);
  CHECK(state.id == "1");
  CHECK(state.failure_reason == "http-status-404");  // S44: reportable while the cached policy rules

  world.loop.advance(1h);
  state = world.ask();
  CHECK(state.kind == Kind::fetch_failed);
  CHECK(state.id == "2");
}

TEST_CASE("T-12: a policy that expires while mail waits for the next one is said to have expired") {
  const sealpost::test::Capture log;
  World world;
  world.publish("1", policy_text("testing", 3600));
  world.ask();
  world.loop.advance(1h - 2s);
  world.no_policy_host();
  world.record("2");
  world.fetcher.delay = 5s;
  CHECK(world.ask().kind == Kind::fetch_failed);
  const auto said = [&] {
    const auto lines = log.lines();
    return std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
      return line.find("sts_policy_expired domain=b.test") != line.npos;
    });
  };
  CHECK(said() == 1);
  world.ask();
  CHECK(said() == 1);  // once
}

TEST_CASE("an invalid policy text is a failed fetch of its own type; the cached policy stays (T-13, S17)") {
  World world;
  world.publish("1", "version: STSv1\nmode: enforce\nmax_age: 86400\n");
  StsState state = world.ask();
  CHECK(state.kind == Kind::fetch_failed);
  CHECK(state.failure_type == "sts-policy-invalid");
  CHECK_FALSE(state.failure_reason.empty());
  CHECK(state.failure_reason.find(' ') == std::string::npos);
  world.loop.advance(6min);
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.publish("2", "<html>maintenance</html>");
  world.loop.advance(6min);
  world.ask_and_settle();
  state = world.ask();
  CHECK(state.kind == Kind::policy);
  CHECK(state.id == "1");
  CHECK(state.failure_type == "sts-policy-invalid");
}

TEST_CASE("S8: a DNS error is not \"no record\": mail goes on, and the record is asked for again soon") {
  World world;
  world.fetcher.texts["b.test"] = policy_text("enforce", week);
  world.record_fails();
  CHECK(world.ask().kind == Kind::none);
  world.record("1");
  world.loop.advance(31s);
  CHECK(world.enforced());
}

TEST_CASE("S7, T-12: a record that is gone or fails weakens no cached policy") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.no_record();
  world.loop.advance(2h);
  world.ask_and_settle();
  CHECK(world.enforced());
  world.record_fails();
  world.loop.advance(2h);
  world.ask_and_settle();
  CHECK(world.enforced());
  world.table.text("_mta-sts.b.test", {"v=STSv1; id=not!valid"});
  world.loop.advance(2h);
  world.ask_and_settle();
  CHECK(world.enforced());
  CHECK(world.fetches() == 1);
}

TEST_CASE(
    "T-12: record and policy host blocked for the whole life: enforced to its last second, and not one "
    "longer") {
  World world;
  world.service->start();
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  const SystemTime expires = world.ask().expires;
  world.record_fails();
  world.no_policy_host();
  while (world.loop.wall() + 1h < expires) {
    world.loop.advance(1h);
    CHECK(world.enforced());
  }
  world.loop.advance(expires - world.loop.wall() - 1s);
  CHECK(world.enforced());
  CHECK(world.entry().failure_streak > 3);
  CHECK(world.service->counters()->alerts == 1);
  world.loop.advance(1s);
  CHECK_FALSE(world.enforced());
}

TEST_CASE("T-50 a step of the clock makes no policy expire, neither in memory nor across a restart") {
  constexpr auto years = 10 * 365 * 24h;
  for (const bool restart : {false, true}) {
    for (const Duration step : {Duration(years), Duration(-years), Duration(30 * 24h)}) {
      CAPTURE(restart);
      CAPTURE(step.count());
      World world;
      SharedClock clock(world.loop.wall() - 24h, world.loop.wall(), world.loop.wall(), world.loop.now());
      world.loop.ask_clock(&clock);
      world.service->start();
      world.publish("1", policy_text("enforce", week));
      CHECK(world.enforced());
      const SystemTime expires = world.ask().expires;
      world.record_fails();
      world.no_policy_host();
      world.loop.advance(2h);
      world.loop.shift_wall(step);
      const SystemTime believed = world.loop.date();
      SharedClock next(believed - 24h, believed, world.loop.wall(), world.loop.now());
      if (restart) {
        world.restart();
        world.service->start();
        world.loop.ask_clock(&next);
      }
      for (int hour = 0; hour < 48; ++hour) {
        CHECK(world.enforced());
        world.loop.advance(1h);
      }
      world.loop.shift_wall(-step);
      CHECK(world.enforced());
      CHECK(world.ask().expires == expires);  // and it lives no longer than it did
      world.loop.advance(std::chrono::seconds(week));
      CHECK_FALSE(world.enforced());
      world.service.reset();
      world.loop.ask_clock(nullptr);
    }
  }
}

TEST_CASE(
    "T-50 a policy fetched while the clock stands ahead lives for its max_age, by whichever reading was "
    "right") {
  for (const bool right : {false, true}) {
    CAPTURE(right);
    World world;
    SharedClock clock(world.loop.wall() - 24h, world.loop.wall(), world.loop.wall(), world.loop.now());
    world.loop.ask_clock(&clock);
    world.loop.advance(2h);
    world.loop.shift_wall(400 * 24h);
    world.publish("1", policy_text("enforce", week));
    CHECK(world.enforced());
    world.record_fails();
    world.no_policy_host();
    if (right)
      clock.believe(world.loop.wall(), world.loop.now());
    else
      world.loop.shift_wall(-400 * 24h);
    world.loop.advance(std::chrono::seconds(week) - 1min);
    CHECK(world.enforced());
    world.loop.advance(2min);
    CHECK_FALSE(world.enforced());
    world.service.reset();
    world.loop.ask_clock(nullptr);
  }
}

TEST_CASE(
    "T-12, RFC 8461 §10.2: the alert comes at the third failure, not for `none`, and ends with a success") {
  World world;
  world.service->start();
  world.publish("1", policy_text("enforce", week));
  world.publish("1", "version: STSv1\nmode: none\nmax_age: 604800\n", "none.test");
  world.ask();
  world.ask("none.test");
  world.no_policy_host();
  world.no_policy_host("none.test");
  world.loop.advance(27h);
  CHECK(world.service->counters()->alerts == 1);
  CHECK(world.entry().failure_streak >= 3);
  CHECK(world.entry().last_failure == "http-status-404");
  world.fetcher.texts["b.test"] = policy_text("enforce", week);
  world.loop.advance(2h);
  CHECK(world.entry().failure_streak == 0);
  CHECK(world.ask().failure_type.empty());
  CHECK(world.service->counters()->alerts == 1);
}

TEST_CASE("`sts show`: cached policies and those that cannot be fetched") {
  World world;
  world.publish("1", policy_text("enforce", week));
  world.record("7", "broken.test");
  world.ask();
  world.ask("broken.test");
  auto list = event::run_until_done(world.loop, world.service->entries(world.loop, ""));
  REQUIRE(list.size() == 2);
  CHECK(list[0].domain == "b.test");
  CHECK(list[0].mode == "enforce");
  CHECK(list[0].mx == std::vector<std::string>{"mx.b.test"});
  CHECK(list[0].next_refresh > world.loop.wall() + 20h);
  CHECK(list[0].next_refresh < world.loop.wall() + 28h);
  CHECK(list[1].domain == "broken.test");
  CHECK(list[1].id == "7");
  CHECK(list[1].last_failure == "http-status-404");
  CHECK(event::run_until_done(world.loop, world.service->entries(world.loop, "*.test")).size() == 2);
  CHECK(event::run_until_done(world.loop, world.service->entries(world.loop, "B.test")).size() == 1);
}

namespace {
std::string of_mode(const char* mode) { return policy_text(mode, week); }
}  // namespace

TEST_CASE("T-15, S29: under a policy that does not enforce, mail waits for the one that a new id announces") {
  for (const char* old : {"testing", "none"}) {
    CAPTURE(old);
    World world;
    world.publish("1", of_mode(old));
    world.ask();
    world.publish("2", of_mode("enforce"));
    world.loop.advance(2h);
    world.fetcher.delay = 3s;
    const SteadyTime before = world.loop.now();
    const StsState state = world.ask();
    CHECK(world.loop.now() - before == 3s);
    REQUIRE(state.kind == Kind::policy);
    CHECK(state.policy->mode == StsMode::enforce);
    CHECK_FALSE(state.changing);
  }
}

TEST_CASE("T-15: when the wait is over before the fetch is, the state says that it may change") {
  World world;
  world.publish("1", of_mode("testing"));
  world.ask();
  world.publish("2", of_mode("enforce"));
  world.loop.advance(2h);
  world.fetcher.delay = 30s;
  StsState state = world.ask();
  CHECK(state.id == "1");
  CHECK(state.changing);
  world.loop.advance(21s);
  state = world.ask();
  CHECK(state.id == "2");
  CHECK_FALSE(state.changing);
}

TEST_CASE("T-12, S24: a new policy that cannot be fetched holds nobody: the old one rules") {
  World world;
  world.publish("1", of_mode("testing"));
  world.ask();
  world.record("2");
  world.no_policy_host();
  world.loop.advance(2h);
  const StsState state = world.ask();
  CHECK(state.id == "1");
  CHECK_FALSE(state.changing);
}

TEST_CASE("T-15: whoever has asked is told that a policy changed, and finds the new one when he asks again") {
  World world;
  std::vector<std::string> told;
  world.service->on_change([&](const std::string& domain) { told.push_back(domain); });
  world.publish("1", of_mode("enforce"));
  world.ask();
  CHECK(told == std::vector<std::string>{"b.test"});
  const std::uint64_t asked_at = world.service->version();
  world.loop.advance(2h);
  world.fetcher.delay = 3s;
  world.record("2");
  world.fetcher.texts["b.test"] = policy_text("enforce", week, "other.b.test");
  CHECK(world.ask().id == "1");  // the record alone is nobody's wait
  world.loop.advance(1s);
  CHECK(world.service->version() != asked_at);  // the id is known, the policy is not
  const StsState state = world.ask();
  CHECK(state.id == "2");
  CHECK(state.policy->mx == std::vector<std::string>{"other.b.test"});
  CHECK(told.size() == 2);
}

TEST_CASE(
    "T-27 S8 a fetch for which we had no descriptor is no failure of the domain: mail waits, and it is asked "
    "for soon") {
  World world;
  world.publish("1", policy_text("enforce", week));
  world.fetcher.starved = true;
  CHECK(world.ask_and_settle().kind ==
        Kind::unknown);  // not "its fetch failed", which lets the first mail go
  world.loop.advance(20s);
  CHECK(world.ask_and_settle().kind == Kind::unknown);
  CHECK(world.fetches() == 1);
  world.loop.advance(20s);
  world.fetcher.starved = false;
  CHECK(world.ask_and_settle().kind == Kind::policy);
}

TEST_CASE("T-12 T-27 a refresh for which we had no descriptor counts as no failure, and is made up soon") {
  World world;
  world.service->start();
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.fetcher.starved = true;
  world.loop.advance(std::chrono::hours(27));  // a refresh comes after a day, give or take a tenth
  CHECK(world.fetches() > 1);
  const StsState state = world.ask_and_settle();
  CHECK(state.kind == Kind::policy);
  CHECK(state.failure_streak == 0);
  world.fetcher.starved = false;
  const int before = world.fetches();
  world.loop.advance(10min);
  CHECK(world.fetches() == before + 1);
}
