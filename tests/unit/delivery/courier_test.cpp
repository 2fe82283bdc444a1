// SPDX-License-Identifier: Apache-2.0
//
// When a courier sets out at all.
#include "delivery/courier.hpp"

#include "delivery_world.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace std::chrono_literals;

namespace {

struct OneCourier : DeliveryWorld {
  explicit OneCourier(std::uint32_t connections_per_host = 100) : DeliveryWorld(connections_per_host) {
    resolver.mx("b.example", {{10, "mx.b.example"}});
    resolver.address("mx.b.example", {"198.51.100.1"});
    rules = rules_with(schedule);
    begin();
  }
  static RulesPtr rules_with(queue::Schedule schedule) {
    auto made = std::make_shared<Rules>();
    made->settings.hostname = "relay.test";
    made->settings.schedule = std::move(schedule);
    made->settings.routing.allow_destinations = {*Network::parse("198.51.100.0/24")};
    return made;
  }
  // As Relay::put_in_force() does.
  void reload(queue::ScheduleSettings settings) {
    shard->set_schedule(queue::Schedule(settings));
    courier->set_rules(rules_with(queue::Schedule(std::move(settings))));
  }
  ~OneCourier() { shard.reset(); }
  void begin() {
    courier = std::make_unique<DeliveryCourier>(*context, rules);
    shard->start(*courier);
  }
  RulesPtr rules;
  std::unique_ptr<DeliveryCourier> courier;
};

}  // namespace

TEST_CASE("D-07: deliveries pause while no outcome can be recorded, and go on after the restart") {
  OneCourier world;
  const MessageId id = world.accept(world.message("a@here.example", {"u@b.example"}));
  world.loop.advance(1s);
  CHECK(world.connector.tried == 1);
  CHECK(world.journal->healthy());

  world.disk.break_syncs(true);  // the next commit finds out
  CHECK_FALSE(event::run_until_done(world.loop,
                                    world.journal->store(world.loop, world.message("", {"v@b.example"}))));
  CHECK_FALSE(world.journal->healthy());
  world.disk.break_syncs(false);  // a disk that works again is not believed
  world.loop.advance(1h);
  CHECK(world.connector.tried == 1);
  const auto entries = world.queued();
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].id == id.to_string());
  CHECK(entries[0].attempts == 1);
  const auto why = world.shard->why(id);
  REQUIRE(why.size() == 1);
  CHECK(why[0].find("the journal cannot record outcomes") != std::string::npos);

  world.shard.reset();
  world.courier.reset();
  const auto recovered = world.reopen();
  world.begin();
  world.dispatcher->recovered(recovered);
  world.loop.advance(10min);
  CHECK(world.connector.tried > 1);
}

TEST_CASE("T-52 D-20: a schedule that a reload brings counts from the next deferral on") {
  OneCourier world;
  world.accept(world.message("a@here.example", {"u@b.example"}));
  world.loop.advance(1s);
  REQUIRE(world.connector.tried == 1);
  queue::ScheduleSettings often = short_schedule();
  often.retry = {1min};
  world.reload(often);
  world.loop.advance(4min);
  CHECK(world.connector.tried == 1);  // it has its time already
  world.loop.advance(1min + 1s);
  CHECK(world.connector.tried == 2);
  world.loop.advance(10min);
  CHECK(world.connector.tried >= 10);
}

TEST_CASE(
    "T-52 D-19: mail that a reload leaves too old is counted, tried once more and returned, never dropped") {
  OneCourier world;
  queue::ScheduleSettings brief = short_schedule();
  brief.delay_notice = 0s;  // another notification
  world.reload(brief);
  const MessageId id = world.accept(world.message("a@here.example", {"u@b.example"}));
  const MessageId held = world.accept(world.message("a@here.example", {"v@b.example"}));
  world.loop.advance(1s);
  world.shard->hold({held}, "by the operator");
  world.loop.advance(1h);
  CHECK(world.shard->past_lifetime() == 0);
  brief.lifetime = 20min;
  world.reload(brief);
  CHECK(world.shard->past_lifetime() == 1);  // what is held is not tried
  CHECK(world.totals.bounced == 0);
  const std::size_t tried = world.connector.tried;
  world.loop.advance(15min);
  CHECK(world.connector.tried > tried);
  CHECK(world.totals.bounced == 1);
  CHECK(world.totals.dsns == 1);
  for (const auto& entry : world.queued()) CHECK(entry.id != id.to_string());
}

TEST_CASE(
    "T-52 mail that waits goes by changed routes at once, untried on its former way; what is held when it is "
    "released") {
  OneCourier world;
  world.resolver.address("relay.example", {"198.51.100.9"});
  const MessageId id = world.accept(world.message("a@here.example", {"u@b.example", "v@b.example"}));
  const MessageId held = world.accept(world.message("a@here.example", {"w@b.example"}));
  world.loop.advance(1s);
  world.shard->hold({held}, "by the operator");
  const auto change = [&](queue::RouteTable routes) {
    world.courier->set_rules(OneCourier::rules_with(world.schedule));
    REQUIRE(world.dispatcher->set_routes(std::move(routes)));
    return world.shard->retry([&](const queue::Lane& lane, const queue::Job& job) {
      return world.dispatcher->misplaced(lane.key(), job);
    });
  };
  const auto next_hop = [&](const MessageId& of) {
    std::string all;
    for (const auto& entry : world.queued())
      if (entry.id == of.to_string()) all += entry.next_hop + " ";
    return all;
  };
  queue::RouteTable routes;
  routes.add("*", {}, {"[relay.example]:25", ""});
  std::size_t tried = world.connector.tried;
  CHECK(change(routes) == 1);
  world.loop.advance(1s);
  CHECK(next_hop(id) == "[relay.example]:25 [relay.example]:25 ");
  CHECK(next_hop(held) == "b.example ");
  CHECK(world.connector.tried == tried + 1);
  CHECK(world.queued().front().attempts == 2);
  world.shard->release({held});
  world.loop.advance(6min);  // its former lane backs off
  CHECK(next_hop(held) == "[relay.example]:25 ");
  tried = world.connector.tried;
  CHECK(change({}) == 2);
  world.loop.advance(1s);
  CHECK(next_hop(id) == "b.example b.example ");
  CHECK(world.connector.tried > tried);
  CHECK(world.totals.bounced == 0);
}

TEST_CASE(
    "T-52 mail by a route that a worker does not know any more waits for a moment, and that is no attempt") {
  OneCourier world;
  queue::RouteTable routes;
  routes.add("*", {}, {"[relay.example]:25", "out"});
  world.dispatcher->set_routes(routes);
  world.accept(world.message("a@here.example", {"u@b.example"}));
  world.loop.advance(10s);
  REQUIRE(world.queued().size() == 1);
  CHECK(world.queued()[0].attempts == 0);
  CHECK(world.queued()[0].next_hop == "[relay.example]:25");
  world.dispatcher->set_routes({});
  world.loop.advance(2s);
  CHECK(world.queued()[0].next_hop == "b.example");
  CHECK(world.connector.tried == 1);
}

TEST_CASE("D-12: waiting for a free connection is no interrupted attempt") {
  OneCourier world(1);
  for (const char* domain : {"c.example", "d.example", "e.example"}) {  // one host serves them all
    world.resolver.mx(domain, {{10, "mx.b.example"}});
    world.accept(world.message("a@here.example", {std::string("u@") + domain}));
  }
  world.loop.advance(1min);  // all were deferred
  world.connector.stall = &world.loop;
  world.loop.advance(30min);  // one is dialling, the others are put back again and again
  CHECK(world.queued().size() == 3);
  world.shard.reset();
  world.courier.reset();
  const auto recovered = world.reopen();
  REQUIRE(recovered.size() == 3);
  for (const auto& message : recovered) {
    CHECK(message->progress[0].interrupted <= 1);
    CHECK(queue::interruptions(*message) <= 1);
  }
  world.connector.stall = nullptr;
  world.begin();
}

TEST_CASE(
    "T-40: a domain of 1,000 hosts, each an alias through many: 60 questions, then it is deferred and says "
    "why") {
  OneCourier world;
  std::vector<std::pair<unsigned, std::string>> hosts;
  for (unsigned i = 0; i < 1000; ++i) {
    const std::string host = "mx" + std::to_string(i) + ".b.example";
    hosts.emplace_back(10 + i % 3, host);
    world.resolver.put(host, dns::RrType::aaaa, dns::Status::no_data).questions = 8;
    world.resolver.put(host, dns::RrType::a, dns::Status::failed).questions = 8;
  }
  world.resolver.mx("b.example", hosts);
  world.accept(world.message("a@here.example", {"u@b.example"}));
  world.loop.advance(1s);
  CHECK(world.resolver.asked.size() <= dns::QueryBudget::most_questions);
  CHECK(world.connector.tried == 0);
  const auto entries = world.queued();
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].attempts == 1);
  CHECK(entries[0].reason.find("60 DNS questions") != std::string::npos);
}
