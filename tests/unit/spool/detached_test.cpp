// SPDX-License-Identifier: Apache-2.0
//
// Files of the journal that somebody deletes, replaces or cuts short while they are in use: nothing is acknowledged that
// would be gone with the next restart, and what the open file still has is written again.
#include <doctest.h>

#include <algorithm>

#include "accidents.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

namespace {

void remove_all(World& world, std::string_view prefix) {
  for (const std::string& name : world.disk.names())
    if (name.starts_with(prefix)) world.disk.remove(name);
  world.disk.sync_directory(journal_directory);
}

bool store(World& world, unsigned number) {
  return static_cast<bool>(world.store(message_of(number, std::string(3000, 'x'))));
}

// As a client that is told to come later.
bool store_in_the_end(World& world, unsigned number) {
  if (store(world, number)) return true;
  world.loop.advance(std::chrono::seconds(2));
  return store(world, number);
}

bool told(const World& world) {
  const auto all = world.health.list();
  return std::any_of(all.begin(), all.end(),
                     [](const auto& trouble) { return trouble.cause == "journal file"; });
}

}  // namespace

TEST_CASE("D-01 D-21: the segment in use is deleted: it is written again, with all that was in it") {
  for (const char* what : {"journal/0", "journal/"}) {  // the spares stay, or go as well
    CAPTURE(what);
    World world;
    REQUIRE(world.start());
    for (unsigned i = 1; i <= 3; ++i) REQUIRE(store(world, i));
    remove_all(world, what);
    for (unsigned i = 4; i <= 30; ++i) REQUIRE(store_in_the_end(world, i));  // two segments
    CHECK(told(world));
    CHECK(world.spool->healthy());
    REQUIRE(world.restart(Loss::all));
    CHECK(world.recovered.size() == 30);
    CHECK(world.spool->counters().damaged == 0);
  }
}

TEST_CASE("D-01 D-08 D-21: it is deleted when the disk is full: a spare has the room for it") {
  World world;
  REQUIRE(world.start());
  for (unsigned i = 1; i <= 3; ++i) REQUIRE(store(world, i));
  world.disk.set_capacity(0);
  remove_all(world, "journal/0");
  REQUIRE(store(world, 4));
  CHECK(told(world));
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.size() == 4);
}

TEST_CASE("D-01 D-21: the segment in use is moved away: it is written again, with all that was in it") {
  World world;
  REQUIRE(world.start());
  for (unsigned i = 1; i <= 3; ++i) REQUIRE(store(world, i));
  REQUIRE(world.disk.rename(segment(1), "elsewhere") == 0);
  world.disk.sync_directory(journal_directory);
  REQUIRE(store(world, 4));
  CHECK(told(world));
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.size() == 4);
}

TEST_CASE("D-01 D-21: it is deleted when it is full already: the next one does not leave it behind") {
  World world;
  REQUIRE(world.start());
  unsigned stored = 0;
  for (const std::string next = segment(2); stored < 1000; ++stored) {
    const auto names = world.disk.names();
    if (std::find(names.begin(), names.end(), next) != names.end()) break;
    REQUIRE(store_in_the_end(world, stored + 1));
  }
  // As many again, but for the last, which begins the third: nothing is written to the second after it was deleted.
  for (unsigned i = stored + 1; i < 2 * stored - 1; ++i) REQUIRE(store_in_the_end(world, i));
  world.disk.remove(segment(2));
  world.disk.sync_directory(journal_directory);
  REQUIRE(world.store(message_of(5000, std::string(20'000, 'x'))));
  CHECK(told(world));
  REQUIRE(world.restart(Loss::all));
  CHECK(world.found(5000));
  CHECK(world.recovered.size() == 2 * stored - 1);
}

TEST_CASE("D-01 D-21: another file has taken its place: that is left alone, and mail goes to a new segment") {
  World world;
  REQUIRE(world.start());
  for (unsigned i = 1; i <= 3; ++i) REQUIRE(store(world, i));
  const std::string copy = world.disk.contents(segment(1));
  world.disk.put_file(segment(1), copy);
  std::vector<unsigned> acknowledged{1, 2, 3};
  for (unsigned i = 4; i <= 8; ++i)
    if (store(world, i)) acknowledged.push_back(i);
  CHECK(acknowledged.size() >= 7);
  REQUIRE(world.restart(Loss::all));
  for (const unsigned number : acknowledged) CHECK(world.found(number));
}

TEST_CASE("D-01 D-21: it is cut short: nothing is acknowledged behind the cut, and what is gone is told") {
  for (const std::size_t size : {std::size_t{0}, std::size_t{8192}, std::size_t{20'000}}) {
    CAPTURE(size);
    World world;
    REQUIRE(world.start());
    for (unsigned i = 1; i <= 3; ++i) REQUIRE(store(world, i));
    world.disk.truncate(segment(1), size);
    std::vector<unsigned> acknowledged;
    for (unsigned i = 4; i <= 8; ++i)
      if (store(world, i)) acknowledged.push_back(i);
    CHECK(acknowledged.size() >= 4);
    REQUIRE(world.restart(Loss::all));
    for (const unsigned number : acknowledged) CHECK(world.found(number));
    const bool nothing_gone = world.found(1) && world.found(2) && world.found(3);
    CHECK(nothing_gone == (size == 20'000));  // that is behind the last record
    CHECK((nothing_gone || world.spool->counters().damaged > 0));
  }
}

TEST_CASE("D-08: spares that are deleted are made anew") {
  World world;
  REQUIRE(world.start());
  for (unsigned i = 1; i <= 100; ++i) {
    if (i % 10 == 0) remove_all(world, "journal/spare");
    REQUIRE(store_in_the_end(world, i));
  }
  CHECK(world.spool->healthy());
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.size() == 100);
}
