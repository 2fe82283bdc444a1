// SPDX-License-Identifier: Apache-2.0
//
// When a courier sets out at all.
#include "delivery/courier.hpp"

#include "delivery_world.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace std::chrono_literals;

namespace {

struct World : DeliveryWorld {
  explicit World(std::uint32_t connections_per_host = 100) : DeliveryWorld(connections_per_host) {
    resolver.mx("b.example", {{10, "mx.b.example"}});
    resolver.address("mx.b.example", {"198.51.100.1"});
    auto made = std::make_shared<Rules>();
    made->settings.hostname = "relay.test";
    made->settings.routing.allow_destinations = {*Network::parse("198.51.100.0/24")};
    rules = std::move(made);
    begin();
  }
  ~World() { shard.reset(); }
  void begin() {
    courier = std::make_unique<DeliveryCourier>(*context, rules, schedule);
    shard->start(*courier);
  }
  RulesPtr rules;
  std::unique_ptr<DeliveryCourier> courier;
};

}  // namespace

TEST_CASE("D-07: deliveries pause while no outcome can be recorded, and go on after the restart") {
  World world;
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

TEST_CASE("D-12: waiting for a free connection is no interrupted attempt") {
  World world(1);
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
  World world;
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
