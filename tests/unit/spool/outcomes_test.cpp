// SPDX-License-Identifier: Apache-2.0
//
// What happens to a message once it is in the spool: attempts, outcomes, notifications, holds.
#include "spool/journal_spool.hpp"

#include <doctest.h>

#include <algorithm>

#include "spool_world.hpp"

using namespace sealpost;
using namespace sealpost::spool;
using Loss = SimDisk::Loss;

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

TEST_CASE(
    "D-12: mail that is to be sent later is in no attempt until one is begun, however often it is found "
    "again") {
  World world;
  REQUIRE(world.start());
  NewMessage message = message_of(1, "body");
  message.envelope.not_before = message.envelope.arrival + std::chrono::days(3);
  const SystemTime when = message.envelope.not_before;
  REQUIRE(world.store(std::move(message)));
  for (int i = 0; i < 4; ++i) {
    REQUIRE(world.restart(Loss::kill));
    const StoredMessagePtr found = world.found(1);
    REQUIRE(found);
    CHECK(found->envelope.not_before == when);
    CHECK(found->progress[0].attempts == 0);
    CHECK(found->progress[0].interrupted == 0);
  }
  REQUIRE(world.begin(1, {0}));
  REQUIRE(world.restart(Loss::kill));
  CHECK(world.found(1)->progress[0].attempts == 1);
  CHECK(world.found(1)->progress[0].interrupted == 1);
}

TEST_CASE("D-11: after a restart it is known who said what of waiting mail, and who submitted it") {
  World world;
  REQUIRE(world.start());
  NewMessage message = message_of(1, "body", 2);
  message.envelope.account = "alice";
  REQUIRE(world.store(std::move(message)));
  Outcome outcome = outcome_of(1, RecipientState::pending, 0, "451 4.7.1 later");
  Answer answer;
  answer.status = "4.7.1";
  answer.host = "mx1.target.example";
  answer.address = "192.0.2.25";
  outcome.recipients.front().answer = std::make_shared<const Answer>(answer);
  REQUIRE(world.finish(std::move(outcome)));
  const auto known = [&] {
    const StoredMessagePtr found = world.found(1);
    return found && found->envelope.account == "alice" && found->last_answer && *found->last_answer == answer;
  };
  REQUIRE(world.restart(Loss::all));
  CHECK(known());
  // Written again in a later segment, as its first one is wanted back.
  REQUIRE(world.begin(1, {0}));
  for (unsigned i = 100; i < 600; ++i) {
    REQUIRE(world.store(message_of(i, std::string(4000, 'x'))));
    REQUIRE(world.finish(outcome_of(i, RecipientState::delivered)));
  }
  const std::vector<std::string> names = world.disk.names();
  REQUIRE(std::find(names.begin(), names.end(), "journal/" + segment_name(1)) == names.end());
  REQUIRE(world.restart(Loss::all));
  CHECK(known());
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
  CHECK(world.disk.names().size() <= 6);  // two of them marks  // the current segment and spares
  REQUIRE(world.restart(Loss::all));
  CHECK(world.recovered.empty());
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

TEST_CASE("D-18: where an operator sends mail outlives a restart") {
  World world;
  REQUIRE(world.start());
  REQUIRE(world.store(message_of(1, "body", 2)));
  REQUIRE(world.reroute(1, {1}, "smtp.example.net:587"));
  CHECK(world.reroute(7, {0}, "smtp.example.net:587").error().code == Errc::not_found);
  CHECK(world.reroute(1, {0}, std::string(2000, 'x')).error().code == Errc::too_long);
  REQUIRE(world.restart(Loss::all));
  CHECK(world.found(1)->rerouted(0) == nullptr);
  REQUIRE(world.found(1)->rerouted(1) != nullptr);
  CHECK(*world.found(1)->rerouted(1) == "smtp.example.net:587");
  REQUIRE(world.reroute(1, {1}, ""));
  REQUIRE(world.restart(Loss::all));
  CHECK(world.found(1)->rerouted(1) == nullptr);
}
