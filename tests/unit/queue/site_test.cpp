// SPDX-License-Identifier: Apache-2.0
#include "queue/site.hpp"

#include <doctest.h>

#include <set>

#include "event/sim_loop.hpp"
#include "queue/dispatcher.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace std::chrono_literals;

namespace {

const SystemTime now(1000h);

struct Row {
  explicit Row(std::uint32_t places) : site(std::make_shared<Site>("mx.example", bounds(places))) {}
  static Concurrency::Bounds bounds(std::uint32_t places) { return {places, places, places}; }
  std::unique_ptr<Site::Seat> seat(std::uint32_t places = 0) {
    return std::make_unique<Site::Seat>(site, places, [this] { ++roused; });
  }
  SitePtr site;
  int roused = 0;
};

}  // namespace

TEST_CASE("a site's places are for all of its lanes, and who finds none has a turn") {
  Row row(3);
  auto big = row.seat(), small = row.seat();
  for (int i = 0; i < 3; ++i) CHECK(big->take());
  CHECK_FALSE(big->wanted_back());
  CHECK_FALSE(small->take());
  CHECK(small->waits());
  CHECK(big->wanted_back());  // three of three, and its share is one
  big->give_back(1);
  CHECK(row.roused == 1);
  CHECK_FALSE(big->take());  // the place is kept for who was roused
  CHECK(small->take());
  CHECK_FALSE(small->wanted_back());
  CHECK(row.site->in_use() == 3);
}

TEST_CASE("a lane that is gone, or whose mail is gone, keeps nobody waiting") {
  Row row(1);
  auto first = row.seat(), second = row.seat(), third = row.seat(), fourth = row.seat();
  CHECK(first->take());
  CHECK_FALSE(second->take());
  CHECK_FALSE(third->take());
  CHECK_FALSE(fourth->take());
  second.reset();
  first.reset();
  CHECK(row.roused == 1);  // the third
  third->pass_on();
  CHECK(row.roused == 2);
  fourth.reset();  // had been roused, and takes what was kept for it along
  CHECK(third->take());
  CHECK(row.site->in_use() == 1);
}

TEST_CASE("who joins with places in use fits in, or has to go") {
  Row row(4);
  auto old = row.seat();
  for (int i = 0; i < 4; ++i) CHECK(old->take());
  auto joined = row.seat(2);
  CHECK_FALSE(joined->fits());
  joined->give_back(2);
  CHECK_FALSE(joined->take());
  CHECK(old->wanted_back());
  old->give_back(2);
  CHECK(joined->take());
  CHECK(joined->fits());
}

TEST_CASE("an operator's limit holds for what is open already, and ends with the entry") {
  Row row(8);
  auto lane = row.seat();
  for (int i = 0; i < 8; ++i) CHECK(lane->take());
  CHECK(row.site->limited_by().empty());
  row.site->set_most(2, "limit mx = \"mx.example\"");
  CHECK(row.site->limited_by() == "limit mx = \"mx.example\"");
  CHECK(row.site->places() == 2);
  CHECK(lane->wanted_back());
  lane->give_back(6);
  CHECK_FALSE(lane->wanted_back());
  CHECK_FALSE(lane->take());
  row.site->set_most();
  for (int i = 0; i < 100; ++i) lane->worked(now, 100ms, 10'000);
  CHECK(lane->take());
}

TEST_CASE("where only this one connection is there is none to wait for") {
  Row row(8);
  auto lane = row.seat();
  CHECK(lane->take());
  CHECK_FALSE(lane->crowded(now));
  CHECK(lane->take());
  CHECK(lane->crowded(now));
  CHECK(row.site->places() == 1);
}

TEST_CASE("sites without lanes are forgotten when there are too many") {
  Sites sites{Concurrency::Bounds()};
  const SitePtr kept = sites.at("kept");
  for (int i = 0; i < 15'000; ++i) CHECK(sites.at("mx" + std::to_string(i)) != nullptr);
  CHECK(sites.size() <= 10'000);
  CHECK(sites.at("kept") == kept);
}

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
      co_await event::sleep_for(loop_, site.starts_with("slow") ? Duration(100s) : Duration(100ms));
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
  explicit Workers(std::uint32_t most) : sites(Concurrency::Bounds(5, 20, most)) {
    std::vector<Shard*> all;
    for (int i = 0; i < 2; ++i) {
      shards.push_back(std::make_unique<Shard>(loop, ShardSettings(), schedule));
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
