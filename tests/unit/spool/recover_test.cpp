// SPDX-License-Identifier: Apache-2.0
//
// `spool check` and `spool recover`: what a start put aside is read in again, and nothing that is known to be finished.
#include <doctest.h>

#include <algorithm>

#include "accidents.hpp"
#include "spool/damage.hpp"
#include "spool/inspect.hpp"
#include "spool/reimport.hpp"
#include "spool/salvage.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

namespace {

Expected<Reimported> recover_file(World& world, std::string octets, std::vector<StoredMessagePtr>& taken) {
  std::function<void(StoredMessagePtr)> take = [&taken](StoredMessagePtr message) {
    taken.push_back(std::move(message));
  };
  return event::run_until_done(world.loop, reimport(world.loop, world.pool, world.disk, *world.spool,
                                                    std::move(octets), "recovered", std::move(take)));
}

std::string in_corrupt(const World& world) {
  for (const std::string& name : world.disk.names())
    if (name.starts_with("corrupt/")) return name;
  return "";
}

// 1 waits, 2 is delivered, 3 to one of two recipients, 4 is long and in parts, 5 was held.
void five_messages(World& world) {
  REQUIRE(world.start());
  for (unsigned i = 1; i <= 2; ++i) REQUIRE(world.store(message_of(i, body_of(i))));
  REQUIRE(world.store(message_of(3, body_of(3), 2)));
  REQUIRE(world.finish(outcome_of(2, RecipientState::delivered)));
  REQUIRE(world.finish(outcome_of(3, RecipientState::delivered, 1)));
  NewMessage message = message_of(4, "the end\r\n");
  const auto part = world.append(4, std::string(5000, 'p'));
  REQUIRE(part);
  message.chunks.push_back(*part);
  message.chunk_octets = 5000;
  REQUIRE(world.store(std::move(message)));
  REQUIRE(world.store(message_of(5, body_of(5))));
}

}  // namespace

TEST_CASE("D-03 D-27: a lost segment is read in again: held, with its body, and not what is finished") {
  World world;
  five_messages(world);
  world.spool->close();
  world.stop();
  const std::string lost = world.disk.contents(segment(1));
  world.disk.crash(Loss::all);
  world.disk.remove(segment(1));
  world.disk.sync_directory(journal_directory);
  REQUIRE(world.start());
  CHECK(world.recovered.empty());
  std::vector<StoredMessagePtr> taken;
  const auto result = recover_file(world, lost, taken);
  REQUIRE(result);
  CHECK(result->taken.size() == 4);
  CHECK(result->finished == std::vector<std::string>{id_of(2).to_string()});
  CHECK(result->unreadable.empty());
  for (const auto& message : taken) {
    CHECK(message->held);
    CHECK(message->hold_reason == "recovered");
  }
  CHECK(recover_file(world, lost, taken)->known.size() == 4);  // once more changes nothing
  REQUIRE(world.restart(Loss::all));
  REQUIRE(world.recovered.size() == 4);
  for (const auto& message : world.recovered) CHECK(message->held);
  CHECK(world.found(3)->progress[1].state == RecipientState::delivered);
  CHECK(world.found(3)->progress[0].state == RecipientState::pending);
  CHECK(world.body(world.found(4)).value() == std::string(5000, 'p') + "the end\r\n");
}

TEST_CASE("D-16 D-27: what the journal knows to be finished is not taken from an older copy") {
  World world;
  five_messages(world);
  const std::string copy = world.disk.contents(segment(1));
  REQUIRE(world.restart(Loss::all));
  REQUIRE(world.finish(outcome_of(1, RecipientState::delivered)));
  std::vector<StoredMessagePtr> taken;
  const auto result = recover_file(world, copy, taken);
  REQUIRE(result);
  CHECK(taken.empty());
  CHECK(result->finished.size() == 2);
  CHECK(result->known.size() == 3);
}

TEST_CASE("D-03: what is behind the damage in a last batch is read in from corrupt/") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, body_of(1))));
  event::TaskScope scope(world.loop);
  struct Storing {
    static event::Task<void> one(World& world, unsigned number) {
      NewMessage message = message_of(number, body_of(number));
      const auto stored = co_await world.spool->store(world.loop, std::move(message));
      CHECK(stored.has_value());
    }
  };
  for (unsigned i = 11; i <= 18; ++i) scope.spawn(Storing::one(world, i));
  world.loop.advance(std::chrono::seconds(1));
  world.stop();
  world.disk.crash(Loss::kill);
  const std::size_t at = world.disk.contents(segment(1)).find("body number 11");
  REQUIRE(at != std::string::npos);
  world.disk.overwrite(segment(1), at, "X");
  REQUIRE(world.start());
  CHECK(world.recovered.size() == 1);
  std::vector<StoredMessagePtr> taken;
  const auto result = recover_file(world, world.disk.contents(in_corrupt(world)), taken);
  REQUIRE(result);
  CHECK(result->taken.size() == 7);
  CHECK(result->unreadable.size() == 1);
}

TEST_CASE("D-21: a segment whose header is lost in both places is read in all the same") {
  World world;
  five_messages(world);
  world.stop();
  std::string octets = world.disk.contents(segment(1));
  octets.replace(0, page_size, page_size, 'X');
  octets.replace(octets.size() - page_size, page_size, page_size, 'X');
  World other;
  REQUIRE(other.start());
  std::vector<StoredMessagePtr> taken;
  const auto result = recover_file(other, octets, taken);
  REQUIRE(result);
  CHECK(result->taken.size() == 4);
}

TEST_CASE("D-26: what is no segment, or of a newer format, is refused with words") {
  World world;
  REQUIRE(world.start());
  std::vector<StoredMessagePtr> taken;
  for (const std::string& octets : {std::string(), std::string("SEALPOST"), std::string(20'000, 'x')})
    CHECK(recover_file(world, octets, taken).error().code == Errc::invalid);
  std::string newer = world.disk.contents(segment(1));
  newer[8] = 9;
  newer[newer.size() - page_size + 8] = 9;
  CHECK(recover_file(world, newer, taken).error().code == Errc::unavailable);
}

TEST_CASE("D-21: spool check says what a start finds, and changes nothing") {
  World world;
  five_messages(world);
  world.spool->close();
  world.stop();
  world.disk.crash(Loss::all);
  const auto well = inspect(world.disk, world.options.segment_size);
  REQUIRE(well);
  CHECK(well->damaged == 0);
  CHECK(well->messages == 4);
  const std::size_t at = world.disk.contents(segment(1)).find("body number 1\r");
  world.disk.overwrite(segment(1), at, "X");
  std::map<std::string, std::string> before;
  for (const auto& name : world.disk.names()) before[name] = world.disk.contents(name);
  const auto found = inspect(world.disk, world.options.segment_size);
  REQUIRE(found);
  REQUIRE(found->damages.size() == 1);
  CHECK(describe(found->damages[0]).find("a start keeps it as spool/corrupt/1-") != std::string::npos);
  std::map<std::string, std::string> after;
  for (const auto& name : world.disk.names()) after[name] = world.disk.contents(name);
  CHECK(before == after);
  REQUIRE(world.start());
  CHECK(world.spool->counters().damaged == found->damaged);
}
