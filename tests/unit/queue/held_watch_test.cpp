// SPDX-License-Identifier: Apache-2.0
#include "queue/held_watch.hpp"

#include <doctest.h>

#include <memory>

#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "queue/probation.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace std::chrono_literals;

namespace {

struct HeldWorld {
  HeldWorld() : shard(loop, ShardSettings(), schedule), dispatcher({&shard}, RouteTable(), schedule) {}
  MessageId recovered(std::string_view hold_reason, MessageClass kind = MessageClass::normal) {
    auto message = std::make_shared<spool::StoredMessage>();
    message->id = MessageId::make(loop.wall());
    message->envelope.recipients.emplace_back("u@d.example");
    message->envelope.message_class = kind;
    message->progress.resize(1);
    message->held = !hold_reason.empty();
    message->hold_reason = hold_reason;
    dispatcher.recovered({message});
    return message->id;
  }
  std::string trouble() {
    HeldWatch watch(loop, dispatcher, health);
    event::run_until_done(loop, watch.look());
    const auto troubles = health.list();
    return troubles.empty() ? std::string() : troubles[0].what;
  }
  event::SimLoop loop;
  Schedule schedule{ScheduleSettings()};
  Shard shard;
  Dispatcher dispatcher;
  Health health;
};

}  // namespace

TEST_CASE("D-12 T-43 mail that the relay holds is a trouble, by name, until an operator lets it go") {
  HeldWorld world;
  world.recovered("");
  CHECK(world.trouble().empty());
  const MessageId id = world.recovered(held_by_probation);
  CHECK(world.trouble() == "mail " + id.to_string() + " is held: " + std::string(held_by_probation));
  world.shard.release({id});
  CHECK(world.trouble().empty());
  CHECK(world.health.well());
}

TEST_CASE(
    "D-03 D-11 so is mail held for damage or for what this release does not know, and all are counted") {
  HeldWorld world;
  for (const std::string_view reason : {spool::hold_body_damaged, spool::hold_record_damaged,
                                        spool::hold_record_newer, spool::hold_record_unknown})
    world.recovered(reason);
  CHECK(world.trouble().ends_with("; so are 3 others"));
}

TEST_CASE("D-12 what an operator holds, and notifications nobody takes, are none of its business") {
  HeldWorld world;
  world.recovered("by the operator");
  world.recovered(spool::hold_body_damaged, MessageClass::dsn);
  CHECK(world.trouble().empty());
}
