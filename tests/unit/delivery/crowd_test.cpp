// SPDX-License-Identifier: Apache-2.0
//
// A host that takes only so many connections at once: that is learned from the one it refuses, which is nobody's failure.
#include <functional>

#include "../smtp/scripted_peer.hpp"
#include "courier_world.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace sealpost::test;
using namespace std::chrono_literals;

namespace {

struct NarrowHost {
  NarrowHost(event::SimLoop& loop, event::SimNetwork& network, const char* address) : scope(loop) {
    network.listen(Endpoint(*IpAddress::parse(address), 25), [this](std::unique_ptr<event::Stream> stream) {
      peers.push_back(std::make_unique<ScriptedPeer>());
      peers.back()->always("EHLO", "250-mx.test\r\n250 PIPELINING\r\n");
      Say taken("250 2.0.0 taken\r\n");
      taken.each_octet = 10ms;
      peers.back()->always(".", taken);
      if (open >= most) {
        peers.back()->always("", refusal);
        ++refused;
      }
      most_open = std::max(most_open, open + 1);
      scope.spawn(converse(*peers.back(), std::move(stream)));
    });
  }
  event::Task<void> converse(ScriptedPeer& peer, std::unique_ptr<event::Stream> stream) {
    ++open;
    co_await peer.run(std::move(stream));
    --open;
  }
  std::size_t messages() const {
    std::size_t count = 0;
    for (const auto& peer : peers) count += peer->messages;
    return count;
  }
  std::uint32_t most = 3, open = 0, most_open = 0, refused = 0;
  Say refusal{"421 4.7.0 too many connections from you\r\n", Say::hang_up};
  std::vector<std::unique_ptr<ScriptedPeer>> peers;
  event::TaskScope scope;
};

struct CrowdWorld : CourierWorld {
  CrowdWorld() {
    two_hosts_for("b.example");
    two_hosts_for("c.example");
    deliver();
  }
  ~CrowdWorld() { shard.reset(); }
  void send(int count, const char* to = "u@b.example") {
    for (int i = 0; i < count; ++i) accept(message("a@here.example", {to}));
  }

  NarrowHost first{loop, network, "198.51.100.1"}, second{loop, network, "198.51.100.2"};
};

}  // namespace

TEST_CASE(
    "a connection that a host refuses beside others defers nothing, and mail waits for those it takes") {
  for (const Say& refusal : {Say("421 4.7.0 too many connections from you\r\n", Say::hang_up),
                             Say("450 4.3.2 later\r\n", Say::hang_up), Say("", Say::hang_up)}) {
    CAPTURE(refusal.text);
    CrowdWorld world;
    world.first.refusal = refusal;
    world.send(500);
    world.loop.advance(4min);  // before the first retry
    CHECK(world.first.messages() == 500);
    CHECK(world.second.peers.empty());  // the next host is for when the first does not work
    CHECK(world.totals.deferred == 0);
    CHECK(world.queued().empty());
    CHECK(world.first.refused > 0);
    CHECK(world.first.refused <= 5);  // those that were under way at first
    CHECK(world.totals.crowded == world.first.refused);
  }
}

TEST_CASE("another domain of the host gets its turn") {
  CrowdWorld world;
  world.send(500);
  world.loop.advance(100ms);
  world.send(1, "u@c.example");
  world.loop.advance(4min);
  CHECK(world.first.messages() == 501);
  CHECK(world.totals.deferred == 0);
  CHECK(world.queued().empty());
}

TEST_CASE("a host that refuses every connection has failed, as ever") {
  CrowdWorld world;
  world.first.most = 0;
  world.second.most = 100;
  world.send(20);
  world.loop.advance(1min);
  CHECK(world.second.messages() == 20);
  CHECK(world.totals.crowded == 0);
}
