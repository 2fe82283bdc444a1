// SPDX-License-Identifier: Apache-2.0
//
// Places that a lane with much due mail lends to other workers: four shards on one simulated loop (on threads:
// loan_threads_test.cpp).
#include "queue/loan.hpp"

#include <doctest.h>

#include <algorithm>
#include <map>

#include "event/sim_loop.hpp"
#include "messages.hpp"
#include "queue/dispatcher.hpp"
#include "queue/filter.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace std::chrono_literals;

namespace {

// What the couriers of all workers do, and what they have done.
struct Script {
  std::chrono::milliseconds takes{1000};
  bool connects = true;          // for help
  std::uint32_t trouble_at = 0;  // the helper's job with this number loses its connection
  bool helper_defers = false;
  bool helper_hangs = false;
  JobOwner::Onward helper_moves;  // into another lane
  bool tells_success = true;      // which ends a back-off
  std::uint32_t running = 0, most_running = 0, helping = 0, most_helping = 0;
  std::uint32_t by_lane = 0, by_help = 0;
  std::map<MessageId, int> delivered;
  std::map<std::string, SystemTime> first_of;
};

class ScriptedCourier final : public Courier {
 public:
  ScriptedCourier(event::Loop& loop, Script& script) : loop_(loop), script_(script) {}
  event::Task<void> serve(Lane& lane) override {
    script_.most_running = std::max(script_.most_running, ++script_.running);
    for (JobPtr job = lane.take(); job; job = lane.take()) {
      script_.first_of.emplace(lane.key().next_hop, loop_.wall());
      co_await event::sleep_for(loop_, script_.takes);
      ++script_.by_lane;
      deliver(lane, std::move(job));
    }
    --script_.running;
  }
  event::Task<bool> assist(Loan& loan) override {
    if (!script_.connects) co_return false;
    script_.most_running = std::max(script_.most_running, ++script_.running);
    script_.most_helping = std::max(script_.most_helping, ++script_.helping);
    bool more = true;
    while (more) {
      JobPtr job = loan.take();
      if (!job) {
        more = co_await loan.wait_for_work();
        continue;
      }
      if (script_.helper_hangs) co_await event::sleep_for(loop_, 1h);
      co_await event::sleep_for(loop_, script_.takes);
      ++script_.by_help;
      if (script_.by_help == script_.trouble_at) {
        job->next_attempt = loop_.wall() + 100s;
        loan.trouble(loop_.wall() + 100s, "connection lost", Trouble::connection);
        loan.defer(std::move(job));
        break;
      }
      if (script_.helper_moves) {
        auto copy = std::make_unique<Job>(*job);
        copy->next_attempt = loop_.paced() + 1h;
        loan.move(std::move(job), std::move(copy), script_.helper_moves);
        continue;
      }
      if (script_.helper_defers) {
        job->next_attempt = loop_.wall() + 1h;
        job->reason = "greylisted";
        loan.defer(std::move(job));
        continue;
      }
      deliver(loan, std::move(job));
    }
    --script_.running;
    --script_.helping;
    co_return true;
  }

 private:
  void deliver(JobOwner& owner, JobPtr job) {
    ++script_.delivered[job->message->id];
    if (script_.tells_success) owner.succeeded(Duration(script_.takes));
    owner.finish(std::move(job));
  }
  event::Loop& loop_;
  Script& script_;
};

ShardSettings usual_places() {
  ShardSettings settings;
  settings.concurrency.most = settings.concurrency.usual;
  return settings;
}

struct LoanWorld {
  explicit LoanWorld(ShardSettings settings = usual_places()) {
    std::vector<Shard*> all;
    for (std::size_t i = 0; i < 4; ++i) {
      shards.push_back(std::make_unique<Shard>(loop, settings, schedule));
      couriers.push_back(std::make_unique<ScriptedCourier>(loop, script));
      all.push_back(shards.back().get());
    }
    dispatcher = std::make_unique<Dispatcher>(all, RouteTable(), schedule);
    for (std::size_t i = 0; i < 4; ++i) shards[i]->start(*couriers[i]);
  }
  void accept(unsigned count, const std::string& recipient = "u@flood.example") {
    for (unsigned i = 0; i < count; ++i) dispatcher->accepted(test::message_to({recipient}, loop.wall()));
  }
  Shard& home(const std::string& domain = "flood.example") {
    LaneKey key;
    key.recipient_domain = key.next_hop = domain;
    return dispatcher->shard_for(key);
  }
  std::size_t jobs() const {
    std::size_t sum = 0;
    for (const auto& shard : shards) sum += shard->jobs();
    return sum;
  }
  void check_all_delivered_once(std::size_t count) const {
    CHECK(script.delivered.size() == count);
    CHECK(std::all_of(script.delivered.begin(), script.delivered.end(),
                      [](const auto& one) { return one.second == 1; }));
    CHECK(jobs() == 0);
    for (const auto& shard : shards) {
      CHECK(shard->couriers() == 0);
      CHECK(shard->lanes() == 0);
    }
  }
  event::SimLoop loop;
  Schedule schedule{ScheduleSettings{}};
  Script script;
  std::vector<std::unique_ptr<ScriptedCourier>> couriers;
  std::vector<std::unique_ptr<Shard>> shards;
  std::unique_ptr<Dispatcher> dispatcher;
};

}  // namespace

TEST_CASE("a lane with much due mail is helped by the other workers, within its own concurrency") {
  LoanWorld world;
  world.accept(2000);
  world.loop.advance(50s);
  CHECK(world.script.most_running == 20);
  CHECK(world.script.most_helping == 10);
  CHECK(world.home().couriers() == 20);
  world.loop.advance(300s);
  CHECK(world.script.by_help > 500);
  world.check_all_delivered_once(2000);
}

TEST_CASE("beyond the usual places each worker has as many as the others") {
  ShardSettings settings;
  settings.concurrency.most = 100;
  LoanWorld world(settings);
  world.accept(40'000);
  world.loop.advance(100s);
  CHECK(world.home().couriers() == 100);
  CHECK(world.script.helping >= 73);
  CHECK(world.script.helping <= 77);
  for (const auto& shard : world.shards)
    if (shard.get() != &world.home()) CHECK(shard->couriers() >= 24);
  world.loop.advance(600s);
  world.check_all_delivered_once(40'000);
}

TEST_CASE("a lane with little due mail lends nothing") {
  LoanWorld world;
  for (int i = 0; i < 100; ++i) {
    world.accept(8);
    world.loop.advance(1s);
  }
  world.loop.advance(60s);
  CHECK(world.script.most_helping == 0);
  world.check_all_delivered_once(800);
}

TEST_CASE("when no other worker gets a connection, the lane uses all its places itself") {
  LoanWorld world;
  world.script.connects = false;
  world.accept(1000);
  world.loop.advance(20s);
  CHECK(world.script.running == 20);
  CHECK(world.home().couriers() == 20);
  world.loop.advance(200s);
  CHECK(world.script.by_help == 0);
  world.check_all_delivered_once(1000);
}

TEST_CASE("a helper's lost connection is the lane's trouble: everybody waits, and nothing is lost") {
  ShardSettings settings = usual_places();
  settings.concurrency.first = 20;
  LoanWorld world(settings);
  world.script.tells_success = false;
  world.script.trouble_at = 30;
  world.accept(1000);
  world.loop.advance(60s);
  const std::size_t before = world.script.delivered.size();
  CHECK(before < 500);
  CHECK(world.script.running == 0);
  world.loop.advance(30s);
  CHECK(world.script.delivered.size() == before);  // the back-off holds for those who help, too
  world.loop.advance(600s);
  world.check_all_delivered_once(1000);
}

TEST_CASE("what a helper defers waits in the lane as the helper left it") {
  LoanWorld world;
  world.script.helper_defers = true;
  world.accept(400);
  world.loop.advance(100s);
  REQUIRE(world.script.by_help > 0);
  CHECK(world.script.delivered.size() + world.script.by_help == 400);
  CHECK(world.jobs() == world.script.by_help);
  std::vector<QueueEntry> entries;
  world.home().list(entries, 1000);
  REQUIRE(entries.size() == world.script.by_help);
  for (const QueueEntry& entry : entries) {
    CHECK(entry.reason == "greylisted");
    CHECK(entry.attempts == 1);
    CHECK(entry.state == "deferred");
  }
}

TEST_CASE("T-26 jobs behind connections that hang go home, untried") {
  LoanWorld world;
  world.script.helper_hangs = true;
  world.accept(1000);
  world.loop.advance(300s);
  std::vector<QueueEntry> entries;
  world.home().list(entries, 2000);
  CHECK(entries.size() == 10);  // each helper has the one it was given
  for (const QueueEntry& entry : entries) CHECK(entry.state == "active");
  CHECK(world.script.delivered.size() == 990);
}

TEST_CASE("T-42 lent places are places: another domain gets its turn") {
  ShardSettings settings = usual_places();
  settings.couriers = 20;
  settings.quantum = 10;
  LoanWorld world(settings);
  world.accept(20000);
  world.loop.advance(30s);
  CHECK(world.home().couriers() == 20);
  std::string other = "quiet.example";
  for (int i = 0; &world.home(other) != &world.home(); ++i) other = "quiet" + std::to_string(i) + ".example";
  const SystemTime before = world.loop.wall();
  world.accept(1, "one@" + other);
  world.loop.advance(60s);
  REQUIRE(world.script.first_of.contains(other));
  CHECK(world.script.first_of.at(other) - before <= 30s);
}

TEST_CASE("D-28: lent jobs come home when the workers drain") {
  LoanWorld world;
  world.accept(1000);
  world.loop.advance(30s);
  REQUIRE(world.script.helping > 0);
  for (auto& shard : world.shards) shard->drain();
  world.loop.advance(5s);
  CHECK(world.script.running == 0);
  CHECK(world.jobs() == 1000 - world.script.delivered.size());
  std::vector<QueueEntry> entries;
  world.home().list(entries, 2000);
  CHECK(std::none_of(entries.begin(), entries.end(),
                     [](const QueueEntry& entry) { return entry.state == "active"; }));
}

TEST_CASE("D-28: a worker may go away at any moment of a loan") {
  for (int steps = 0; steps < 60; ++steps)
    for (const bool home_goes : {false, true}) {
      LoanWorld world;
      world.script.takes = 10ms;
      world.accept(500);
      for (int i = 0; i < steps; ++i) world.loop.advance(3ms);
      Shard* const home = &world.home();
      for (auto& shard : world.shards)
        if ((shard.get() == home) == home_goes) shard.reset();
      world.loop.advance(10s);  // what was posted arrives nowhere
    }
}

TEST_CASE("what is put on hold while a helper has it is held in the lane that the helper moves it to") {
  LoanWorld world;
  world.accept(2000);
  world.loop.advance(50s);
  REQUIRE(world.script.most_helping == 10);
  LaneKey gateway;
  gateway.recipient_domain = "flood.example";
  gateway.next_hop = "gw.example:25";
  gateway.gateway_rule = "Flood";
  world.script.helper_moves = world.dispatcher->into(gateway);
  std::vector<MessageId> ids;
  for (const Match& match : world.home().matches(Filter())) ids.push_back(match.id);
  std::sort(ids.begin(), ids.end());
  world.home().hold(ids, "held: all of it");
  world.loop.advance(300s);
  const Listing moved = world.dispatcher->shard_for(gateway).list(Filter(), 2000);
  std::size_t by_gateway = 0;
  for (const QueueEntry& entry : moved.entries) {
    if (entry.next_hop != "gw.example:25") continue;
    ++by_gateway;
    CHECK(entry.state == "held");
  }
  CHECK(by_gateway >= 10);  // and what else the helpers were given
  CHECK(world.jobs() + world.script.delivered.size() == 2000);
}
