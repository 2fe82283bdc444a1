// SPDX-License-Identifier: Apache-2.0
//
// Who follows the journal gets each entry once, whatever happens to it, to its store and to the files; and costs mail
// nothing. What a crash does to it is in crash_test.cpp.
#include <doctest.h>

#include <algorithm>

#include "spool/record_codec.hpp"
#include "spool_world.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

namespace {

constexpr auto a_while = std::chrono::milliseconds(20);

struct Followed : World {
  explicit Followed(SpoolOptions of = small()) : World(of) { follower = &keeper; }
  ~Followed() { stop(); }
  void pass() { loop.advance(a_while); }
  // So many messages that are delivered at once: they fill segments that nothing lives in.
  void fill(unsigned first, unsigned count, std::size_t size = 9000) {
    for (unsigned number = first; number < first + count; ++number) {
      REQUIRE(store(message_of(number, std::string(size, 'x'))));
      REQUIRE(finish(outcome_of(number, RecipientState::delivered)));
    }
  }
  std::size_t times(unsigned number, RecordType type) const {
    return static_cast<std::size_t>(
        std::count_if(keeper.entries.begin(), keeper.entries.end(), [&](const JournalEntry& entry) {
          return entry.id == id_of(number) && type_of(entry.record) == type;
        }));
  }
  bool has_trouble(std::string_view cause) const {
    const auto all = health.list();
    return std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.cause == cause; });
  }
  std::uint64_t behind() const { return spool->followers().front().octets_behind; }
  KeepingFollower keeper;
};

}  // namespace

TEST_CASE("a follower is given what the journal says, in its order, without the bodies") {
  Followed world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, std::string(300'000 % 9000, 'b'), 2)));
  REQUIRE(world.begin(1, {1}));
  REQUIRE(world.finish(outcome_of(1, RecipientState::failed, 0, "550 5.1.1 no"), {message_of(2, "dsn")}));
  REQUIRE(world.hold(1, true, "wait"));
  world.pass();
  std::vector<RecordType> types;
  for (const auto& entry : world.keeper.entries) types.push_back(type_of(entry.record));
  CHECK(types == std::vector{RecordType::message, RecordType::attempt, RecordType::message,
                             RecordType::outcome, RecordType::hold});
  const auto& envelope = std::get<MessageRecord>(world.keeper.entries[0].record).envelope;
  CHECK(envelope.recipients.size() == 2);
  const auto& outcome = std::get<OutcomeRecord>(world.keeper.entries[3].record).outcome;
  CHECK(outcome.recipients.front().reply == "550 5.1.1 no");
  CHECK(world.behind() == 0);
  CHECK(world.spool->followers().front().entries == 5);
}

TEST_CASE("one that comes later begins with the oldest segment, one that knows its place goes on there") {
  Followed world;
  world.follower = nullptr;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "one")));
  world.follower = &world.keeper;
  REQUIRE(world.restart(Loss::kill));
  world.pass();
  CHECK(world.times(1, RecordType::message) == 1);
  REQUIRE(world.store(message_of(2, "two")));
  world.pass();
  REQUIRE(world.restart(Loss::all));
  world.pass();
  CHECK(world.times(1, RecordType::message) == 1);
  CHECK(world.times(2, RecordType::message) == 1);
  CHECK(world.keeper.gaps.empty());
}

TEST_CASE("what a store did not take comes again, and what it took without saying so does not") {
  Followed world;
  REQUIRE(world.start());
  world.keeper.fails = 3;
  REQUIRE(world.store(message_of(1, "one")));
  world.pass();
  CHECK(world.keeper.entries.empty());
  CHECK(world.has_trouble("keeper broken"));
  CHECK(world.spool->followers().front().broken);
  world.loop.advance(std::chrono::seconds(5));
  CHECK(world.times(1, RecordType::message) == 1);
  CHECK_FALSE(world.has_trouble("keeper broken"));

  world.keeper.loses_answers = 1;
  REQUIRE(world.store(message_of(2, "two")));
  world.loop.advance(std::chrono::seconds(5));
  CHECK(world.times(2, RecordType::message) == 1);
  CHECK_FALSE(world.spool->followers().front().broken);
}

TEST_CASE("a segment stays until it was read, and goes then") {
  Followed world;
  world.keeper.reads_cursor = false;
  REQUIRE(world.start());
  world.fill(1, 40);
  CHECK(world.spool->counters().segments >= 6);
  world.keeper.reads_cursor = true;
  world.loop.advance(std::chrono::seconds(3));
  CHECK(world.spool->counters().segments <= 2);
  for (unsigned number = 1; number <= 40; ++number) {
    CHECK(world.times(number, RecordType::message) == 1);
    CHECK(world.times(number, RecordType::outcome) == 1);
  }
  CHECK(world.keeper.gaps.empty());
}

TEST_CASE("one that wants nothing keeps no segment, and begins with the oldest one when it does") {
  Followed world;
  world.keeper.rests = true;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(50, "waits")));
  world.fill(1, 40);
  world.loop.advance(std::chrono::seconds(3));
  CHECK(world.spool->counters().segments <= 3);
  CHECK(world.behind() == 0);
  CHECK(world.keeper.calls == 0);
  world.keeper.rests = false;
  REQUIRE(world.store(message_of(41, "comes")));
  world.pass();
  // All that is alive is there, as it came or copied forward.
  CHECK(world.times(50, RecordType::message) + world.times(50, RecordType::relocate) >= 1);
  CHECK(world.times(41, RecordType::message) == 1);
  CHECK(world.keeper.gaps.empty());
}

TEST_CASE(
    "D-08: beyond its bound a follower keeps nobody's mail from being taken, and is told what it lacks") {
  SpoolOptions options = World::small();
  options.follower_bound = 4 * options.segment_size;
  Followed world(options);
  REQUIRE(world.start());
  world.fill(1, 1);
  world.pass();
  world.keeper.fails = 1'000'000;
  world.fill(2, 20);
  world.loop.advance(std::chrono::seconds(2));
  CHECK(world.has_trouble("keeper broken"));
  CHECK(world.has_trouble("keeper behind"));
  world.fill(22, 60);
  CHECK(world.spool->counters().segments <= 6);
  world.keeper.fails = 0;
  world.loop.advance(std::chrono::seconds(5));
  REQUIRE(world.keeper.gaps.size() == 1);
  CHECK(world.times(1, RecordType::outcome) == 1);
  CHECK(world.has_trouble("keeper missed"));
  CHECK_FALSE(world.has_trouble("keeper behind"));
  CHECK(world.times(80, RecordType::outcome) == 1);
  CHECK(world.spool->followers().front().missed == 1);
}

TEST_CASE("D-08: nor does it when room is short") {
  SpoolOptions options = World::small();
  options.floor = 1u << 20;
  Followed world(options);
  world.keeper.reads_cursor = false;
  REQUIRE(world.start());
  world.fill(1, 40);
  const auto kept = world.spool->counters().segments;
  CHECK(kept >= 6);
  Space space;
  space.total = 1ull << 30;
  space.free = 1u << 19;
  world.disk.set_space(space);
  world.loop.advance(std::chrono::seconds(3));
  CHECK(world.spool->counters().segments == kept);  // it may pass
  world.loop.advance(std::chrono::milliseconds(5500));
  const auto later = world.spool->counters().segments;
  CHECK(later < kept);
  CHECK(later + 5 > kept);  // one after the other: what was freed may be enough
  space.free = 1u << 29;
  world.disk.set_space(space);
  world.loop.advance(std::chrono::seconds(30));
  CHECK(world.spool->counters().segments + 1 >= later);
}

TEST_CASE("D-07: what was written and refused is not followed, also after a restart") {
  for (const bool at_once : {true, false}) {
    Followed world;
    REQUIRE(world.start());
    REQUIRE(world.store(message_of(1, "before")));
    if (at_once) world.pass();
    world.disk.break_syncs(true);
    CHECK_FALSE(world.store(message_of(2, "refused")));
    world.disk.break_syncs(false);
    REQUIRE(world.restart(Loss::kill));  // the journal was unhealthy
    REQUIRE(world.store(message_of(3, "after")));
    world.pass();
    const bool kept = world.found(2) != nullptr;
    CHECK(world.times(2, RecordType::message) == (kept ? 1 : 0));
    CHECK(world.times(1, RecordType::message) == 1);
    CHECK(world.times(3, RecordType::message) == 1);
  }
}

TEST_CASE("D-07: a batch that failed and was followed by a segment is not read") {
  Followed world;
  world.keeper.reads_cursor = false;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "before")));
  world.loop.advance(a_while);
  // The sync of the next batch fails once; the journal goes on in a new segment.
  world.disk.fail_at(world.disk.calls() + 2, EIO);
  CHECK_FALSE(world.store(message_of(2, "refused")));
  REQUIRE(world.store(message_of(3, "after")));
  world.keeper.reads_cursor = true;
  world.loop.advance(std::chrono::seconds(2));
  CHECK(world.times(1, RecordType::message) == 1);
  CHECK(world.times(2, RecordType::message) == 0);
  CHECK(world.times(3, RecordType::message) == 1);
  CHECK(world.keeper.gaps.empty());
}

TEST_CASE("D-21: damage in the journal is a gap that is told, and all around it is read") {
  Followed world;
  world.keeper.reads_cursor = false;
  REQUIRE(world.start());
  std::vector<std::size_t> at;  // where each batch begins
  for (unsigned number = 1; number <= 5; ++number) {
    at.push_back(world.disk.contents("journal/" + std::string("00000000000000000001.seg"))
                     .find_last_not_of('\0', 60'000));
    REQUIRE(world.store(message_of(number, "a body")));
  }
  const std::size_t third = to_page_end(at[2]);
  world.disk.overwrite("journal/00000000000000000001.seg", third + 60, "damaged!");
  world.keeper.reads_cursor = true;
  world.loop.advance(std::chrono::seconds(2));
  CHECK(world.keeper.gaps.size() == 1);
  for (const unsigned number : {1u, 2u, 4u, 5u}) CHECK(world.times(number, RecordType::message) == 1);
  CHECK(world.times(3, RecordType::message) == 0);
}

TEST_CASE("D-21: a disk that does not answer is asked again, and long before what it held is given up") {
  for (const unsigned seconds : {30u, 300u}) {
    Followed world;
    REQUIRE(world.start());
    world.pass();
    world.disk.unreadable(1'000'000);
    REQUIRE(world.store(message_of(1, "one")));
    world.loop.advance(std::chrono::seconds(seconds));
    CHECK(world.has_trouble("keeper broken") == (seconds == 30));
    world.disk.unreadable(0);
    REQUIRE(world.store(message_of(2, "two")));
    world.loop.advance(std::chrono::seconds(3));
    CHECK(world.times(1, RecordType::message) == (seconds == 30 ? 1 : 0));
    CHECK(world.times(2, RecordType::message) == 1);
    CHECK(world.keeper.gaps.size() == (seconds == 30 ? 0 : 1));
  }
}

TEST_CASE("another journal, and one that a backup brought back, are not taken for what was read") {
  Followed world;
  REQUIRE(world.start());
  world.fill(1, 3);
  world.pass();
  const std::size_t read = world.keeper.entries.size();
  REQUIRE(world.keeper.at);
  world.keeper.at->node ^= 1;
  REQUIRE(world.restart(Loss::all));
  world.pass();
  REQUIRE(world.keeper.gaps.size() == 1);
  CHECK(world.keeper.gaps[0].find("another journal") != std::string::npos);
  CHECK(world.keeper.entries.size() >= read);

  world.keeper.at->position.segment += 100;
  REQUIRE(world.restart(Loss::all));
  REQUIRE(world.store(message_of(50, "after")));
  world.loop.advance(std::chrono::seconds(2));
  REQUIRE(world.keeper.gaps.size() == 2);
  CHECK(world.keeper.gaps[1].find("older") != std::string::npos);
}

TEST_CASE("D-28: an orderly stop lets a follower read to the end") {
  Followed world;
  world.options.follower_pause = std::chrono::seconds(30);
  REQUIRE(world.start());
  world.pass();
  REQUIRE(world.store(message_of(1, "one")));
  CHECK(world.keeper.entries.empty());
  world.spool->close();
  CHECK(world.times(1, RecordType::message) == 1);
}
