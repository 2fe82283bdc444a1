// SPDX-License-Identifier: Apache-2.0
//
// Bodies: in parts, in memory, on disk, damaged, and copied forward.
#include "spool/journal_spool.hpp"

#include <doctest.h>

#include "spool_world.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

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
  REQUIRE(world.reroute(1, {0}, "smtp.example.net:587"));
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
  REQUIRE(world.found(1)->rerouted(0) != nullptr);
  CHECK(*world.found(1)->rerouted(0) == "smtp.example.net:587");
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
