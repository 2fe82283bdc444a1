// SPDX-License-Identifier: Apache-2.0
//
// Taking mail: what store() confirms, refuses and withdraws.
#include "spool/journal_spool.hpp"

#include <doctest.h>

#include "spool_world.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using namespace std::chrono_literals;
using Loss = SimDisk::Loss;

namespace {

// Sessions that run side by side: results are there once the loop has run dry.
struct Session {
  std::optional<Expected<StoredMessagePtr>> stored;
};

event::Task<void> store_into(World& world, NewMessage message, Session& session) {
  session.stored.emplace(co_await world.spool->store(world.loop, std::move(message)));
}

}  // namespace

TEST_CASE("D-01 D-02: what store() confirmed survives every crash") {
  for (const Loss loss : {Loss::kill, Loss::all, Loss::some}) {
    World world;
    REQUIRE(world.start());
    const auto stored = world.store(message_of(1, "Subject: one\r\n\r\nbody\r\n", 3));
    REQUIRE(stored);
    CHECK((*stored)->size == 22);
    CHECK((*stored)->progress.size() == 3);
    CHECK((*stored)->progress[0].attempts == 1);
    REQUIRE(world.restart(loss));
    REQUIRE(world.recovered.size() == 1);
    const auto& found = world.recovered[0];
    CHECK(found->id == id_of(1));
    CHECK(found->envelope.reverse_path == "sender@origin.example");
    CHECK(found->envelope.recipients[2].address == "user2@target.example");
    CHECK(found->envelope.received_from == "client.example ([192.0.2.1])");
    CHECK(found->progress[2].interrupted == 1);
    CHECK(world.body(found).value() == "Subject: one\r\n\r\nbody\r\n");
  }
}

TEST_CASE("D-01: the segment is on disk before its first record is relied on") {
  World world;
  REQUIRE(world.start());
  const std::uint64_t before = world.disk.syncs();
  REQUIRE(world.store(message_of(1, "x")));
  CHECK(world.disk.syncs() == before + 1);  // one batch, one sync
}

TEST_CASE("D-05: many sessions share one sync, and each is answered after its own") {
  World world;
  REQUIRE(world.start());
  const auto before = world.spool->counters();
  std::vector<Session> sessions(200);
  event::TaskScope scope(world.loop);
  for (unsigned i = 0; i < sessions.size(); ++i)
    scope.spawn(store_into(world, message_of(i + 1, "body"), sessions[i]));
  world.loop.settle();
  for (const Session& session : sessions) CHECK_FALSE(session.stored);  // no time has passed for a sync
  world.loop.run();
  for (const Session& session : sessions) REQUIRE(session.stored);
  for (const Session& session : sessions) CHECK(session.stored->has_value());
  const auto after = world.spool->counters();
  CHECK(after.messages - before.messages == 200);
  CHECK(after.syncs - before.syncs <= 3);
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.size() == 200);
}

TEST_CASE("D-06: a commit that takes too long is refused, and withdrawn as soon as the disk answers") {
  SpoolOptions options = World::small();
  options.commit_limit = 100us;  // the simulated disk takes 200
  World world(options);
  REQUIRE(world.start());
  const auto stored = world.store(message_of(1, "slow"));
  REQUIRE_FALSE(stored);
  CHECK(stored.error().code == Errc::timed_out);
  world.loop.run();
  CHECK(world.spool->counters().live_messages == 0);
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.empty());
}

TEST_CASE(
    "D-06 D-09: a session that ends at any moment of its store leaves a message whole or none, never a "
    "refused one") {
  for (int step = 0; step < 12; ++step) {
    World world;
    REQUIRE(world.start());
    Session session;
    {
      event::TaskScope scope(world.loop);
      scope.spawn(store_into(world, message_of(1, "body"), session));
      for (int i = 0; i < step; ++i) world.loop.advance(50us);
    }  // the session is gone
    world.loop.run();
    const bool answered = session.stored.has_value();
    CHECK(world.spool->counters().live_messages == (answered ? 1 : 0));
    REQUIRE(world.restart(Loss::all));
    CHECK(world.recovered.size() == (answered ? 1 : 0));
  }
}

TEST_CASE("a growing backlog is written once when batches are long, over zeros when they are short") {
  for (const bool long_batches : {false, true}) {
    SpoolOptions options = World::small();
    options.long_batch = long_batches ? 4096 : 1u << 20;
    World world(options);
    REQUIRE(world.start());
    const std::uint64_t before = world.disk.octets_written();
    for (unsigned i = 1; i <= 200; ++i) REQUIRE(world.store(message_of(i, std::string(8000, 'x'))));
    const std::uint64_t each = (world.disk.octets_written() - before) / 200;  // a batch of 8192 octets
    CHECK((each > 16000) == !long_batches);
    CHECK((each < 9500) == long_batches);
    REQUIRE(world.restart(Loss::all));
    CHECK(world.recovered.size() == 200);
  }
}

TEST_CASE("an id is stored once") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "one")));
  CHECK(world.store(message_of(1, "two")).error().code == Errc::exists);
  std::vector<Session> sessions(2);
  event::TaskScope scope(world.loop);
  for (Session& session : sessions) scope.spawn(store_into(world, message_of(2, "same time"), session));
  world.loop.run();
  CHECK(sessions[0].stored->has_value());
  CHECK(sessions[1].stored->error().code == Errc::exists);
}

TEST_CASE("D-28: after close() nothing is taken and everything taken is there") {
  World world;
  REQUIRE(world.start());
  Session session;
  event::TaskScope scope(world.loop);
  scope.spawn(store_into(world, message_of(1, "in the inbox"), session));
  world.loop.settle();
  world.spool->close();
  world.loop.run();
  REQUIRE(session.stored);
  CHECK(session.stored->has_value());
  CHECK(world.store(message_of(2, "late")).error().code == Errc::unavailable);
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.size() == 1);
}
