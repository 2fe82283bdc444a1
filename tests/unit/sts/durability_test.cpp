// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include "sts_world.hpp"

using namespace sealpost;
using namespace sealpost::sts;
using namespace sealpost::sts::test;
using namespace std::chrono_literals;

TEST_CASE("scene 11, S27: a restart forgets nothing, with record and policy host gone") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.no_record();
  world.no_policy_host();
  world.restart();
  const SteadyTime before = world.loop.now();
  CHECK(world.enforced());
  CHECK(world.loop.now() == before);
  world.record_fails();
  world.restart();
  CHECK(world.enforced());
}

TEST_CASE("D-24: the database lost: still enforced, and fetched anew before the first delivery") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.service.reset();
  world.cache.reset();
  for (const char* name : {"sts.db", "sts.db-wal", "sts.db-shm"}) world.directory.remove(name);
  world.restart();
  world.fetcher.texts["b.test"] = policy_text("enforce", week, "new.b.test");
  world.fetcher.delay = 2s;
  const StsState state = world.ask();
  CHECK(world.fetches() == 2);
  CHECK(state.policy->mx == std::vector<std::string>{"new.b.test"});

  world.service.reset();
  world.cache.reset();
  for (const char* name : {"sts.db", "sts.db-wal", "sts.db-shm"}) world.directory.remove(name);
  world.restart();
  world.no_record();
  world.no_policy_host();
  CHECK(world.enforced());  // blocked: what was known rules on
  CHECK(world.fetches() == 3);
}

TEST_CASE("D-24: a policy is on disk before it is used") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  sealpost::test::ScratchDirectory elsewhere;  // what a power cut would leave now
  elsewhere.write("sts-policies.log", world.directory.read("sts-policies.log"));
  auto cache = StsCache::open(elsewhere.path());
  REQUIRE(cache);
  CHECK((*cache)->load("b.test")->has_value());
}
