// SPDX-License-Identifier: Apache-2.0
//
// What becomes of all the mail of a lane at once, and of other mail meanwhile.
#include "../smtp/scripted_peer.hpp"
#include "courier_world.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace sealpost::test;
using namespace std::chrono_literals;

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
