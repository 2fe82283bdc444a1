// SPDX-License-Identifier: Apache-2.0
//
// What a start has read is made durable before anything relies on it: after a sync that failed, and a kill that left
// memory as it was, the journal holds octets that the next power cut takes away.
#include <doctest.h>

#include <algorithm>
#include <cerrno>

#include "accidents.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

namespace {

bool exists(const World& world, const std::string& name) {
  const auto names = world.disk.names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Message 1 alone keeps segment 1; what came after it is finished.
void fill_three_segments(World& world) {
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "the mail that was answered 250\r\n")));
  for (unsigned i = 10; world.spool->counters().segments < 3; ++i) {
    REQUIRE(world.store(message_of(i, std::string(9000, 'x'))));
    REQUIRE(world.finish(outcome_of(i, RecipientState::delivered)));
  }
}

// Its bounce and the outcome that caused it are one group.
Expected<std::vector<StoredMessagePtr>> bounce(World& world) {
  std::vector<NewMessage> dsns;
  dsns.push_back(message_of(2, "the notification\r\n"));
  return world.finish(outcome_of(1, RecipientState::failed, 0, "550 no"), std::move(dsns));
}

bool kept(World& world) {
  const auto original = world.found(1), notification = world.found(2);
  const bool waits = original && original->progress[0].state == RecipientState::pending;
  return waits || (notification && world.body(notification).value_or("") == "the notification\r\n");
}

}  // namespace

TEST_CASE("D-07 D-18: a group whose sync failed is not relied on before a start has made it durable") {
  unsigned believed = 0;
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {  // the disk decides whether the failed sync wrote it
    CAPTURE(seed);
    World world(World::small(), seed);
    fill_three_segments(world);
    world.disk.break_syncs(true);
    CHECK_FALSE(bounce(world));
    world.disk.break_syncs(false);
    REQUIRE(world.restart(Loss::kill));
    CHECK(kept(world));
    if (world.found(2) && !exists(world, segment(1))) ++believed;  // and the original is gone because of it
    REQUIRE(world.restart(Loss::all));
    CHECK(kept(world));
  }
  CHECK(believed == 16);
}

TEST_CASE("D-07 D-18: the same when the header that bounded the failed segment is lost") {
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {
    CAPTURE(seed);
    World world(World::small(), seed);
    fill_three_segments(world);
    REQUIRE(world.store(message_of(3, "keeps segment 3")));
    world.disk.fail_at(world.disk.calls() + 2, EIO);  // write, sync
    REQUIRE(bounce(world));                           // written again, in segment 4
    world.stop();
    world.disk.crash(Loss::kill);
    REQUIRE(exists(world, segment(4)));
    CHECK_FALSE(exists(world, segment(1)));
    // Nothing says any more that what failed in segment 3 does not count, and nothing else holds the notification.
    const std::string damage(segment_header_size, '\x5A');
    world.disk.overwrite(segment(4), 0, damage);
    world.disk.overwrite(segment(4), world.options.segment_size - page_size, damage);
    REQUIRE(world.start());
    CHECK(kept(world));
    REQUIRE(world.restart(Loss::all));
    CHECK(kept(world));
  }
}

TEST_CASE("D-07: a start that cannot make the journal durable says so, and the next one is served") {
  World world;
  fill_three_segments(world);
  world.stop();
  world.disk.crash(Loss::kill);
  world.disk.break_syncs(true);
  const auto started = world.start();
  REQUIRE_FALSE(started);
  CHECK(started.error().code == Errc::io);
  CHECK(started.error().detail.find(segment(3) + " cannot be made durable (sync: ") == 0);
  CHECK(started.error().detail.find("check the disk, then start again") != std::string::npos);
  CHECK(exists(world, segment(1)));
  world.stop();
  world.disk.break_syncs(false);
  REQUIRE(world.restart(Loss::all));
  CHECK(kept(world));
}

TEST_CASE("D-07: a passing error while a start makes the journal durable needs no person") {
  World world;
  fill_three_segments(world);
  REQUIRE(world.restart(Loss::kill));
  const std::uint64_t of_start = world.disk.calls();
  for (std::uint64_t call = 1; call <= of_start; ++call)
    for (const int error : {EIO, ENOSPC, SimDisk::short_write}) {
      CAPTURE(call);
      World other(World::small(), call);
      fill_three_segments(other);
      other.disk.break_syncs(true);
      static_cast<void>(bounce(other));
      other.stop();
      other.disk.break_syncs(false);
      other.disk.crash(Loss::kill);
      other.disk.fail_at(call, error);
      if (!other.start()) REQUIRE(other.restart(Loss::kill));
      CHECK(kept(other));
      REQUIRE(other.restart(Loss::all));
      CHECK(kept(other));
    }
}

TEST_CASE("D-07: a page that could not be read is not overwritten with zeros") {
  unsigned set_aside = 0;
  for (std::uint64_t call = 1; call <= 40; ++call) {
    World world;
    fill_three_segments(world);
    world.stop();
    const std::string before = world.disk.contents(segment(3));
    world.disk.crash(Loss::kill);
    world.disk.fail_at(call, EIO);      // reading the segment at once,
    world.disk.fail_at(call + 2, EIO);  // and then its second page
    if (!world.start()) continue;
    world.stop();
    if (any_name(world, "corrupt/3-4096-")) ++set_aside;
    if (exists(world, segment(3))) CHECK((world.disk.contents(segment(3)) == before));
  }
  CHECK(set_aside > 0);
}
