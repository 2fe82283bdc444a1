// SPDX-License-Identifier: Apache-2.0
//
// What an operator's limits say of a destination, and that deliveries keep to them.
#include "delivery/traffic.hpp"

#include "../smtp/scripted_peer.hpp"
#include "delivery/courier.hpp"
#include "delivery_world.hpp"
#include "event/sim_network.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace sealpost::test;
using namespace std::chrono_literals;

namespace {

TrafficLimit limit(TrafficLimit::By by, const char* of, std::uint32_t connections) {
  TrafficLimit made;
  made.by = by;
  made.of = of;
  made.connections = connections;
  made.messages_per_connection = connections;
  return made;
}

}  // namespace

TEST_CASE("rates are read, and said again") {
  for (const char* text : {"100/min", "5/s", "1000/h", "20000/d"}) {
    CAPTURE(text);
    const auto rate = Rate::parse(text);
    REQUIRE(rate);
    CHECK(rate->to_string() == text);
  }
  for (const char* text :
       {"", "100", "0/min", "-1/s", "100/", "100/week", "a/s", "1.5/s", "100 /min", "99999999999/s"}) {
    CAPTURE(text);
    CHECK_FALSE(Rate::parse(text));
  }
}

TEST_CASE("the most specific limit counts, for each key; what counts something holds for domain and site") {
  using By = TrafficLimit::By;
  const std::vector<TrafficLimit> limits{
      limit(By::domain, "*", 1),           limit(By::mx, "*", 2),
      limit(By::mx, "*.example", 3),       limit(By::mx, "*.big.example", 4),
      limit(By::mx, "mx1.big.example", 5), limit(By::site, "mx1.big.example mx2.big.example", 6),
      limit(By::domain, "*.net", 7),       limit(By::domain, "b.net", 8)};
  const auto said = [&](const char* domain, const std::vector<std::string>& hosts) {
    const Traffic traffic = traffic_for(limits, domain, hosts);
    return std::vector<std::uint32_t>{traffic.domain_connections->value, traffic.site_connections->value,
                                      traffic.messages_per_connection->value};
  };
  using Values = std::vector<std::uint32_t>;
  CHECK(said("other.org", {"mx.other.org"}) == Values{1, 2, 1});
  CHECK(said("other.org", {"mx.some.example"}) == Values{1, 3, 3});
  CHECK(said("other.org", {"mx9.big.example"}) == Values{1, 4, 4});
  CHECK(said("other.org", {"mx.other.org", "mx1.big.example"}) == Values{1, 5, 5});
  CHECK(said("other.org", {"mx2.big.example", "mx1.big.example"}) == Values{1, 6, 6});
  CHECK(said("a.net", {"mx2.big.example", "mx1.big.example"}) == Values{7, 6, 7});
  CHECK(said("b.net", {"mx.other.org"}) == Values{8, 2, 8});
  CHECK(traffic_for(limits, "b.net", {}).domain_connections->by == "limit domain = \"b.net\"");
  CHECK_FALSE(traffic_for({}, "b.net", {"mx"}).paced());
}

TEST_CASE("a key that the most specific limit does not set is another's") {
  TrafficLimit broad, narrow;
  broad.by = TrafficLimit::By::mx;
  broad.of = "*.example";
  broad.messages_per_connection = 10;
  broad.recipients_per_transaction = 20;
  narrow.of = "b.example";
  narrow.recipients_per_transaction = 5;
  const Traffic traffic = traffic_for({broad, narrow}, "b.example", {"mx.example"});
  CHECK(traffic.messages_per_connection->value == 10);
  CHECK(traffic.recipients_per_transaction->value == 5);
}

TEST_CASE("messages leave evenly, and never more than the rate") {
  RateKeeper keeper;
  SteadyTime now{1000h};
  const std::vector<RateKeeper::Count> counts{{"domain b.example", *Rate::parse("100/min")}};
  unsigned left = 0;
  const SteadyTime end = now + 10min;
  while (now < end) {
    const auto turn = keeper.wait_until(counts, now);
    if (!turn) {
      ++left;
      continue;
    }
    CHECK(*turn > now);
    CHECK(*turn <= now + 600ms);
    now = *turn;
  }
  CHECK(left >= 1000);
  CHECK(left <= 1001);
}

TEST_CASE("a message that one count does not let go is not counted by the other") {
  RateKeeper keeper;
  const SteadyTime now{1000h};
  const RateKeeper::Count site("site mx", *Rate::parse("1/min")), domain("domain b", *Rate::parse("10/min"));
  CHECK_FALSE(keeper.wait_until({domain, site}, now));
  CHECK(keeper.wait_until({domain, site}, now + 6s));
  CHECK_FALSE(keeper.wait_until({domain}, now + 6s));
}

namespace {

struct World : DeliveryWorld {
  World() {
    connector.real = &network;
    for (const char* domain : {"b.example", "c.example"}) resolver.mx(domain, {{10, "mx.b.example"}});
    resolver.address("mx.b.example", {"198.51.100.1"});
    network.listen(Endpoint(*IpAddress::parse("198.51.100.1"), 25),
                   [this](std::unique_ptr<event::Stream> stream) {
                     peers.push_back(std::make_unique<ScriptedPeer>());
                     peers.back()->always("EHLO", "250-mx.test\r\n250 PIPELINING\r\n");
                     scope.spawn(converse(*peers.back(), std::move(stream)));
                   });
  }
  ~World() { shard.reset(); }
  event::Task<void> converse(ScriptedPeer& peer, std::unique_ptr<event::Stream> stream) {
    most_open = std::max(most_open, ++open_now);
    co_await peer.run(std::move(stream));
    --open_now;
  }
  RulesPtr rules_with(std::vector<TrafficLimit> limits) {
    auto made = std::make_shared<Rules>();
    made->settings.hostname = "relay.test";
    made->settings.routing.allow_destinations = {*Network::parse("198.51.100.0/24")};
    made->limits = std::move(limits);
    return made;
  }
  void begin(std::vector<TrafficLimit> limits) {
    courier = std::make_unique<DeliveryCourier>(*context, rules_with(std::move(limits)), schedule);
    shard->start(*courier);
  }
  void send(int count, std::vector<std::string> to = {"u@b.example"}) {
    for (int i = 0; i < count; ++i) last = accept(message("a@here.example", to));
  }
  std::size_t messages() const {
    std::size_t count = 0;
    for (const auto& peer : peers) count += peer->messages;
    return count;
  }
  MessageId last;
  event::SimNetwork network{loop, 1, Endpoint(*IpAddress::parse("192.0.2.1"), 0)};
  std::vector<std::unique_ptr<ScriptedPeer>> peers;
  int open_now = 0, most_open = 0;
  std::unique_ptr<DeliveryCourier> courier;
  event::TaskScope scope{loop};
};

}  // namespace

TEST_CASE("a site has the connections that a limit for its hosts allows, all domains together") {
  World world;
  world.begin({limit(TrafficLimit::By::mx, "*.b.example", 2)});
  world.send(100);
  world.send(100, {"u@c.example"});
  world.loop.advance(4min);
  CHECK(world.messages() == 200);
  CHECK(world.most_open <= 2);
  CHECK(world.totals.deferred == 0);
  for (const auto& peer : world.peers) CHECK(peer->messages <= 2);  // messages_per_connection
}

TEST_CASE("a domain has the connections of its own limit") {
  World world;
  TrafficLimit one;
  one.of = "b.example";
  one.connections = 1;
  world.begin({one});
  world.send(50);
  world.loop.advance(1ms);
  CHECK(world.shard->couriers() >= 1);
  world.loop.advance(4min);
  CHECK(world.messages() == 50);
  CHECK(world.most_open <= 5);  // what was under way when the plan was made
}

TEST_CASE("a rate holds for all connections, and a reload lets the rest go") {
  World world;
  TrafficLimit slow;
  slow.of = "*";
  slow.rate = Rate::parse("60/min");
  world.begin({slow});
  world.send(100);
  world.loop.advance(30s);
  CHECK(world.messages() >= 29);
  CHECK(world.messages() <= 32);
  CHECK(world.totals.deferred == 0);
  const auto why = world.shard->why(world.last);
  REQUIRE(why.size() == 1);
  CHECK(why[0].find("limit domain = \"*\" lets 60/min leave") != std::string::npos);
  CHECK(why[0].find("trouble") == std::string::npos);
  world.courier->set_rules(world.rules_with({}));
  world.loop.advance(30s);
  CHECK(world.messages() == 100);
}

TEST_CASE("recipients go in transactions of the limit's size") {
  World world;
  TrafficLimit few;
  few.by = TrafficLimit::By::site;
  few.of = "mx.b.example";
  few.recipients_per_transaction = 2;
  world.begin({few});
  world.send(1, {"a@b.example", "b@b.example", "c@b.example", "d@b.example", "e@b.example"});
  world.loop.advance(10s);
  CHECK(world.messages() == 3);
}
