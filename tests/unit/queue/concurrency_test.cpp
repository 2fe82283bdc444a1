// SPDX-License-Identifier: Apache-2.0
#include "queue/concurrency.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace sealpost::queue;
using namespace std::chrono_literals;

namespace {

// A destination whose transactions take `takes(places)`, with all places in use.
struct Destination {
  explicit Destination(const Concurrency::Bounds& bounds = {}) : concurrency(bounds) {}
  template <class Takes>
  void rounds(int count, std::size_t due, Takes takes) {
    for (int round = 0; round < count; ++round) {
      const std::uint32_t places = concurrency.places();
      const Duration took = takes(places);
      now += std::chrono::duration_cast<SystemTime::duration>(took);
      for (std::uint32_t i = 0; i < places; ++i) concurrency.worked(now, took, due, places);
      most = std::max(most, concurrency.places());
    }
  }
  Concurrency concurrency;
  SystemTime now{1000h};
  std::uint32_t most = 0;
};

Duration far_away(std::uint32_t) { return 100ms; }
Duration nearby(std::uint32_t) { return 2ms; }
constexpr std::size_t much = 100'000;

}  // namespace

TEST_CASE("the usual number is reached by success alone, more only by need") {
  Destination world;
  CHECK(world.concurrency.places() == 5);
  world.rounds(3, 10, far_away);
  CHECK(world.concurrency.places() == 20);
  world.rounds(100, 10, far_away);
  CHECK(world.concurrency.places() == 20);
  world.rounds(20, much, far_away);
  CHECK(world.concurrency.places() > 200);
  world.rounds(100, much, far_away);
  CHECK(world.concurrency.places() == 250);
}

TEST_CASE("it stops growing when what is due is gone in two seconds") {
  Destination world;
  world.rounds(200, 1000, far_away);  // 100 seconds' worth of one connection
  CHECK(world.concurrency.places() >= 49);
  CHECK(world.concurrency.places() <= 51);
}

TEST_CASE("where answers come at once more connections are of no use") {
  Destination world;
  world.rounds(1000, much, nearby);
  CHECK(world.concurrency.places() == 20);
}

TEST_CASE("a host, or a machine, that gets slower with each connection has enough of them") {
  Destination world;  // carries 40 at once; more wait in a row there
  world.rounds(1000, much, [](std::uint32_t places) { return 100ms * std::max(places, 40U) / 40; });
  CHECK(world.most > 40);
  CHECK(world.most <= 80);
}

TEST_CASE("places that are not used are no reason for more") {
  Concurrency concurrency(Concurrency::Bounds(20, 20, 250));
  for (int i = 0; i < 1000; ++i) concurrency.worked(SystemTime(1000h), 100ms, much, 10);
  CHECK(concurrency.places() == 20);
}

TEST_CASE("a lost connection halves it, and then it grows by one in a round") {
  Destination world;
  world.rounds(100, much, far_away);
  world.concurrency.lost(world.now);
  world.concurrency.lost(world.now + 900ms);  // they fail together
  CHECK(world.concurrency.places() == 125);
  world.rounds(10, much, far_away);
  CHECK(world.concurrency.places() == 135);
  for (int i = 0; i < 20; ++i) world.concurrency.lost(world.now += 2s);
  CHECK(world.concurrency.places() == 1);
  world.rounds(1, much, far_away);
  CHECK(world.concurrency.places() == 2);
  world.concurrency.begin_anew();
  CHECK(world.concurrency.places() == 2);
  world.rounds(10, much, far_away);
  CHECK(world.concurrency.places() > 20);
}

TEST_CASE("after a back-off a destination is asked by a few again") {
  Destination world;
  world.rounds(100, much, far_away);
  world.concurrency.lost(world.now);
  world.concurrency.begin_anew();
  CHECK(world.concurrency.places() == 5);
}

TEST_CASE(
    "where no connection is to be had there are no more than those in use, and a little later one is asked "
    "for") {
  Destination world;
  world.rounds(100, much, far_away);
  world.concurrency.crowded(world.now, 50);
  CHECK(world.concurrency.places() == 50);
  world.rounds(10, much, far_away);
  CHECK(world.concurrency.places() == 50);
  world.rounds(20, much, far_away);
  CHECK(world.concurrency.places() > 50);
  CHECK(world.concurrency.places() <= 70);
  world.concurrency.crowded(world.now, 0);
  CHECK(world.concurrency.places() == 1);
}

TEST_CASE("transactions that differ much by themselves do not keep it from growing") {
  Concurrency concurrency(Concurrency::Bounds(20, 20, 250));
  const SystemTime now(1000h);
  for (int i = 0; i < 40'000; ++i)
    concurrency.worked(now, i % 10 == 0 ? 1s : 50ms, much, concurrency.places());
  CHECK(concurrency.places() == 250);
}

TEST_CASE("a limit that comes later holds at once, and a raised one gives room") {
  Destination world;
  world.rounds(100, much, far_away);
  world.concurrency.set_most(30);
  CHECK(world.concurrency.places() == 30);
  world.concurrency.set_most(50);
  world.rounds(100, much, far_away);
  CHECK(world.concurrency.places() == 50);
}

TEST_CASE("what the operator allows is never passed, however little it is") {
  Destination world(Concurrency::Bounds(5, 20, 3));
  CHECK(world.concurrency.places() == 3);
  world.rounds(100, much, far_away);
  CHECK(world.concurrency.places() == 3);
}
