// SPDX-License-Identifier: Apache-2.0
//
// Who is served when, by how many: places, turns, the end.
#include <doctest.h>

#include "shard_world.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace sealpost::queue::test;
using namespace std::chrono_literals;

TEST_CASE("accepted mail is served at once, and an empty lane is forgotten") {
  World world;
  world.accept("a@x.example");
  world.accept("b@x.example");
  world.accept("c@y.example");
  CHECK(world.shard.lanes() == 2);
  CHECK(world.shard.jobs() == 3);
  world.loop.advance(10s);
  CHECK(world.courier.finished == 3);
  CHECK(world.shard.jobs() == 0);
  CHECK(world.shard.lanes() == 0);
}

TEST_CASE("recipients of one message are grouped by next hop") {
  World world;
  world.dispatcher.accepted(message_to({"a@x.example", "b@X.EXAMPLE", "c@y.example"}, world.loop.wall()));
  CHECK(world.shard.lanes() == 2);
  CHECK(world.shard.jobs() == 2);
}

TEST_CASE("T-42 one domain's backlog does not hold up another") {
  ShardSettings settings;
  settings.couriers = 10;
  settings.concurrency.most = 8;
  settings.quantum = 5;
  World world(settings);
  for (int i = 0; i < 2000; ++i) world.accept("u@flood.example");
  world.loop.advance(5s);
  const SystemTime before = world.loop.wall();
  world.accept("one@quiet.example");
  world.loop.advance(30s);
  const auto quiet = std::find(world.courier.order.begin(), world.courier.order.end(), "quiet.example");
  REQUIRE(quiet != world.courier.order.end());
  const auto when = world.courier.times[static_cast<std::size_t>(quiet - world.courier.order.begin())];
  CHECK(when - before <= 10s);
  CHECK(world.courier.most_running <= 10);
  CHECK(world.courier.per_lane["flood.example"] <= 8);
}

TEST_CASE("T-42 where a backlog has every place, another lane gets one within a quantum of turns") {
  ShardSettings settings;
  settings.couriers = settings.concurrency.most = 8;
  settings.quantum = 5;
  World world(settings);
  for (int i = 0; i < 2000; ++i) world.accept("u@flood.example");
  world.loop.advance(20s);
  CHECK(world.shard.couriers() == 8);
  const auto begin = static_cast<std::ptrdiff_t>(world.courier.order.size());
  world.accept("one@quiet.example");
  world.loop.advance(60s);
  const auto& order = world.courier.order;
  const auto quiet = std::find(order.begin() + begin, order.end(), "quiet.example");
  REQUIRE(quiet != order.end());
  CHECK(quiet - (order.begin() + begin) <= 8 * 5);
}

TEST_CASE("T-42 T-26 tarpits of many domains leave places to domains that work, and get their turn, too") {
  ShardSettings settings;
  settings.couriers = 20;
  World world(settings);
  for (int i = 0; i < 5; ++i) world.accept("u@good" + std::to_string(i) + ".example");
  world.loop.advance(10s);
  CHECK(world.shard.lanes() == 0);
  for (int i = 0; i < 100; ++i) world.accept("u@tarpit" + std::to_string(i) + ".example");
  world.loop.advance(10s);
  CHECK(world.courier.running == 15);
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    const std::size_t before = world.courier.finished;
    for (int i = 0; i < 5; ++i) world.accept("u@good" + std::to_string(i) + ".example");
    world.loop.advance(3s);
    CHECK(world.courier.finished == before + 5);
  }
  world.accept("u@unknown.example");  // has its turn behind those that came before it
  world.loop.advance(1h);
  CHECK(world.courier.finished == 5 + 100 + 1);
  std::set<std::string> served(world.courier.order.begin(), world.courier.order.end());
  CHECK(served.size() == 5 + 100 + 1);
  CHECK(world.courier.most_running <= 20);
}

TEST_CASE("T-42 backlogs that began in doubt and work now keep nobody waiting who is in doubt still") {
  ShardSettings settings;
  settings.couriers = 8;
  settings.concurrency.first = settings.concurrency.most = 4;
  settings.quantum = 5;
  World world(settings);
  for (int i = 0; i < 4000; ++i) world.accept("u@good" + std::to_string(i % 3) + ".example");
  world.loop.advance(20s);
  CHECK(world.shard.couriers() == 8);
  const auto begin = static_cast<std::ptrdiff_t>(world.courier.order.size());
  world.accept("one@unknown.example");
  world.loop.advance(60s);
  const auto& order = world.courier.order;
  CHECK(std::find(order.begin() + begin, order.end(), "unknown.example") != order.end());
}

TEST_CASE("T-42 a domain that begins to work leaves the row of those in doubt") {
  ShardSettings settings;
  settings.couriers = 8;
  settings.concurrency.first = 4;
  World world(settings);
  for (int i = 0; i < 5; ++i) world.accept("u@tarpit" + std::to_string(i) + ".example");
  for (int i = 0; i < 50; ++i) world.accept("u@good.example");
  world.loop.advance(60s);
  CHECK(world.courier.finished == 50);
  CHECK(world.courier.per_lane["good.example"] >= 2);
}

TEST_CASE("concurrency starts small and grows with success") {
  ShardSettings settings;
  settings.concurrency.first = 2;
  settings.concurrency.most = 6;
  World world(settings);
  for (int i = 0; i < 200; ++i) world.accept("u@x.example");
  world.loop.settle();
  CHECK(world.courier.running == 2);
  world.loop.advance(20s);
  CHECK(world.courier.most_running == 6);
}

TEST_CASE("a far destination with much mail gets as many connections as help, within what is allowed") {
  ShardSettings settings;
  settings.couriers = 1000;
  settings.concurrency.most = 150;
  World world(settings);
  for (int i = 0; i < 20'000; ++i) world.accept("u@far.example");
  for (int i = 0; i < 100; ++i) world.accept("u@small.example");
  world.loop.advance(60s);
  CHECK(world.courier.most_running >= 150);
  CHECK(world.courier.per_lane["far.example"] == 150);
  CHECK(world.courier.per_lane["small.example"] <= 51);  // gone in two seconds
}

TEST_CASE("T-42 T-26 a destination that grew and then hangs leaves half of the places, two leave a third") {
  for (const int floods : {1, 2}) {
    CAPTURE(floods);
    ShardSettings settings;
    settings.couriers = 120;
    World world(settings);
    for (int i = 0; i < 20'000; ++i) world.accept("u@flood" + std::to_string(i % floods) + ".example");
    world.loop.advance(100s);
    CHECK(world.shard.couriers() >= (floods == 1 ? 59U : 78U));
    CHECK(world.shard.couriers() <= (floods == 1 ? 61U : 82U));
    world.courier.takes = 3600s;  // from now on nobody gives a place back
    world.loop.advance(10s);
    for (int i = 0; i < 30; ++i) world.accept("u@quiet" + std::to_string(i) + ".example");
    world.loop.settle();
    for (int i = 0; i < 30; ++i) CHECK(world.courier.per_lane["quiet" + std::to_string(i) + ".example"] == 1);
  }
}

TEST_CASE("a lane that is forgotten leaves nothing in the agenda") {
  World world;
  const auto later = message_to({"later@x.example"}, world.loop.wall());
  const auto sooner = message_to({"sooner@x.example"}, world.loop.wall());
  const_cast<spool::StoredMessage&>(*later).progress[0].next_attempt = world.loop.wall() + 2h;
  const_cast<spool::StoredMessage&>(*sooner).progress[0].next_attempt = world.loop.wall() + 1h;
  world.dispatcher.recovered({later});
  world.dispatcher.recovered({sooner});  // the lane's next event moves ahead of the one it has an entry for
  CHECK(world.end(Filter(later->id), LastWord::Kind::remove) == 1);
  world.loop.advance(90min);
  CHECK(world.courier.finished == 1);
  CHECK(world.shard.lanes() == 0);
  world.loop.advance(1h);  // a former entry would lead to a lane that is gone
  CHECK(world.shard.lanes() == 0);
}

TEST_CASE("draining gives out no more work and ends when couriers have") {
  World world;
  for (int i = 0; i < 100; ++i) world.accept("u@x.example");
  world.loop.settle();
  world.shard.drain();
  world.loop.advance(60s);
  CHECK(world.courier.running == 0);
  CHECK(world.courier.finished >= 1);
  CHECK(world.courier.finished < 100);
  CHECK(world.shard.jobs() == 100 - world.courier.finished);
}
