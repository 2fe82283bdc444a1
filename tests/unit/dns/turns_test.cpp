// SPDX-License-Identifier: Apache-2.0
#include "dns/turns.hpp"

#include <doctest.h>

#include <vector>

#include "event/sim_loop.hpp"

using namespace sealpost;
using namespace sealpost::dns;
using namespace std::chrono_literals;

namespace {

struct TurnsWorld {
  explicit TurnsWorld(std::size_t in_all = 8, std::size_t per_owner = 4, std::size_t waiting = 100)
      : turns(loop, limits(in_all, per_owner, waiting)), scope(loop) {}
  static Turns::Limits limits(std::size_t in_all, std::size_t per_owner, std::size_t waiting) {
    Turns::Limits made;
    made.in_all = in_all;
    made.per_owner = per_owner;
    made.waiting_per_owner = waiting;
    return made;
  }
  event::Task<void> ask(std::string name, Duration takes) {
    const auto place = co_await turns.place_for(name);
    if (!place) {
      ++refused;
      co_return;
    }
    co_await event::sleep_for(loop, takes);
    done.push_back(name);
  }
  void ask_many(std::string_view below, int count, Duration takes) {
    for (int i = 0; i < count; ++i) scope.spawn(ask("n" + std::to_string(i) + std::string(below), takes));
  }
  std::size_t done_of(std::string_view below) const {
    std::size_t count = 0;
    for (const auto& name : done) count += name.ends_with(below) ? 1U : 0U;
    return count;
  }
  event::SimLoop loop;
  Turns turns;
  std::vector<std::string> done;
  int refused = 0;
  event::TaskScope scope;
};

}  // namespace

TEST_CASE("T-42 whose name it is") {
  const std::pair<const char*, const char*> rows[] = {
      {"example.org", "example.org"},
      {"_25._tcp.mx.example.org", "example.org"},
      {"mx1.mail.example.co.uk", "example.co.uk"},
      {"co.uk", "co.uk"},
      {"mail.example.nl", "example.nl"},
      {"test", "test"},
      {"", ""},
      {"a.kpn.nl",
       "a.kpn.nl"},  // a short name below a country: each of its hosts by itself, which does no harm
  };
  for (const auto& [name, owner] : rows) CHECK(owner_of(name) == owner);
}

TEST_CASE("T-42 one domain with many slow names leaves places to others") {
  TurnsWorld world;
  world.ask_many(".slow.example.org", 50, 12s);
  world.ask_many(".good.example.net", 10, 10ms);
  world.loop.advance(1s);
  CHECK(world.done_of("good.example.net") == 10);
  CHECK(world.turns.in_use() == 4);
  CHECK(world.turns.waiting() == 46);
  world.loop.advance(10min);
  CHECK(world.done.size() == 60);
  CHECK(world.turns.in_use() == 0);
}

TEST_CASE("T-42 when all places are taken owners get theirs in turn") {
  TurnsWorld world(2, 2);
  for (const char* slow : {".a.org", ".b.org"}) world.ask_many(slow, 30, 1s);
  world.loop.advance(100ms);
  world.ask_many(".good.net", 2, 1s);
  world.loop.advance(5s);
  CHECK(world.done_of(".good.net") == 2);
  CHECK(world.done.size() < 20);
  CHECK(world.turns.counters().waited > 0);
}

TEST_CASE("T-42 what waits of one owner is bounded, and the others are not refused for it") {
  TurnsWorld world(4, 2, 10);
  world.ask_many(".slow.org", 50, 12s);
  world.ask_many(".good.net", 5, 1s);
  world.loop.advance(10s);
  CHECK(world.refused == 38);
  CHECK(world.turns.counters().refused == 38);
  CHECK(world.done_of(".good.net") == 5);
}

TEST_CASE("T-42 T-56 questions given up while they wait, or with a place on its way, leave nothing behind") {
  TurnsWorld world(2, 1);
  for (int round = 0; round < 6; ++round) {
    event::TaskScope some(world.loop);
    for (const char* name : {"x.a.org", "y.a.org", "x.b.org", "y.b.org", "x.c.org"})
      some.spawn(world.ask(name, 1s));
    world.loop.advance(round * 500ms);
    some.cancel();
    world.loop.advance(1ms);
    CHECK(world.turns.in_use() == 0);
    CHECK(world.turns.waiting() == 0);
  }
  world.ask_many(".good.net", 3, 1ms);
  world.loop.advance(1s);
  CHECK(world.done_of(".good.net") == 3);
}
