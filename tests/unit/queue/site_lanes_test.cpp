// SPDX-License-Identifier: Apache-2.0
//
// Lanes of several workers that share a site: places, turns, and who has to wait.
#include <doctest.h>

#include <map>
#include <string>
#include <vector>

#include "event/sim_loop.hpp"
#include "queue/dispatcher.hpp"
#include "queue/site.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace std::chrono_literals;

namespace {

// Joins the lane's site, which is the part of its domain behind the first dot, and delivers.
class SiteCourier final : public Courier {
 public:
  SiteCourier(event::Loop& loop, Sites& sites) : loop_(loop), sites_(sites) {}
  event::Task<void> serve(Lane& lane) override {
    const std::string& domain = lane.key().next_hop;
    const std::string site = domain.substr(domain.find('.') + 1);
    ++running[site];
    for (JobPtr job = lane.take(); job; job = lane.take()) {
      if (!lane.at_site(sites_.at(site))) {
        ++yielded;
        lane.yield(std::move(job));
        break;
      }
      most[site] = std::max(most[site], ++under_way[site]);
      order.push_back(domain);
      const Duration takes = site.starts_with("slow") ? 100s : 100ms;
      co_await event::sleep_for(loop_, takes);
      --under_way[site];
      ++finished[domain];
      lane.succeeded(100ms);
      lane.finish(std::move(job));
    }
    --running[site];
  }
  event::Task<bool> assist(Loan&) override { co_return false; }
  event::Loop& loop_;
  Sites& sites_;
  std::map<std::string, int> running, under_way, most;
  std::map<std::string, int> finished;
  std::vector<std::string> order;
  int yielded = 0;
};

struct Workers {
  explicit Workers(std::uint32_t most) : Workers(Concurrency::Bounds(5, 20, most), ShardSettings()) {}
  Workers(const Concurrency::Bounds& bounds, const ShardSettings& settings) : sites(bounds) {
    std::vector<Shard*> all;
    for (int i = 0; i < 2; ++i) {
      shards.push_back(std::make_unique<Shard>(loop, settings, schedule));
      all.push_back(shards.back().get());
    }
    dispatcher = std::make_unique<Dispatcher>(all, RouteTable(), schedule);
    for (auto& shard : shards) shard->start(courier);
  }
  void accept(const std::string& recipient) {
    auto message = std::make_shared<spool::StoredMessage>();
    message->id = MessageId::make(loop.wall());
    message->envelope.arrival = loop.wall();
    message->envelope.recipients.emplace_back(recipient);
    message->progress.emplace_back();
    dispatcher->accepted(message);
  }
  std::size_t jobs() const { return shards[0]->jobs() + shards[1]->jobs(); }
  event::SimLoop loop;
  Schedule schedule{ScheduleSettings{}};
  Sites sites;
  SiteCourier courier{loop, sites};
  std::vector<std::unique_ptr<Shard>> shards;
  std::unique_ptr<Dispatcher> dispatcher;
};

}  // namespace

TEST_CASE("a thousand domains of one site have its places together, whichever workers they belong to") {
  Workers world(10);
  for (int i = 0; i < 1000; ++i)
    for (int k = 0; k < 3; ++k) world.accept("u@d" + std::to_string(i) + ".big.example");
  world.loop.advance(60s);
  CHECK(world.courier.most["big.example"] == 10);
  CHECK(world.courier.order.size() == 3000);
  CHECK(world.jobs() == 0);
  CHECK(world.courier.running["big.example"] == 0);
  for (const auto& shard : world.shards) CHECK(shard->lanes() == 0);
  CHECK(world.sites.at("big.example")->in_use() == 0);
}

TEST_CASE("T-42 a domain with a million messages leaves the others of its site their turn") {
  Workers world(10);
  for (int i = 0; i < 20'000; ++i) world.accept("u@flood.big.example");
  world.loop.advance(10s);
  const std::size_t before = world.courier.order.size();
  for (int i = 0; i < 40; ++i) world.accept("u@d" + std::to_string(i) + ".big.example");
  world.loop.advance(5s);
  int small = 0;
  for (int i = 0; i < 40; ++i) small += world.courier.finished["d" + std::to_string(i) + ".big.example"];
  CHECK(small == 40);
  CHECK(world.courier.order.size() - before > 400);  // nobody stood still meanwhile
  CHECK(world.courier.most["big.example"] == 10);
}

TEST_CASE("T-42 more large domains than a site has places leave a small one its turn, and each other") {
  Workers world(20);
  for (int k = 0; k < 30; ++k)
    for (int i = 0; i < 2000; ++i) world.accept("u@flood" + std::to_string(k) + ".big.example");
  world.loop.advance(60s);
  world.accept("u@small.big.example");
  world.loop.advance(60s);
  CHECK(world.courier.finished["small.big.example"] == 1);
  CHECK(world.courier.most["big.example"] == 20);
  world.loop.advance(120s);
  int least = 2000;
  for (int k = 0; k < 30; ++k)
    least = std::min(least, world.courier.finished["flood" + std::to_string(k) + ".big.example"]);
  CHECK(least >= 800);  // of 48,000
}

TEST_CASE("T-42 a worker whose couriers are all in use keeps its lanes' turns at a site") {
  ShardSettings one_courier;
  one_courier.couriers = 1;
  one_courier.quantum = 10;
  const auto domain_of_worker = [&](std::size_t worker, const std::string& site) {
    for (int i = 0;; ++i) {
      const std::string domain = "d" + std::to_string(i) + "." + site;
      Workers tried(Concurrency::Bounds(1, 1, 1), one_courier);
      tried.accept("u@" + domain);
      if (tried.shards[worker]->jobs() == 1) return domain;
    }
  };
  const std::string busy = domain_of_worker(0, "own.example"),
                    beside_busy = domain_of_worker(0, "shared.example"),
                    alone = domain_of_worker(1, "shared.example");
  Workers world(Concurrency::Bounds(1, 1, 1), one_courier);
  for (int i = 0; i < 3000; ++i)
    for (const std::string& domain : {busy, beside_busy, alone}) world.accept("u@" + domain);
  world.loop.advance(200s);
  for (const std::string& domain : {busy, beside_busy, alone}) {
    CAPTURE(domain);
    CHECK(world.courier.finished[domain] > 100);  // of the 2,000 that one place is good for
  }
}

TEST_CASE("T-42 a slow site with many domains takes its own places only") {
  Workers world(20);
  for (int i = 0; i < 2000; ++i) world.accept("u@d" + std::to_string(i) + ".slow.example");
  for (int i = 0; i < 2000; ++i) world.accept("u@d" + std::to_string(i) + ".good.example");
  world.loop.advance(30s);
  CHECK(world.courier.most["slow.example"] <= 20);
  int good = 0;
  for (int i = 0; i < 2000; ++i) good += world.courier.finished["d" + std::to_string(i) + ".good.example"];
  CHECK(good == 2000);
}
