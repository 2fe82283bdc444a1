// SPDX-License-Identifier: Apache-2.0
#include "spool/journal_spool.hpp"

#include <doctest.h>

#include "spool_world.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

TEST_CASE("D-01 D-02: what store() confirmed survives every crash, what came after may not") {
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
    CHECK(world.body(found).value() == "Subject: one\r\n\r\nbody\r\n");
  }
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
  std::size_t files = world.disk.names().size();
  CHECK(files <= 4);  // the current segment and spares
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.empty());
}
