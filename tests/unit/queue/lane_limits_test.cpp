// SPDX-License-Identifier: Apache-2.0
//
// What an operator allows to a domain's lanes: connections, and turns under a rate.
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
