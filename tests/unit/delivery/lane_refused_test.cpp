// SPDX-License-Identifier: Apache-2.0
//
// What becomes of all the mail of a lane at once, and of other mail meanwhile.
#include "../smtp/scripted_peer.hpp"
#include "courier_world.hpp"
#include "settle_world.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace sealpost::test;
using namespace std::chrono_literals;

namespace {

event::Task<void> take_places(Settler& settler, std::size_t count, std::vector<std::shared_ptr<void>>& into) {
  while (count-- > 0) {
    std::shared_ptr<void> place = co_await settler.place_of_many();
    into.push_back(std::move(place));
  }
}

}  // namespace

TEST_CASE("T-42: while a whole lane is refused other mail is accepted and delivered") {
  CourierWorld world;
  world.two_hosts_for("b.example");  // where nothing listens
  world.resolver.mx("c.example", {{10, "mx.c.example"}});
  world.resolver.address("mx.c.example", {"198.51.100.3"});
  ScriptedPeer good;
  good.always("EHLO", "250-mx.test\r\n250 PIPELINING\r\n");
  event::TaskScope scope(world.loop);
  world.network.listen(
      Endpoint(*IpAddress::parse("198.51.100.3"), 25),
      [&](std::unique_ptr<event::Stream> stream) { scope.spawn(good.run(std::move(stream))); });
  constexpr std::size_t backlog = 9000;
  for (std::size_t i = 0; i < backlog; ++i) world.accept(world.message("a@here.example", {"u@b.example"}));
  world.deliver();
  while (world.totals.deferred < 500) world.loop.advance(1ms);
  world.accept(world.message("a@here.example", {"u@c.example"}));
  CHECK(world.totals.deferred < 1500);
  while (world.totals.delivered == 0) world.loop.advance(1ms);
  CHECK(good.messages == 1);
  CHECK(world.totals.deferred < backlog / 2);
  world.loop.advance(1min);
  CHECK(world.totals.deferred == backlog);
  for (const auto& entry : world.queued()) REQUIRE(entry.attempts == 1);
}

TEST_CASE("what comes while a lane is refused has not been refused") {
  CourierWorld world;
  world.two_hosts_for("b.example");  // where nothing listens
  for (std::size_t i = 0; i < 3000; ++i) world.accept(world.message("a@here.example", {"u@b.example"}));
  world.deliver();
  while (world.totals.deferred < 500) world.loop.advance(1ms);
  const MessageId late = world.accept(world.message("a@here.example", {"late@b.example"}));
  CHECK(world.totals.deferred < 2500);
  world.loop.advance(10s);
  CHECK(world.totals.deferred == 3000);
  for (const auto& entry : world.queued()) REQUIRE(entry.attempts == (entry.id == late.to_string() ? 0 : 1));
}

TEST_CASE("T-42: outcomes of whole lanes have places of their own, however many others are on their way") {
  SettleWorld world;
  world.script->ends.push_back(end_with(fate_of(0, Fate::delivered, "2.0.0", "250 ok")));
  std::vector<spool::StoredMessagePtr> stored;
  for (int i = 0; i < 500; ++i) {
    auto kept = event::run_until_done(
        world.loop, world.journal->store(world.loop, world.message("a@here.example", {"u@b.example"})));
    REQUIRE(kept);
    stored.push_back(*kept);
  }
  for (const auto& message : stored) world.dispatcher->accepted(message);
  world.loop.settle();
  REQUIRE(world.settler->pending() == 500);  // none is on record yet
  std::vector<std::shared_ptr<void>> places;
  event::TaskScope scope(world.loop);
  scope.spawn(take_places(*world.settler, 1000, places));
  world.loop.settle();
  const std::size_t most = places.size();
  CHECK(most > 0);
  CHECK(most < 256);  // what the journal takes at once
  places.pop_back();
  world.loop.settle();
  CHECK(places.size() == most);
  scope.cancel();
}
