// SPDX-License-Identifier: Apache-2.0
//
// Descriptors, memory or room are short for a while. Nothing is wrong with the disk: mail is refused meanwhile, what has
// happened waits, and all goes on by itself.
#include <doctest.h>

#include <algorithm>
#include <cerrno>

#include "spool_world.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

TEST_CASE(
    "D-07: whatever call of a roll or a start finds no descriptor, memory or room, no restart is needed") {
  std::uint64_t calls = 0;
  const auto play = [](World& world) {
    std::vector<unsigned> stored;
    for (unsigned i = 1; i <= 20; ++i) {  // five segments
      if (world.store(message_of(i, std::string(14'000, 'x'))))
        stored.push_back(i);
      else
        world.loop.advance(std::chrono::seconds(2));  // as a client that was told to come later
    }
    return stored;
  };
  {
    World world;
    REQUIRE(world.start());
    CHECK(play(world).size() == 20);
    calls = world.disk.calls();
  }
  for (std::uint64_t call = 1; call <= calls; ++call)
    for (const int error : {EMFILE, ENFILE, ENOMEM, EAGAIN, ENOSPC, EDQUOT}) {
      CAPTURE(call);
      CAPTURE(error);
      World world;
      world.disk.fail_at(call, error);
      if (!world.start()) {
        CHECK(call < 30);
        continue;
      }
      const auto stored = play(world);
      CHECK(stored.size() >= 17);
      world.loop.advance(std::chrono::seconds(5));
      CHECK(world.spool->healthy());
      CHECK(world.store(message_of(100, "again")));
      CHECK(world.health.well());
      REQUIRE(world.restart(Loss::all));
      CHECK(world.recovered.size() == stored.size() + 1);
      for (const unsigned number : stored) CHECK(world.found(number));
      CHECK(world.spool->counters().damaged == 0);
    }
}

TEST_CASE("D-07 D-13: outcomes wait for room instead of being forgotten") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "one")));
  world.disk.set_capacity(0);
  for (unsigned i = 2; world.store(message_of(i, std::string(9000, 'x'))); ++i) REQUIRE(i < 100);
  // Attempts fill what was reserved for them.
  std::vector<Expected<void>> begun(400, Error(Errc::timed_out, "no answer"));
  event::TaskScope scope(world.loop);
  struct Beginning {
    static event::Task<void> one(World& world, Expected<void>& result) {
      std::vector<std::uint32_t> recipients(1, 0);
      result = co_await world.spool->begin_attempt(world.loop, id_of(1), std::move(recipients));
    }
  };
  for (auto& one : begun) {
    scope.spawn(Beginning::one(world, one));
    world.loop.advance(std::chrono::milliseconds(1));
    if (!world.spool->healthy()) break;
  }
  CHECK_FALSE(world.spool->healthy());  // deliveries pause
  CHECK(world.spool->room_for(0).error().code == Errc::no_space);
  world.disk.heal();
  world.loop.advance(std::chrono::seconds(3));
  CHECK(world.spool->healthy());
  for (const auto& one : begun)
    if (!one) CHECK(one.error().code == Errc::timed_out);  // never asked: none was refused
}
