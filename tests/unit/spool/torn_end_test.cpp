// SPDX-License-Identifier: Apache-2.0
//
// The last batch did not reach the disk whole, and there is no room, no spare, no known end, or no place for a note:
// nothing is written behind a tail that was not proven clean, and what is torn is kept.
#include "accidents.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

TEST_CASE("D-03 D-08: a torn batch, a start on a full disk, then room: nothing acknowledged later is lost") {
  for (const bool clean : {true, false})
    for (std::size_t cut = 1; cut <= 4; ++cut) {
      CAPTURE(cut);
      World world;
      REQUIRE(world.start());
      REQUIRE(world.store(message_of(1, body_of(1))));
      store_together(world, 11, 13, 6000);
      stop(world, false);
      // Of the batch only the first pages reached the disk: the first message, and the header of the second.
      const auto records = records_of(world, 1);
      REQUIRE(records.size() == 4);
      const std::size_t torn = records[1].header.batch + cut * page_size;
      tear(world, 1, torn);
      remove_spares(world);
      // What is left of the first message that is not whole.
      const auto broken = std::find_if(records.begin(), records.end(),
                                       [torn](const auto& record) { return record.end > torn; });
      REQUIRE(broken != records.end());
      REQUIRE(broken->offset < torn);
      const std::string left = world.disk.contents(segment(1)).substr(broken->offset, torn - broken->offset);
      world.disk.set_capacity(0);
      REQUIRE(world.start());
      CHECK_FALSE(world.store(message_of(50, "no room")));
      CHECK(world.finish(outcome_of(1, RecipientState::pending, 0, "451 later")));  // deliveries go on
      world.disk.heal();
      world.loop.advance(std::chrono::seconds(3));
      for (unsigned i = 100; i < 110; ++i) REQUIRE(world.store(message_of(i, std::string(3000, 'n'))));
      stop(world, clean);
      REQUIRE(world.start());
      for (unsigned i = 100; i < 110; ++i) {
        REQUIRE(world.found(i));
        CHECK(world.body(world.found(i)).value() == std::string(3000, 'n'));
      }
      REQUIRE(world.found(1));
      CHECK(world.found(1)->last_reply == "451 later");
      REQUIRE(world.restart(Loss::all));
      for (unsigned i = 100; i < 110; ++i) CHECK(world.found(i));
      // The torn tail had no room in corrupt/ at first: a start with room copies it, before its segment is used again.
      for (const auto& message : world.recovered)
        for (std::uint32_t i = 0; i < message->progress.size(); ++i) {
          Outcome outcome = outcome_of(1, RecipientState::delivered, i);
          outcome.id = message->id;
          REQUIRE(world.finish(std::move(outcome)));
        }
      CHECK(any_corrupt_holds(world, left));
      CHECK(has_trouble(world, "journal corrupt/"));
      CHECK_FALSE(any_name(world, segment(1)));
    }
}

TEST_CASE(
    "D-03 D-18: a torn batch without room for its copy is copied later, though a spare segment was ready") {
  for (const bool written : {true, false}) {
    CAPTURE(written);
    World world;
    REQUIRE(world.start());
    REQUIRE(world.store(message_of(1, body_of(1))));
    store_together(world, 11, 13, 6000);
    stop(world, false);
    const std::size_t torn = records_of(world, 1)[1].header.batch + page_size;
    tear(world, 1, torn);
    const std::string torn_page = world.disk.contents(segment(1)).substr(torn - page_size, page_size);
    REQUIRE(any_name(world, "journal/spare-"));
    world.disk.set_capacity(0);
    REQUIRE(world.start());
    CHECK(has_trouble(world, "journal damage"));
    CHECK_FALSE(any_name(world, "corrupt/"));
    if (written) CHECK(world.finish(outcome_of(1, RecipientState::pending, 0, "451 later")));
    stop(world, false);
    world.disk.heal();
    REQUIRE(world.start());
    CHECK(any_corrupt_holds(world, torn_page));
    CHECK(has_trouble(world, "journal damage"));
    CHECK(world.recovered.size() == 1);
    REQUIRE(world.restart(Loss::all));  // once is enough
    CHECK(world.spool->counters().damaged == 0);
    CHECK(has_trouble(world, "journal corrupt/"));
  }
}

TEST_CASE("D-03 D-18: and when its segment is needed no more before the next start, all of it is kept") {
  World world;
  REQUIRE(world.start());
  store_together(world, 11, 13, 6000);
  stop(world, false);
  const std::size_t torn = 2 * page_size;
  tear(world, 1, torn);
  const std::string torn_page = world.disk.contents(segment(1)).substr(page_size, page_size);
  world.disk.set_capacity(0);
  REQUIRE(world.start());
  CHECK(world.recovered.empty());
  world.disk.heal();
  world.loop.advance(std::chrono::seconds(3));
  unsigned stored = 0;
  for (; stored < 1000 && !any_name(world, segment(2)); ++stored)
    REQUIRE(world.store(message_of(100 + stored, std::string(3000, 'n'))));
  REQUIRE(any_name(world, segment(2)));
  for (unsigned i = 0; i < stored; ++i) REQUIRE(world.finish(outcome_of(100 + i, RecipientState::delivered)));
  world.loop.advance(std::chrono::seconds(3));
  CHECK_FALSE(any_name(world, segment(1)));
  REQUIRE(any_name(world, "corrupt/" + segment_name(1)));
  CHECK(any_corrupt_holds(world, torn_page));
}

TEST_CASE(
    "D-03 D-18: a torn end that nothing can be written behind, no room for its copy, a spare: it is noted "
    "first") {
  for (const bool marks : {true, false}) {
    CAPTURE(marks);
    World world;
    REQUIRE(world.start());
    REQUIRE(world.store(message_of(1, body_of(1))));
    store_together(world, 11, 13, 6000);
    stop(world, false);
    const std::size_t torn = records_of(world, 1)[1].header.batch + page_size;
    world.disk.put_file(segment(1),
                        world.disk.contents(segment(1)).substr(0, torn));  // where it ends is not known
    const std::string torn_page = world.disk.contents(segment(1)).substr(torn - page_size, page_size);
    REQUIRE(any_name(world, "journal/spare-"));
    if (!marks)
      for (const char* name : {"mark-0", "mark-1"}) world.disk.remove(name);
    world.disk.sync_directory(".");
    world.disk.set_capacity(0);
    REQUIRE(world.start());
    CHECK_FALSE(any_name(world, "corrupt/"));
    // Without a place to note it, nothing is acknowledged that would make it unreachable.
    CHECK(any_name(world, segment(2)) == marks);
    CHECK(world.spool->healthy() == marks);
    if (!marks) {
      CHECK_FALSE(world.store(message_of(50, "no room")));
      world.disk.heal();
      world.loop.advance(std::chrono::seconds(3));
    }
    CHECK(world.finish(outcome_of(1, RecipientState::pending, 0, "451 later")));
    stop(world, false);
    world.disk.heal();
    REQUIRE(world.start());
    CHECK(world.found(1)->last_reply == "451 later");
    CHECK(any_corrupt_holds(world, torn_page));
    REQUIRE(world.restart(Loss::all));  // once is enough
    CHECK(world.spool->counters().damaged == 0);
  }
}

TEST_CASE(
    "D-03 D-09: gone on behind a torn end and rolled with nothing written there: what was not whole stays "
    "that") {
  for (const bool room : {true, false}) {
    CAPTURE(room);
    World world;
    REQUIRE(world.start());
    REQUIRE(world.store(message_of(1, body_of(1))));
    store_together(world, 11, 13, 6000);
    stop(world, false);
    const auto records = records_of(world, 1);
    REQUIRE(records.size() == 4);
    world.disk.overwrite(segment(1), records[2].offset + 200,
                         std::string(100, '\0'));  // of 12; 13 is whole behind it
    const std::string behind = world.disk.contents(segment(1)).substr(records[3].offset, 300);
    REQUIRE(any_name(world, "journal/spare-"));
    world.disk.set_capacity(0);
    REQUIRE(world.start());
    CHECK(world.found(11));
    CHECK_FALSE(world.found(13));
    CHECK_FALSE(any_name(world, segment(2)));
    if (room) world.disk.heal();
    world.loop.advance(std::chrono::seconds(3));
    // Longer than what is left of the segment.
    const auto stored = world.store(message_of(100, std::string(44'000, 'n')));
    CHECK(stored);
    stop(world, false);
    world.disk.heal();
    REQUIRE(world.start());
    CHECK(world.found(100));
    CHECK(world.found(11));
    CHECK_FALSE(world.found(12));
    CHECK_FALSE(world.found(13));  // its client was not told 250, and has sent it again
    CHECK(any_corrupt_holds(world, behind));
    REQUIRE(world.restart(Loss::all));
    CHECK(world.spool->counters().damaged == 0);
  }
}

TEST_CASE("D-07 D-08: where the end of the last segment is not known, nothing is written behind it") {
  World world;
  REQUIRE(world.start());
  store_some(world, 1, 3);
  stop(world, false);
  world.disk.put_file(segment(1), world.disk.contents(segment(1)).substr(0, 8 * page_size));  // cut short
  remove_spares(world);
  const std::string before = world.disk.contents(segment(1));
  world.disk.set_capacity(0);
  REQUIRE(world.start());
  CHECK(world.recovered.size() == 3);
  CHECK(world.spool->room_for(0).error().code == Errc::no_space);
  CHECK_FALSE(world.spool->healthy());
  CHECK(has_trouble(world, "journal"));
  CHECK_FALSE(world.store(message_of(50, "no room")));
  CHECK((world.disk.contents(segment(1)) == before));
  world.disk.heal();
  world.loop.advance(std::chrono::seconds(3));
  CHECK(world.spool->healthy());
  CHECK_FALSE(has_trouble(world, "journal"));
  CHECK(world.store(message_of(51, "room")));
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.size() == 4);
}
