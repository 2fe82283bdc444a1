// SPDX-License-Identifier: Apache-2.0
#include "queue/site.hpp"

#include <doctest.h>

#include <map>
#include <string>
#include <vector>

#include "event/sim_loop.hpp"
#include "queue/dispatcher.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace std::chrono_literals;

namespace {

const SystemTime now(1000h);
constexpr auto lately = Site::Seat::Served::lately;
constexpr auto long_enough = Site::Seat::Served::long_enough;

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
  CHECK_FALSE(big->wanted_back(lately));
  CHECK_FALSE(small->take());
  CHECK(small->waits());
  CHECK(big->wanted_back(lately));  // three of three, and its share is one
  big->give_back(1);
  CHECK(row.roused == 1);
  CHECK_FALSE(big->take());  // the place is kept for who was roused
  CHECK(small->take());
  CHECK_FALSE(small->wanted_back(lately));
  CHECK(row.site->in_use() == 3);
}

TEST_CASE("the last place, too, is given up after a while, for who has none, and is not its giver's again") {
  Row row(1);
  auto first = row.seat(), second = row.seat();
  CHECK(first->take());
  CHECK_FALSE(first->wanted_back(long_enough));  // nobody waits
  CHECK_FALSE(second->take());
  CHECK_FALSE(first->wanted_back(lately));
  CHECK(first->wanted_back(long_enough));
  first->give_back(1);
  CHECK_FALSE(first->take());
  CHECK(second->take());
  CHECK(first->waits());
}

TEST_CASE("what a site had grown to says nothing once nobody is there any more") {
  const auto site = std::make_shared<Site>("mx.example", Concurrency::Bounds(5, 20, 250));
  Site::Seat lane(site, 0, [] {});
  CHECK(lane.take());
  for (int i = 0; i < 100; ++i) lane.worked(now, 1ms, 0);
  CHECK(site->places() == 20);
  lane.give_back(1);
  CHECK(site->places() == 5);
}

TEST_CASE("a limit that is raised or gone gives places at once, and not only when something works") {
  const auto site = std::make_shared<Site>("mx.example", Concurrency::Bounds(5, 20, 250));
  int roused = 0;
  Site::Seat hangs(site, 0, [] {}), waits(site, 0, [&roused] { ++roused; });
  site->set_most(1, "limit");
  CHECK(hangs.take());
  CHECK_FALSE(waits.take());
  site->set_most();
  CHECK(site->places() == 5);
  CHECK(roused == 1);
  site->set_most(1000, "limit");  // is not what binds
  CHECK(site->limited_by().empty());
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
  CHECK(old->wanted_back(lately));
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
  CHECK(lane->wanted_back(lately));
  lane->give_back(6);
  CHECK_FALSE(lane->wanted_back(lately));
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
  std::vector<SitePtr> with_lanes;
  for (int i = 0; i < 12'000; ++i) with_lanes.push_back(sites.at("live" + std::to_string(i)));
  for (int i = 0; i < 40'000; ++i) CHECK(sites.at("other" + std::to_string(i)) != nullptr);
  CHECK(sites.size() <= 24'002);
  CHECK(sites.at("live7") == with_lanes[7]);
}

TEST_CASE("what a domain may have is a site of its own, and another one under another limit") {
  Sites sites{Concurrency::Bounds()};
  const SitePtr two = sites.of_domain("b.example", 2, "limit domain = \"*\"");
  CHECK(two->fixed());
  CHECK(two->places() == 2);
  CHECK(sites.of_domain("b.example", 2, "limit domain = \"*\"") == two);
  CHECK(sites.of_domain("c.example", 2, "limit domain = \"*\"") != two);
  CHECK(sites.of_domain("b.example", 3, "limit domain = \"*\"")->places() == 3);
  CHECK_FALSE(sites.at("mx.b.example")->fixed());
  CHECK(sites.all().size() == 4);
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

namespace {

// Allows each domain so many connections; finds that there is no turn before a time.
class LimitedCourier final : public Courier {
 public:
  LimitedCourier(event::Loop& loop, Sites& sites) : loop_(loop), sites_(sites) {}
  SitePtr limit_for(const LaneKey& key) override {
    return allowed == 0 ? nullptr : sites_.of_domain(key.recipient_domain, allowed, "limit domain");
  }
  event::Task<void> serve(Lane& lane) override {
    most = std::max(most, ++under_way);
    for (JobPtr job = lane.take(); job; job = lane.take()) {
      if (loop_.paced() < turn) {
        ++asked;
        lane.wait_for_turn(std::move(job), turn, "limit lets 1/h leave");
        break;
      }
      co_await event::sleep_for(loop_, takes);
      if (fails) {
        lane.trouble(loop_.paced() + 1h, "connection refused", Trouble::connection);
        if (expired) {
          lane.finish(std::move(job));
          break;
        }
        job->next_attempt = loop_.paced() + 1h;
        lane.defer(std::move(job));
        break;
      }
      ++finished;
      lane.succeeded(1ms);
      lane.finish(std::move(job));
    }
    --under_way;
  }
  event::Loop& loop_;
  Sites& sites_;
  std::uint32_t allowed = 0;
  Duration takes = 100ms;
  SystemTime turn{};
  bool fails = false, expired = false;
  int under_way = 0, most = 0, finished = 0, asked = 0;
};

struct Limited {
  explicit Limited(std::uint32_t allowed) : dispatcher({&shard}, RouteTable(), schedule) {
    courier.allowed = allowed;
  }
  MessageId accept(bool no_tls = false) {
    auto message = std::make_shared<spool::StoredMessage>();
    message->id = MessageId::make(loop.wall());
    message->envelope.arrival = loop.wall();
    message->envelope.flags.tls_required_no = no_tls;
    message->envelope.recipients.emplace_back("u@b.example");
    message->progress.emplace_back();
    dispatcher.accepted(message);
    return message->id;
  }
  std::string why(const MessageId& id) const { return shard.why(id).at(0); }
  event::SimLoop loop;
  Schedule schedule{ScheduleSettings{}};
  Sites sites{Concurrency::Bounds()};
  LimitedCourier courier{loop, sites};
  Shard shard{loop, ShardSettings(), schedule};
  Dispatcher dispatcher;
};

}  // namespace

TEST_CASE("a domain's limit holds from the first connection on, for all of its lanes together") {
  Limited world(1);
  for (int i = 0; i < 20; ++i) {
    world.accept();
    world.accept(true);
  }
  world.shard.start(world.courier);
  world.loop.advance(1s);
  const std::string why = world.why(world.accept());
  CHECK(why.find("(1 of 1 in use") != std::string::npos);
  CHECK(why.ends_with(": limit domain"));
  world.loop.advance(10s);
  CHECK(world.courier.finished == 41);
  CHECK(world.courier.most == 1);
}

TEST_CASE("a domain's limit that is raised lets others go while its only connection hangs") {
  Limited world(1);
  world.shard.start(world.courier);
  world.courier.takes = 1h;
  for (int i = 0; i < 10; ++i) world.accept();
  world.loop.advance(1s);
  CHECK(world.courier.under_way == 1);
  world.courier.allowed = 3;
  world.shard.ask_limits();
  world.loop.advance(1s);
  CHECK(world.courier.under_way == 3);
  world.courier.allowed = 0;
  world.shard.ask_limits();
  world.loop.advance(1s);
  CHECK(world.courier.under_way == 5);
  world.courier.allowed = 1;
  world.shard.ask_limits();
  world.courier.takes = 1s;
  for (int i = 0; i < 5; ++i) world.accept();
  world.loop.advance(1h);
  CHECK(world.courier.finished >= 5);
  world.courier.most = 0;
  world.loop.advance(1min);
  CHECK(world.courier.finished == 15);
  CHECK(world.courier.most <= 1);
}

TEST_CASE("who waits for a turn is not in trouble; a failure beside it is one all the same") {
  Limited world(0);
  world.shard.start(world.courier);
  world.courier.takes = 10s;
  world.courier.fails = true;
  world.accept();
  world.loop.advance(1s);
  world.courier.turn = world.loop.paced() + 1min;
  const MessageId waits = world.accept();
  world.loop.advance(1s);
  CHECK(world.why(waits).find("waits for its turn until") != std::string::npos);
  world.loop.advance(20s);  // the first one fails
  CHECK(world.why(waits).find("had trouble: connection refused") != std::string::npos);
  CHECK(world.courier.asked == 1);
  world.courier.fails = false;
  // An operator's retry passes the back-off, and not the limit.
  CHECK(world.shard.retry([&](const Lane&, const Job& job) { return job.message->id == waits; }) == 1);
  world.loop.advance(1s);
  CHECK(world.courier.asked == 2);
  CHECK(world.courier.finished == 0);
  CHECK(world.why(waits).find("had trouble: connection refused") != std::string::npos);
  world.loop.advance(1min);
  CHECK(world.courier.finished == 1);
  CHECK(world.shard.jobs() == 1);  // the first has its own time
}

TEST_CASE("a lane whose last message failed for good is forgotten when its back-off ends") {
  Limited world(0);
  world.shard.start(world.courier);
  world.courier.fails = world.courier.expired = true;
  world.accept();
  world.loop.advance(1min);
  CHECK(world.shard.lanes() == 1);  // what it learned counts still
  world.loop.advance(1h);
  CHECK(world.shard.lanes() == 0);
}

TEST_CASE("what waits for a turn looks again when the limits are others, trouble or not") {
  Limited world(0);
  world.shard.start(world.courier);
  world.courier.turn = world.loop.paced() + 24h;
  for (int i = 0; i < 50; ++i) world.accept();
  world.loop.advance(1min);
  CHECK(world.courier.asked <= 5);  // those that set out together
  world.courier.turn = {};
  world.shard.ask_limits();
  world.loop.advance(1min);
  CHECK(world.courier.finished == 50);
}
