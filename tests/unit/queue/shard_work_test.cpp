// SPDX-License-Identifier: Apache-2.0
//
// What operators do with mail: retry, hold, release, and its end.
#include <doctest.h>

#include "shard_world.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace sealpost::queue::test;
using namespace std::chrono_literals;

TEST_CASE("an operator's retry passes the back-off once") {
  World world;
  world.courier.trouble_for = 3600s;
  world.accept("a@down.example");
  world.loop.advance(10s);
  CHECK(world.courier.order.size() == 1);
  world.courier.trouble_for = 0s;
  CHECK(world.shard.retry([](const Lane&, const Job&) { return true; }) == 1);
  world.loop.advance(10s);
  CHECK(world.courier.finished == 1);
}

TEST_CASE(
    "what is hurried and given back untried waits as long as it was told, and does not hide what else is "
    "hurried") {
  World world;
  world.courier.trouble_for = 3600s;
  for (const char* to : {"a@down.example", "b@down.example", "c@down.example"}) world.accept(to);
  world.loop.advance(10s);
  world.courier.trouble_for = 0s;
  world.courier.puts_back = 1000;
  CHECK(world.shard.retry([](const Lane&, const Job&) { return true; }) == 3);
  world.loop.advance(10s);
  CHECK(world.courier.puts_back == 997);  // each once
  CHECK(world.courier.finished == 0);
  world.courier.puts_back = 0;
  world.loop.advance(45s);
  CHECK(world.courier.finished == 0);  // "no place" for 60 s
  world.loop.advance(30s);
  CHECK(world.courier.finished == 3);  // and not for the hour of the back-off
}

TEST_CASE("held mail is not tried until it is released") {
  World world;
  world.courier.defer_for = 60s;
  const auto message = message_to({"a@x.example"}, world.loop.wall());
  world.dispatcher.accepted(message);
  world.loop.advance(10s);
  world.shard.hold({message->id}, "held: looking at it");
  world.courier.defer_for = 0s;
  world.loop.advance(1000s);
  CHECK(world.courier.finished == 0);
  const auto why = world.shard.why(message->id);
  REQUIRE(why.size() == 1);
  CHECK(why[0].find("is held until released") != std::string::npos);
  world.shard.release({message->id});
  world.loop.advance(10s);
  CHECK(world.courier.finished == 1);
}

TEST_CASE("removal takes what waits and leaves what is in flight") {
  World world;
  world.courier.takes = 100s;
  const auto message = message_to({"a@x.example"}, world.loop.wall());
  world.dispatcher.accepted(message);
  world.loop.advance(1s);
  CHECK(world.end(Filter(message->id), LastWord::Kind::remove) == 0);
  CHECK(world.shard.attempting(message->id));
  world.courier.defer_for = 3600s;
  world.loop.advance(200s);
  CHECK(world.end(Filter(message->id), LastWord::Kind::remove) == 1);
  CHECK(world.shard.jobs() == 0);
}

TEST_CASE("an operator's last word is about the recipients that are meant and no others (D-16)") {
  Backlog world;
  Filter filter;
  filter.recipient = "b@x.example";
  CHECK(world.end(filter, LastWord::Kind::remove) == 1);
  CHECK(world.who(Filter()) == Who{"a", "c", "d", "e"});
  filter = Filter();
  filter.domain = "x.example";
  CHECK(world.end(filter, LastWord::Kind::bounce) == 2);
  CHECK(world.who(Filter()) == Who{"c", "e"});
  CHECK(world.end(Filter(), LastWord::Kind::bounce) == 1);  // nobody could be told of the other one
  CHECK(world.who(Filter()) == Who{"e"});
  CHECK(world.end(Filter(), LastWord::Kind::remove) == 1);
  CHECK(world.courier.ended == 5);
  CHECK(world.shard.jobs() == 0);
}

TEST_CASE("a retry of one domain leaves the others alone") {
  Backlog world;
  world.courier.defer_for = 0s;
  Filter filter;
  filter.domain = "y.example";
  CHECK(world.shard.retry(filter) == 1);
  world.loop.advance(10s);
  CHECK(world.who(Filter()) == Who{"a", "b", "d", "e"});
}

TEST_CASE("what is put on hold during its attempt is held when it comes back") {
  World world;
  world.courier.takes = 100s;
  world.courier.defer_for = 60s;
  const auto message = message_to({"a@x.example"}, world.loop.wall());
  world.dispatcher.accepted(message);
  world.loop.advance(1s);
  world.shard.hold({message->id}, "held: wait");
  world.loop.advance(100s);
  Listing listing = world.shard.list(Filter(), 10);
  REQUIRE(listing.entries.size() == 1);
  CHECK(listing.entries[0].state == "held");
  CHECK(listing.entries[0].reason == "held: wait");
  world.courier.defer_for = 0s;
  world.loop.advance(1h);
  CHECK(world.courier.finished == 0);
  world.shard.release({message->id});
  world.loop.advance(200s);
  CHECK(world.courier.finished == 1);
}

TEST_CASE(
    "an operator's last word is about as much mail at once as was asked for, whole jobs and parts of one") {
  Backlog world;
  Filter filter;
  filter.domain = "x.example";
  Ended some = world.end_some(filter, LastWord::Kind::remove, 1);
  CHECK(some.more);
  CHECK(some.recipients == 2);  // of one message
  CHECK(some.messages == std::vector<MessageId>{world.first->id});
  CHECK(world.who(Filter()) == Who{"c", "d", "e"});
  some = world.end_some(Filter(), LastWord::Kind::remove, 2);
  CHECK(some.more);
  CHECK(some.recipients == 2);
  some = world.end_some(Filter(), LastWord::Kind::remove, 2);
  CHECK_FALSE(some.more);
  CHECK(some.recipients == 1);

  Backlog parts;
  parts.accept("f@x.example");
  parts.loop.advance(10s);
  Filter one;
  one.recipient = "a@x.example";
  CHECK(parts.end_some(one, LastWord::Kind::remove, 1).recipients == 1);
  CHECK(parts.who(Filter()) == Who{"b", "c", "d", "e", "f"});
}

TEST_CASE("an operator's last word is heard when it is on record, and lanes wait for it") {
  for (const bool draining : {false, true}) {
    Backlog world;
    world.courier.records_after = 30s;
    std::optional<Ended> ended;
    event::TaskScope scope(world.loop);
    const auto ask = [](World& at, std::optional<Ended>& into) -> event::Task<void> {
      LastWord word;
      word.kind = LastWord::Kind::remove;
      into = co_await at.shard.end(Filter(), word, 1000);
    };
    scope.spawn(ask(world, ended));
    world.loop.advance(10s);
    if (draining) world.shard.drain();
    world.loop.advance(19s);
    CHECK_FALSE(ended);
    CHECK(world.shard.jobs() == 4);
    CHECK(world.shard.lanes() == 3);
    CHECK(world.shard.attempting(world.first->id));
    CHECK(world.shard.waiting().active == 5);
    world.loop.advance(2s);
    REQUIRE(ended);
    CHECK(ended->recipients == 5);
    CHECK(world.shard.jobs() == 0);
    CHECK(world.shard.lanes() == 0);
  }
}

TEST_CASE("what came after the operator looked is not meant, whatever the clock did") {
  Backlog world;
  Filter filter;
  filter.as_of = world.loop.steady();
  world.loop.shift_wall(-1h);
  world.loop.advance(1s);
  world.accept("f@x.example");
  world.loop.advance(10s);
  CHECK(world.who(Filter()) == Who{"a", "b", "c", "d", "e", "f"});
  CHECK(world.who(filter) == Who{"a", "b", "c", "d", "e"});
  CHECK(world.shard.retry(filter) == 4);
  world.loop.advance(10s);
  CHECK(world.end(filter, LastWord::Kind::remove) == 5);
  CHECK(world.who(Filter()) == Who{"f"});
}

TEST_CASE("a hold that is asked for during an attempt goes with the mail into another lane") {
  World world;
  world.courier.takes = 100s;
  LaneKey gateway;
  gateway.recipient_domain = "x.example";
  gateway.next_hop = "gw.example:25";
  gateway.gateway_rule = "Noord";
  world.courier.onward = world.dispatcher.into(gateway);
  const auto message = message_to({"a@x.example"}, world.loop.wall());
  world.dispatcher.accepted(message);
  world.loop.advance(1s);
  world.shard.hold({message->id}, "held: wait");
  CHECK(world.shard.matches(Filter()).at(0).held);
  world.loop.advance(1000s);
  CHECK(world.courier.finished == 0);
  const auto entry = world.shard.list(Filter(), 1).entries.at(0);
  CHECK(entry.next_hop == "gw.example:25");
  CHECK(entry.state == "held");
  CHECK(entry.reason == "held: wait");
  world.shard.release({message->id});
  world.loop.advance(101s);
  CHECK(world.courier.finished == 1);
}

TEST_CASE("hold and release change what they are about and leave the rest as it is") {
  Backlog world;
  const auto next = world.shard.list(Filter(world.first->id), 1).entries.at(0).next_attempt;
  world.shard.hold({world.first->id}, "held: by the relay");
  world.shard.hold({world.first->id}, "held: by the operator");
  CHECK(world.shard.list(Filter(world.first->id), 1).entries.at(0).reason == "held: by the relay");
  world.shard.undo_hold({world.first->id}, "held: by the operator", "not this one");
  CHECK(world.shard.waiting().held == 3);
  world.shard.undo_hold({world.first->id}, "held: by the relay", "could not be recorded");
  const auto undone = world.shard.list(Filter(world.first->id), 1).entries.at(0);
  CHECK(undone.state == "deferred");
  CHECK(undone.next_attempt == next);  // not due before it was
  CHECK(undone.reason == "could not be recorded");
  world.shard.release({world.first->id, world.second->id});
  world.loop.advance(10s);
  for (const auto& entry : world.shard.list(Filter(), 10).entries) CHECK(entry.attempts == 1);
}
