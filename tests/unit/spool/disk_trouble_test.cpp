// SPDX-License-Identifier: Apache-2.0
//
// A disk that fails or is full while the spool runs.
#include "spool/journal_spool.hpp"

#include <doctest.h>

#include "spool_world.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

TEST_CASE("D-07: a failed sync refuses its batch, and the journal goes on in another segment") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "before")));
  world.disk.fail_at(world.disk.calls() + 2, EIO);  // the sync of the next batch
  const auto refused = world.store(message_of(2, "refused"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::io);
  CHECK(world.spool->room_for(0));
  REQUIRE(world.store(message_of(3, "after")));
  CHECK(world.spool->counters().failures == 1);
  REQUIRE(world.restart(Loss::kill));  // what the failed write left in the file is there to be read
  CHECK(world.found(1));
  CHECK_FALSE(world.found(2));
  CHECK(world.found(3));
}

TEST_CASE("D-07 D-13: what has happened is not refused with the batch: it is written again") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "body")));
  world.disk.fail_at(world.disk.calls() + 1, ENOSPC);  // the write of the next batch
  CHECK(world.finish(outcome_of(1, RecipientState::delivered)));
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.empty());
}

TEST_CASE("D-07: a disk that syncs nothing makes the spool unhealthy until a restart re-reads the journal") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "body")));
  world.disk.break_syncs(true);
  CHECK_FALSE(world.store(message_of(2, "body")));
  const auto room = world.spool->room_for(0);
  REQUIRE_FALSE(room);
  CHECK(room.error().code == Errc::unavailable);
  CHECK_FALSE(world.store(message_of(3, "body")));
  CHECK_FALSE(world.finish(outcome_of(1, RecipientState::delivered)));
  world.disk.break_syncs(false);
  CHECK_FALSE(world.store(message_of(4, "body")));  // it is not believed again
  REQUIRE(world.restart(Loss::all));
  CHECK(
      world.found(1));  // 2 may have reached the disk: what could not be synced could not be withdrawn either
  CHECK_FALSE(world.found(3));
  CHECK_FALSE(world.found(4));
  CHECK(world.store(message_of(5, "body")));
}

TEST_CASE("D-08: room is refused below the floor, and an unanswered question is not called damage") {
  SpoolOptions options = World::small();
  options.floor = 1000;
  options.floor_percent = 5;
  World world(options);
  REQUIRE(world.start());
  const auto code = [&](std::uint64_t free, std::uint64_t total, std::uint64_t size,
                        std::uint64_t inodes = 1000) {
    world.disk.set_space(Space{free, total, inodes, 10'000});
    const auto room = world.spool->room_for(size);
    return room ? std::string("yes") : std::string(name_of(room.error().code));
  };
  const std::string no(name_of(Errc::no_space));
  CHECK(code(999, 1000, 0) == no);
  CHECK(code(1000, 1000, 0) == "yes");
  CHECK(code(4999, 100'000, 0) == no);  // 5 %
  CHECK(code(5000, 100'000, 0) == "yes");
  CHECK(code(9999, 100'000, 5000) == no);  // twice the message
  CHECK(code(10'000, 100'000, 5000) == "yes");
  CHECK(code(10'000, 100'000, 0, 127) == no);
}

TEST_CASE(
    "D-08: on a full disk mail is refused, outcomes are recorded, and what they free takes mail again") {
  SpoolOptions options = World::small();
  options.segment_size = 256u << 10;
  World world(options);
  REQUIRE(world.start());
  world.disk.set_capacity(0);  // nothing more can be allocated
  unsigned stored = 0;
  for (;;) {
    const auto result = world.store(message_of(stored + 1, std::string(30'000, 'x')));
    if (!result) {
      CHECK(result.error().code == Errc::no_space);
      break;
    }
    ++stored;
    REQUIRE(stored < 1000);
  }
  CHECK(stored > 5);
  for (unsigned i = 1; i <= stored; ++i) CHECK(world.finish(outcome_of(i, RecipientState::pending)));
  for (unsigned i = 1; i <= stored; ++i) CHECK(world.finish(outcome_of(i, RecipientState::delivered)));
  CHECK(world.spool->counters().live_messages == 0);
  CHECK(world.store(message_of(5000, std::string(30'000, 'x'))));
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.size() == 1);
}
