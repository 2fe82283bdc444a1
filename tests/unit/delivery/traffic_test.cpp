// SPDX-License-Identifier: Apache-2.0
//
// What an operator's limits say of a destination, and that deliveries keep to them.
#include "delivery/traffic.hpp"

#include "../smtp/scripted_peer.hpp"
#include "base/shared_clock.hpp"
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

TEST_CASE("turns are even, and never more of them than the rate") {
  RateKeeper keeper;
  const SteadyTime begin{1000h}, end = begin + 10min;
  const Rate rate = *Rate::parse("100/min");
  SteadyTime last = begin;
  unsigned left = 0;
  for (SteadyTime turn = keeper.book("b.example", rate, begin); turn < end; ++left) {
    CHECK(turn >= last);
    CHECK(turn <= last + 600ms);
    last = turn;
    turn = keeper.book("b.example", rate, left % 2 == 0 ? begin : turn);  // ahead, or when it has come
  }
  CHECK(left >= 1000);
  CHECK(left <= 1001);
  CHECK(keeper.book("b.example", rate, end + 1h) == end + 1h);  // none is saved up
}

TEST_CASE(
    "rates of many are forgotten when they have had their turns, and the soonest when that is not enough") {
  RateKeeper keeper;
  const Rate quick = *Rate::parse("1/s"), slow = *Rate::parse("1/d");
  const SteadyTime now{1000h};
  keeper.book("kept", slow, now);
  keeper.book("kept", slow, now);
  for (int i = 0; i < 150'000; ++i) keeper.book("quick " + std::to_string(i), quick, now + i * 1ms);
  CHECK(keeper.size() <= 100'000);
  for (int i = 0; i < 150'000; ++i) keeper.book("slow " + std::to_string(i), slow, now + 1h + i * 1ms);
  CHECK(keeper.size() <= 100'000);
  CHECK(keeper.book("kept", slow, now + 1h) > now + 47h);
}

namespace {

struct TrafficWorld : DeliveryWorld {
  TrafficWorld() {
    connector.real = &network;
    for (const char* domain : {"b.example", "c.example"}) joins(domain);
    resolver.address("mx.b.example", {"198.51.100.1"});
    network.listen(Endpoint(*IpAddress::parse("198.51.100.1"), 25),
                   [this](std::unique_ptr<event::Stream> stream) {
                     peers.push_back(std::make_unique<ScriptedPeer>());
                     peers.back()->always("EHLO", "250-mx.test\r\n250 PIPELINING\r\n");
                     if (hangs) peers.back()->always(".", Say("", Say::fall_silent));
                     if (later) peers.back()->always("MAIL", "450 4.3.0 later\r\n");
                     scope.spawn(converse(*peers.back(), std::move(stream)));
                   });
  }
  ~TrafficWorld() { shard.reset(); }
  event::Task<void> converse(ScriptedPeer& peer, std::unique_ptr<event::Stream> stream) {
    most_open = std::max(most_open, ++open_now);
    co_await peer.run(std::move(stream));
    --open_now;
  }
  void joins(const std::string& domain) { resolver.mx(domain, {{10, "mx.b.example"}}); }
  RulesPtr rules_with(std::vector<TrafficLimit> limits) {
    auto made = std::make_shared<Rules>();
    made->settings.hostname = "relay.test";
    made->settings.schedule = schedule;
    made->settings.routing.allow_destinations = {*Network::parse("198.51.100.0/24")};
    made->limits = std::move(limits);
    return made;
  }
  void begin(std::vector<TrafficLimit> limits) {
    courier = std::make_unique<DeliveryCourier>(*context, rules_with(std::move(limits)));
    shard->start(*courier);
  }
  // As Relay::put_in_force() does.
  void reload(std::vector<TrafficLimit> limits) {
    courier->set_rules(rules_with(std::move(limits)));
    shard->ask_limits();
    limit_sites(sites, courier->rules()->limits);
  }
  void send(int count, std::vector<std::string> to = {"u@b.example"}) {
    for (int i = 0; i < count; ++i) last = accept(message("a@here.example", to));
  }
  std::size_t messages() const {
    std::size_t count = 0;
    for (const auto& peer : peers) count += peer->messages;
    return count;
  }
  // That a host has taken.
  std::size_t to(const std::string& domain) const {
    std::size_t count = 0;
    for (const auto& peer : peers)
      for (const std::string& line : peer->heard)
        if (line.starts_with("RCPT") && line.find("@" + domain + ">") != std::string::npos) ++count;
    return count;
  }
  bool hangs = false, later = false;
  MessageId last;
  event::SimNetwork network{loop, 1, Endpoint(*IpAddress::parse("192.0.2.1"), 0)};
  std::vector<std::unique_ptr<ScriptedPeer>> peers;
  int open_now = 0, most_open = 0;
  std::unique_ptr<DeliveryCourier> courier;
  event::TaskScope scope{loop};
};

}  // namespace

TEST_CASE("a site has the connections that a limit for its hosts allows, all domains together") {
  TrafficWorld world;
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
  TrafficWorld world;
  TrafficLimit one;
  one.of = "b.example";
  one.connections = 1;
  world.begin({one});
  world.send(50);
  world.loop.advance(4min);
  CHECK(world.messages() == 50);
  CHECK(world.most_open == 1);
}

TEST_CASE("a site's limit that is raised lets its lanes go while its only connection hangs") {
  TrafficWorld world;
  const auto connections = [](std::uint32_t most) {
    TrafficLimit made = limit(TrafficLimit::By::mx, "mx.b.example", most);
    made.messages_per_connection.reset();
    return made;
  };
  world.begin({connections(1)});
  world.hangs = true;
  world.send(1);
  world.loop.advance(1s);
  world.hangs = false;
  world.send(10, {"u@c.example"});
  world.loop.advance(1min);
  CHECK(world.most_open == 1);
  CHECK(world.to("c.example") == 0);
  CHECK(world.shard->why(world.last)[0].ends_with(": limit mx = \"mx.b.example\""));
  world.reload({connections(2)});
  world.loop.advance(1min);
  CHECK(world.to("c.example") == 10);
  CHECK(world.most_open == 2);
}

TEST_CASE("a rate holds for all connections, and a reload lets the rest go") {
  TrafficWorld world;
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
  world.reload({});
  world.loop.advance(5s);
  CHECK(world.messages() == 100);
}

namespace {
TrafficLimit rate(TrafficLimit::By by, const char* of, const char* text) {
  TrafficLimit made;
  made.by = by;
  made.of = of;
  made.rate = Rate::parse(text);
  return made;
}
}  // namespace

TEST_CASE("who may not leave yet for its own domain's rate takes no turn of the site from others") {
  TrafficWorld world;
  world.begin(
      {rate(TrafficLimit::By::domain, "b.example", "1/min"), rate(TrafficLimit::By::mx, "*", "60/min")});
  world.send(20);
  world.send(100, {"u@c.example"});
  world.loop.advance(59s);
  CHECK(world.to("b.example") == 1);
  CHECK(world.to("c.example") >= 57);
  CHECK(world.to("c.example") <= 60);
}

TEST_CASE("T-42 a rate is for the domains of a site by turns, and those that wait cost nothing meanwhile") {
  TrafficWorld world;
  world.begin({rate(TrafficLimit::By::mx, "*", "60/min")});
  for (int i = 0; i < 100; ++i) world.joins("d" + std::to_string(i) + ".example");
  for (int k = 0; k < 3; ++k)
    for (int i = 0; i < 100; ++i) world.send(1, {"u@d" + std::to_string(i) + ".example"});
  world.loop.advance(99s + 500ms);
  CHECK(world.messages() == 100);
  for (int i = 0; i < 100; ++i) CHECK(world.to("d" + std::to_string(i) + ".example") == 1);
  const std::size_t asked = world.resolver.asked.size();
  world.loop.advance(10s);
  CHECK(world.messages() >= 110);
  CHECK(world.resolver.asked.size() - asked < 400);  // not all hundred for every turn
}

TEST_CASE("T-50 a step of the clock neither opens nor closes a rate") {
  for (const Duration step : {Duration(24h), Duration(-24h)}) {
    TrafficWorld world;
    SharedClock clock(world.loop.wall() - 24h, std::nullopt, world.loop.wall(), world.loop.now());
    world.loop.ask_clock(&clock);
    world.begin({rate(TrafficLimit::By::domain, "*", "60/min")});
    world.send(200);
    world.loop.advance(10s);
    world.loop.shift_wall(step);
    world.loop.advance(10s);
    CHECK(world.messages() >= 19);
    CHECK(world.messages() <= 22);
    world.loop.ask_clock(nullptr);
  }
}

TEST_CASE("D-12 an attempt that waits for its turn has not begun: no restart counts against it") {
  TrafficWorld world;
  world.begin({rate(TrafficLimit::By::domain, "b.example", "1/h")});
  world.later = true;
  world.send(1);
  world.loop.advance(6min);  // the second attempt is due
  CHECK(world.shard->why(world.last)[0].find("waits for its turn until") != std::string::npos);
  world.shard.reset();
  world.courier.reset();
  const auto found = world.reopen();
  REQUIRE(found.size() == 1);
  CHECK(found[0]->progress[0].attempts == 1);
  CHECK(found[0]->progress[0].interrupted == 0);
}

TEST_CASE(
    "T-07 lanes of one site are judged each for its own: what one must not use is no trouble of the others") {
  TrafficWorld world;
  world.begin({});
  auto strict = world.message("a@here.example", {"u@b.example"});
  strict.envelope.flags.requiretls = true;  // the host has no TLS
  world.accept(std::move(strict));
  world.loop.advance(1s);
  CHECK(world.totals.refused_by_policy == 1);
  CHECK(world.sites.at("mx.b.example")->places() == 5);
  world.send(30);
  world.send(30, {"u@c.example"});
  world.loop.advance(1s);
  CHECK(world.messages() == 60);
  CHECK(world.to("b.example") == 30);
  CHECK(world.shard->jobs() <= 2);  // the strict one, or its way back
}

TEST_CASE("recipients go in transactions of the limit's size") {
  TrafficWorld world;
  TrafficLimit few;
  few.by = TrafficLimit::By::site;
  few.of = "mx.b.example";
  few.recipients_per_transaction = 2;
  world.begin({few});
  world.send(1, {"a@b.example", "b@b.example", "c@b.example", "d@b.example", "e@b.example"});
  world.loop.advance(10s);
  CHECK(world.messages() == 3);
}
