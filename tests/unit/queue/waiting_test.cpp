// SPDX-License-Identifier: Apache-2.0
//
// Mail that waits for its next attempt, over trouble, starts and steps of the clock.
#include <doctest.h>

#include "base/shared_clock.hpp"
#include "shard_world.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace sealpost::queue::test;
using namespace std::chrono_literals;

TEST_CASE("a deferred job comes back when its time has come, not before") {
  World world;
  world.courier.defer_for = 300s;
  world.accept("a@x.example");
  world.loop.advance(200s);
  CHECK(world.courier.order.size() == 1);
  world.loop.advance(150s);
  CHECK(world.courier.order.size() == 2);
  std::vector<QueueEntry> entries;
  world.shard.list(entries, 10);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].reason == "later");
  CHECK(entries[0].attempts == 2);
}

TEST_CASE("connection trouble makes the whole lane wait, other lanes not") {
  World world;
  world.courier.trouble_for = 600s;
  for (int i = 0; i < 50; ++i) world.accept("a@down.example");
  world.loop.advance(100s);
  const std::size_t tried = world.courier.order.size();
  CHECK(tried <= 5);  // those that were already connected
  world.courier.trouble_for = 0s;
  world.accept("b@up.example");
  world.loop.advance(100s);
  CHECK(world.courier.finished == 1);
  world.loop.advance(600s);
  CHECK(world.courier.finished == 51);
}

TEST_CASE(
    "T-42: mail that comes due all at once is taken up in parts, with others between, and whole in the end") {
  World world;
  world.courier.takes = 0s;
  std::vector<spool::StoredMessagePtr> found;
  for (int i = 0; i < 5001; ++i) {
    auto message = message_to({i == 5000 ? "u@good.example" : "u@bad.example"}, world.loop.wall());
    auto& progress = const_cast<spool::StoredMessage&>(*message).progress;
    progress[0].attempts = 2;
    progress[0].next_attempt = world.loop.wall() + 1h;
    found.push_back(std::move(message));
  }
  world.dispatcher.recovered(found);
  world.loop.advance(1h + 10s);
  CHECK(world.courier.finished == 5001);
  const auto good = std::find(world.courier.order.begin(), world.courier.order.end(), "good.example");
  CHECK(good - world.courier.order.begin() < 2500);
  CHECK(world.shard.lanes() == 0);
}

TEST_CASE("D-20 recovered mail comes back on schedule and overdue mail does not stampede") {
  World world;
  std::vector<spool::StoredMessagePtr> found;
  for (int i = 0; i < 1000; ++i) {
    auto message = std::make_shared<spool::StoredMessage>();
    message->id = MessageId::make(world.loop.wall());
    message->envelope.recipients.emplace_back("u" + std::to_string(i) + "@d" + std::to_string(i) +
                                              ".example");
    message->progress.emplace_back();
    message->progress[0].attempts = 2;
    message->progress[0].next_attempt = i < 900 ? world.loop.wall() - 1h : world.loop.wall() + 1h;
    found.push_back(std::move(message));
  }
  world.dispatcher.recovered(found);
  world.loop.advance(1s);
  CHECK(world.courier.order.size() < 450);
  world.loop.advance(60s);
  CHECK(world.courier.finished == 900);
  world.loop.advance(3600s);
  CHECK(world.courier.finished == 1000);
}

TEST_CASE(
    "T-50, D-20 what was deferred while the clock stood elsewhere waits no longer than the longest gap") {
  constexpr auto years = 10 * 365 * 24h;
  World world;
  const auto message = message_to({"a@x.example"}, world.loop.wall() + years);
  const_cast<spool::StoredMessage&>(*message).progress[0].attempts = 3;
  const_cast<spool::StoredMessage&>(*message).progress[0].next_attempt = world.loop.wall() + years;
  world.dispatcher.recovered({message});
  std::vector<QueueEntry> entries;
  world.shard.list(entries, 10);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].next_attempt <= world.loop.wall() + world.schedule.longest_gap());
  CHECK(entries[0].expires == world.loop.wall() + std::chrono::days(5));  // as if it had come just now
  world.loop.advance(world.schedule.longest_gap() + 2s);
  CHECK(world.courier.finished == 1);
}

TEST_CASE("T-50 a step of the clock neither hurries nor delays what waits") {
  for (const Duration step :
       {Duration(10 * 365 * 24h), Duration(-10 * 365 * 24h), Duration(1h), Duration(-1h)}) {
    World world;
    SharedClock clock(world.loop.wall() - 24h, std::nullopt, world.loop.wall(), world.loop.now());
    world.loop.ask_clock(&clock);
    world.courier.defer_for = 1h;
    const auto message = message_to({"a@x.example"}, world.loop.date());
    world.dispatcher.accepted(message);
    world.loop.advance(10s);
    CHECK(world.courier.order.size() == 1);
    world.loop.shift_wall(step);
    std::vector<QueueEntry> entries;
    world.shard.list(entries, 10);
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].next_attempt <= world.loop.date() + 1h);
    CHECK(entries[0].next_attempt >= world.loop.date() + 59min);
    world.loop.advance(50min);
    CHECK(world.courier.order.size() == 1);
    world.loop.shift_wall(-step);
    world.loop.advance(11min);
    CHECK(world.courier.order.size() == 2);
    world.loop.ask_clock(nullptr);
  }
}

TEST_CASE("D-16 recipients that are final are never queued again") {
  World world;
  const auto message = message_to({"a@x.example", "b@x.example"}, world.loop.wall());
  const_cast<spool::StoredMessage&>(*message).progress[0].state = spool::RecipientState::delivered;
  world.dispatcher.recovered({message});
  std::vector<QueueEntry> entries;
  world.shard.list(entries, 10);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].recipient == "b@x.example");
}

namespace {

spool::StoredMessagePtr message_for_later(const World& world, std::chrono::seconds after) {
  auto message = message_to({"a@x.example"}, world.loop.wall());
  const_cast<spool::StoredMessage&>(*message).envelope.not_before = world.loop.wall() + after;
  return message;
}

}  // namespace

TEST_CASE("mail that is to be sent later is sent then, and its life begins then") {
  World world;
  world.courier.defer_for = 300s;
  world.dispatcher.accepted(message_for_later(world, 3 * 24h));
  world.loop.advance(24h);
  CHECK(world.shard.retry(Filter{}) == 0);  // no word of an operator sends it early, nor
  world.dispatcher.set_routes(RouteTable());
  world.loop.advance(24h);
  CHECK(world.courier.order.empty());
  std::vector<QueueEntry> entries;
  world.shard.list(entries, 10);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].attempts == 0);
  const Listing listing = world.shard.list(Filter{}, 10, Shard::Why::told);
  REQUIRE(listing.entries.size() == 1);
  CHECK(listing.entries[0].why.starts_with("waits for the time its sender wants it to be sent, "));
  CHECK(listing.entries[0].expires > world.loop.wall() + 24h + world.schedule.lifetime(false) - 1min);
  CHECK(world.shard.matches(Filter{}).front().early);
  world.loop.advance(24h + 10s);
  REQUIRE(world.courier.order.size() == 1);
  world.loop.advance(100s);
  CHECK_FALSE(world.shard.matches(Filter{}).front().early);
  CHECK(world.shard.retry(Filter{}) == 1);
}

TEST_CASE("holding and releasing mail that is to be sent later sends it no earlier") {
  World world;
  const auto message = message_for_later(world, 1h);
  world.dispatcher.accepted(message);
  world.loop.advance(60s);
  world.shard.hold({message->id}, "looked at");
  world.loop.advance(60s);
  world.shard.release({message->id});
  world.loop.advance(30min);
  CHECK(world.courier.order.empty());
  world.loop.advance(30min);
  CHECK(world.courier.order.size() == 1);
}

TEST_CASE(
    "T-50: a restart finds mail that is to be sent later, and no clock makes it wait longer than it ever had "
    "to") {
  World world;
  world.dispatcher.recovered({message_for_later(world, 20 * 24h)});
  world.loop.advance(20 * 24h - 1min);
  CHECK(world.courier.order.empty());  // longer than any gap of the schedule
  world.loop.advance(2min);
  CHECK(world.courier.order.size() == 1);

  auto of_another_clock = message_to({"b@y.example"}, world.loop.wall() + 8766h);
  const_cast<spool::StoredMessage&>(*of_another_clock).envelope.not_before = world.loop.wall() + 8766h + 2h;
  world.dispatcher.recovered({of_another_clock});
  world.loop.advance(2h + 1s);
  CHECK(world.courier.order.size() == 2);
}
