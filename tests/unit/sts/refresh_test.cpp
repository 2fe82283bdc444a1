// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include "sts_world.hpp"

using namespace sealpost;
using namespace sealpost::sts;
using namespace sealpost::sts::test;
using namespace std::chrono_literals;

TEST_CASE("STS-11, S28: an unchanged id does not extend the policy's life") {
  World world;
  world.publish("1", policy_text("enforce", 3600));
  CHECK(world.enforced());
  const SystemTime expires = world.ask().expires;
  for (int i = 0; i < 59; ++i) {
    world.loop.advance(1min);
    world.ask_and_settle();
  }
  CHECK(world.ask().expires == expires);
  CHECK(world.fetches() == 1);
  world.no_policy_host();
  world.loop.advance(2min);
  CHECK_FALSE(world.enforced());
}

TEST_CASE(
    "STS-11, S29: a new id is fetched; a failing refetch keeps the old policy, a good one replaces it at "
    "once") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.record("2");
  world.no_policy_host();
  world.loop.advance(6min);
  world.ask_and_settle();
  CHECK(world.enforced());
  CHECK(world.ask().id == "1");
  world.fetcher.texts["b.test"] = policy_text("testing", week, "mx2.b.test");
  world.loop.advance(6min);
  world.ask_and_settle();
  const StsState state = world.ask();
  CHECK(state.id == "2");
  CHECK(state.policy->mode == StsMode::testing);
  CHECK(state.failure_type.empty());
}

TEST_CASE("STS-12, S23: five minutes between fetches of one failing id; another id is fetched at once") {
  World world;
  world.record("1");
  for (int i = 0; i < 40; ++i) {
    world.ask_and_settle();
    world.loop.advance(14s);
  }
  CHECK(world.fetches() == 2);  // in ten minutes
  world.record("2");
  world.recheck();
  CHECK(world.fetches() == 3);
  world.recheck();
  CHECK(world.fetches() == 3);
}

TEST_CASE("S31: a fetched `none` ends enforcement at once, and is forgotten once the record is gone") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.publish("2", "version: STSv1\nmode: none\nmax_age: 86400\n");
  world.loop.advance(6min);
  world.ask_and_settle();
  const StsState state = world.ask();
  CHECK(state.kind == Kind::none);
  CHECK(state.failure_type.empty());
  CHECK(world.entry().mode == "none");
  world.no_record();
  world.no_policy_host();
  world.loop.advance(6min);
  world.ask_and_settle();
  CHECK(world.ask().kind == Kind::none);
  CHECK(event::run_until_done(world.loop, world.service->entries(world.loop, "b.test")).empty());
}

TEST_CASE("S15: max_age 0 rules the attempt it was fetched for, and no later one without a fetch") {
  World world;
  world.publish("1", policy_text("enforce", 0));
  CHECK(world.enforced());
  world.no_policy_host();
  world.loop.advance(11s);
  CHECK_FALSE(world.enforced());
}

TEST_CASE("STS-12, T-12, S30: refreshed about daily with jitter, ahead of expiry, whatever the record says") {
  World world;
  world.service->start();
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  const SystemTime first = world.ask().expires;
  world.no_record();
  world.loop.advance(10 * 24h);
  CHECK(world.fetches() >= 9);
  CHECK(world.fetches() <= 13);
  const StsState state = world.ask();
  CHECK(state.kind == Kind::policy);
  CHECK(state.expires > first + 2 * 24h);
  CHECK(world.entry().next_refresh > world.loop.wall());
}

TEST_CASE("S30: a short-lived policy is refreshed at half its life, so that it never lapses") {
  World world;
  world.service->start();
  world.publish("1", policy_text("enforce", 3600));
  CHECK(world.enforced());
  for (int i = 0; i < 200; ++i) {
    world.loop.advance(7min);
    CHECK(world.enforced());
  }
}

TEST_CASE("T-15: after a policy failure the record is looked at anew, whatever DNS remembers") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.publish("2", policy_text("enforce", week, "new.b.test"));
  world.loop.advance(10s);  // far within the record's TTL
  const StsState state = world.recheck();
  CHECK(state.id == "2");
  CHECK(state.policy->mx == std::vector<std::string>{"new.b.test"});
}

TEST_CASE("T-15: a policy changed without a new id is fetched again, at most hourly") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.fetcher.texts["b.test"] = policy_text("enforce", week, "new.b.test");
  CHECK(world.recheck().policy->mx == std::vector<std::string>{"mx.b.test"});
  CHECK(world.fetches() == 1);
  world.loop.advance(61min);
  CHECK(world.recheck().policy->mx == std::vector<std::string>{"new.b.test"});
  for (int i = 0; i < 10; ++i) {
    world.loop.advance(1min);
    world.recheck();
  }
  CHECK(world.fetches() == 2);
}

TEST_CASE("`sts refresh` fetches now, back-off or not") {
  World world;
  world.record("1");
  CHECK(world.ask().kind == Kind::fetch_failed);
  world.fetcher.texts["b.test"] = policy_text("enforce", week);
  const StsState state = event::run_until_done(world.loop, world.service->refresh(world.loop, "b.test"));
  CHECK(state.kind == Kind::policy);
  CHECK(world.fetches() == 2);
  CHECK(world.enforced());
}
