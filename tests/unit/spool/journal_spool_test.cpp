// SPDX-License-Identifier: Apache-2.0
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

TEST_CASE(
    "D-12: an attempt without outcome is found and counted, one ended by an orderly stop is not (D-28)") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "body", 2)));
  REQUIRE(world.finish(outcome_of(1, RecipientState::pending, 0)));
  REQUIRE(world.begin(1, {0}));
  REQUIRE(world.restart(Loss::kill));
  CHECK(world.found(1)->progress[0].attempts == 2);
  CHECK(world.found(1)->progress[0].interrupted == 1);
  REQUIRE(world.begin(1, {0, 1}));
  REQUIRE(world.restart(Loss::all));
  CHECK(world.found(1)->progress[0].interrupted == 2);
  CHECK(world.found(1)->progress[1].interrupted == 2);
  CHECK(world.found(1)->last_reply == "250 2.0.0 ok");
  world.spool->close();
  REQUIRE(world.restart(Loss::all));
  CHECK_FALSE(world.found(1)->progress[0].attempting);
  CHECK(world.found(1)->progress[0].interrupted == 1);  // those before the crashes remain
}

TEST_CASE("D-16 D-18: a finished message is gone for good, and its segment is used again") {
  World world;
  REQUIRE(world.start());
  for (unsigned i = 1; i <= 200; ++i) {
    REQUIRE(world.store(message_of(i, std::string(4000, 'x'))));
    REQUIRE(world.finish(outcome_of(i, RecipientState::delivered)));
  }
  CHECK(world.spool->counters().segments == 1);
  CHECK(world.spool->counters().live_messages == 0);
  CHECK(world.disk.names().size() <= 4);  // the current segment and spares
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.empty());
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

TEST_CASE("D-17: an outcome and the notification it caused are there together, and once") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "original")));
  std::vector<NewMessage> dsns;
  dsns.push_back(message_of(2, "bounce"));
  const auto finished = world.finish(outcome_of(1, RecipientState::failed), std::move(dsns));
  REQUIRE(finished);
  REQUIRE(finished->size() == 1);
  CHECK(world.body((*finished)[0]).value() == "bounce");
  CHECK(world.finish(outcome_of(1, RecipientState::failed)).error().code == Errc::not_found);
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.size() == 1);
  CHECK(world.found(2));
}

TEST_CASE("D-17: a notification that is in the spool already is not stored again") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "original", 2)));
  const auto fail = [&](std::uint32_t recipient) {
    std::vector<NewMessage> dsns;
    dsns.push_back(message_of(2, "bounce"));
    return world.finish(outcome_of(1, RecipientState::failed, recipient), std::move(dsns)).value().size();
  };
  CHECK(fail(0) == 1);
  CHECK(fail(1) == 0);
  CHECK(world.spool->counters().live_messages == 1);
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

TEST_CASE("hold and release, and what they leave for a restart") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "body")));
  REQUIRE(world.hold(1, true, "operator says so"));
  CHECK(world.hold(7, true).error().code == Errc::not_found);
  REQUIRE(world.restart(Loss::all));
  CHECK(world.found(1)->held);
  CHECK(world.found(1)->hold_reason == "operator says so");
  REQUIRE(world.hold(1, false));
  REQUIRE(world.restart(Loss::all));
  CHECK_FALSE(world.found(1)->held);
}

TEST_CASE("a long body comes in parts and is read back whole, from the disk too") {
  SpoolOptions options = World::small();
  options.segment_size = 512u << 10;
  World world(options);
  REQUIRE(world.start());
  std::string whole;
  NewMessage message = message_of(1, "the end\r\n");
  for (int i = 0; i < 5; ++i) {
    const std::string part(70'000 + static_cast<std::size_t>(i), static_cast<char>('a' + i));
    const auto extent = world.append(1, part);
    REQUIRE(extent);
    message.chunks.push_back(*extent);
    message.chunk_octets += part.size();
    whole += part;
  }
  whole += message.body;
  const auto stored = world.store(std::move(message));
  REQUIRE(stored);
  CHECK((*stored)->size == whole.size());
  CHECK(world.body(*stored).value() == whole);
  REQUIRE(world.restart(Loss::all));
  CHECK(world.body(world.found(1)).value() == whole);
  REQUIRE(world.finish(outcome_of(1, RecipientState::delivered)));
  CHECK(world.spool->counters().live_messages == 0);
}

TEST_CASE("T-29: parts that were not written, too long, or discarded make no message") {
  World world;
  REQUIRE(world.start());
  CHECK(world.append(1, "").error().code == Errc::invalid);
  CHECK(world.append(1, std::string(max_part + 1, 'x')).error().code == Errc::invalid);
  CHECK(world.store(message_of(1, std::string(max_part + 1, 'x'))).error().code == Errc::too_long);
  CHECK(world.store(message_of(1, std::string(64u << 10, 'x'))).error().code ==
        Errc::too_long);  // than a segment
  const auto extent = world.append(1, "part");
  REQUIRE(extent);
  NewMessage other = message_of(2, "");
  other.chunks = {*extent};
  CHECK(world.store(std::move(other)).error().code == Errc::invalid);  // another message's
  world.spool->discard(id_of(1));
  NewMessage message = message_of(1, "");
  message.chunks = {*extent};
  CHECK(world.store(std::move(message)).error().code == Errc::invalid);
  CHECK(world.store(message_of(1, "")));  // an empty body is one
}

TEST_CASE("D-18: parts of a message that never came keep no segment") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.append(1, std::string(30'000, 'x')));
  world.spool->discard(id_of(1));
  for (unsigned i = 10; i < 40; ++i) {
    REQUIRE(world.store(message_of(i, std::string(8000, 'x'))));
    REQUIRE(world.finish(outcome_of(i, RecipientState::delivered)));
  }
  CHECK(world.spool->counters().segments == 1);
}

TEST_CASE("T-28: bodies are kept in memory up to a limit, and read from the journal beyond it") {
  SpoolOptions options = World::small();
  options.segment_size = 1u << 20;
  options.fresh_limit = 25'000;
  World world(options);
  REQUIRE(world.start());
  std::vector<StoredMessagePtr> messages;
  for (unsigned i = 1; i <= 4; ++i) {
    auto stored = world.store(message_of(i, std::string(10'000, static_cast<char>('a' + i))));
    REQUIRE(stored);
    messages.push_back(*stored);
  }
  CHECK(messages[0]->body->look().fresh);
  CHECK(messages[1]->body->look().fresh);
  CHECK_FALSE(messages[2]->body->look().fresh);
  for (unsigned i = 1; i <= 4; ++i)
    CHECK(world.body(messages[i - 1]).value() == std::string(10'000, static_cast<char>('a' + i)));
  REQUIRE(world.finish(outcome_of(1, RecipientState::pending)));  // its first attempts are over
  CHECK_FALSE(messages[0]->body->look().fresh);
  CHECK(world.body(messages[0]).value() == std::string(10'000, 'b'));
  auto stored = world.store(message_of(5, std::string(10'000, 'x')));
  CHECK((*stored)->body->look().fresh);
}

TEST_CASE("D-18: old messages are copied forward, keep their state, and a body being read stays whole") {
  SpoolOptions options = World::small();
  options.segment_size = 256u << 10;
  World world(options);
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, std::string(150'000, 'o'), 2)));
  REQUIRE(world.finish(outcome_of(1, RecipientState::delivered, 1)));
  REQUIRE(world.append(2, std::string(100'000, 'p')));
  world.spool->discard(id_of(2));
  NewMessage parts = message_of(3, "tail");
  parts.chunks = {world.append(3, std::string(70'000, 'q')).value(),
                  world.append(3, std::string(30'000, 'r')).value()};
  const auto in_parts = world.store(std::move(parts));
  REQUIRE(in_parts);
  REQUIRE(world.restart(Loss::all));  // nothing is fresh any more
  const auto old = world.found(1);
  const auto reader = world.spool->open(world.loop, old);
  const auto first_of = [&]() -> std::string {
    const auto piece = event::run_until_done(world.loop, reader->next());
    return std::string(piece.value());
  };
  std::string body = first_of();
  const std::uint64_t first_segment = old->body->look().extents[0].segment;
  for (unsigned i = 10; i < 60; ++i) {
    REQUIRE(world.store(message_of(i, std::string(60'000, 'x'))));
    REQUIRE(world.finish(outcome_of(i, RecipientState::delivered)));
  }
  CHECK(old->body->look().extents[0].segment > first_segment);
  CHECK(world.spool->counters().segments <= 8);
  for (std::string piece = first_of(); !piece.empty(); piece = first_of()) body += piece;
  CHECK(body == std::string(150'000, 'o'));
  CHECK(world.body(world.found(3)).value() == std::string(70'000, 'q') + std::string(30'000, 'r') + "tail");
  REQUIRE(world.restart(Loss::all));
  REQUIRE(world.recovered.size() == 2);
  CHECK(world.found(1)->progress[1].state == RecipientState::delivered);
  CHECK(world.found(1)->progress[0].state == RecipientState::pending);
  CHECK(world.body(world.found(1)).value() == std::string(150'000, 'o'));
  CHECK(world.body(world.found(3)).value() == std::string(70'000, 'q') + std::string(30'000, 'r') + "tail");
}

TEST_CASE("D-03: the end of a body that is damaged on disk is never handed out") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, std::string(10'000, 'x'))));
  REQUIRE(world.finish(outcome_of(1, RecipientState::pending)));
  REQUIRE(world.restart(Loss::all));
  const auto message = world.found(1);
  const Extent extent = message->body->look().extents[0];
  world.disk.overwrite("journal/" + segment_name(extent.segment), extent.offset + 5000, "y");
  const auto body = world.body(message);
  REQUIRE_FALSE(body);
  CHECK(body.error().code == Errc::io);
}

TEST_CASE("D-08: that a body cannot be read now says nothing about damage") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "body")));
  REQUIRE(world.restart(Loss::all));
  world.disk.fail_at(world.disk.calls() + 1, EMFILE);  // opening the segment
  CHECK(world.body(world.found(1)).error().code == Errc::unavailable);
  CHECK(world.body(world.found(1)).value() == "body");
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
