// SPDX-License-Identifier: Apache-2.0
//
// A shard behind a courier that delivers by script, on a simulated loop.
#pragma once

#include <doctest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "messages.hpp"
#include "queue/dispatcher.hpp"
#include "queue/filter.hpp"
#include "queue/shard.hpp"

namespace sealpost::queue::test {

using namespace std::chrono_literals;

// Delivers by script: how long a job takes, and what becomes of it.
class ScriptedCourier final : public Courier {
 public:
  explicit ScriptedCourier(event::Loop& loop) : loop_(loop) {}
  event::Task<void> serve(Lane& lane) override {
    ++running;
    most_running = std::max(most_running, running);
    auto& here = per_lane[lane.key().next_hop];
    here = std::max(here, lane.couriers());
    for (JobPtr job = lane.take(); job; job = lane.take()) {
      if (puts_back > 0) {  // as a courier does that finds no place, or no journal
        --puts_back;
        lane.put_back(std::move(job), loop_.paced() + 60s, "no place");
        break;
      }
      order.push_back(lane.key().next_hop);
      times.push_back(loop_.wall());
      if (lane.key().next_hop.starts_with("tarpit")) {
        co_await event::sleep_for(loop_, 300s);
        const SystemTime until = loop_.paced() + 2h;
        job->next_attempt = until;
        lane.trouble(until, "no greeting", Trouble::connection);
        lane.defer(std::move(job));
        break;
      }
      co_await event::sleep_for(loop_, takes);
      if (onward) {
        auto copy = std::make_unique<Job>(*job);
        lane.move(std::move(job), std::move(copy), std::exchange(onward, nullptr));
      } else if (defer_for > 0s) {
        job->next_attempt = loop_.paced() + defer_for;
        job->reason = "later";
        job->refused = refused;
        if (refused && job->policy_failing_since == SystemTime{}) job->policy_failing_since = loop_.paced();
        lane.defer(std::move(job));
      } else if (trouble_for > 0s) {
        job->next_attempt = loop_.wall() + trouble_for;
        lane.trouble(loop_.wall() + trouble_for, "connection refused", Trouble::connection);
        lane.defer(std::move(job));
        break;
      } else {
        lane.succeeded(Duration(takes));
        lane.finish(std::move(job));
        ++finished;
      }
    }
    --running;
  }
  void end(Lane& lane, JobPtr job, const LastWord&, std::shared_ptr<void> recorded) override {
    ended += job->recipients.size();
    if (records_after > 0s)
      journal.spawn(record(lane, std::move(job), std::move(recorded)));
    else
      lane.finish(std::move(job));
  }
  event::Task<Expected<void>> reroute(Lane& lane, JobPtr job, LaneKey to, std::string next_hop) override {
    co_await event::sleep_for(loop_, 1s);
    if (!records_reroutes) {
      lane.defer(std::move(job));
      co_return Error(Errc::no_space, "the journal is full");
    }
    rerouted.push_back(next_hop);
    auto copy = std::make_unique<Job>(*job);
    lane.move(std::move(job), std::move(copy), goes_on(to));
    co_return Expected<void>();
  }
  event::Task<void> record(Lane& lane, JobPtr job, std::shared_ptr<void> recorded) {
    co_await event::sleep_for(loop_, records_after);
    lane.finish(std::move(job));
    recorded.reset();
  }
  event::Loop& loop_;
  event::TaskScope journal{loop_};
  std::chrono::seconds records_after{0};
  std::function<JobOwner::Onward(const LaneKey&)> goes_on;  // of a reroute
  std::vector<std::string> rerouted;
  bool records_reroutes = true;
  JobOwner::Onward onward;  // where mail goes on after an attempt
  std::size_t ended = 0;
  std::shared_ptr<const PolicyRefusal> refused;
  std::chrono::seconds takes{1}, defer_for{0}, trouble_for{0};
  std::size_t puts_back = 0;  // so many jobs
  std::size_t running = 0, most_running = 0, finished = 0;
  std::vector<std::string> order;
  std::vector<SystemTime> times;
  std::map<std::string, std::uint32_t> per_lane;
};

struct World {
  explicit World(ShardSettings settings = {})
      : shard(loop, settings, schedule), dispatcher({&shard}, {}, schedule) {
    shard.start(courier);
  }
  void accept(const std::string& recipient) { dispatcher.accepted(message_to({recipient}, loop.wall())); }
  Ended end_some(Filter filter, LastWord::Kind kind, std::size_t most) {
    return event::run_until_done(loop, shard.end(std::move(filter), LastWord{kind, ""}, most));
  }
  std::size_t end(Filter filter, LastWord::Kind kind) {
    return end_some(std::move(filter), kind, 1000).recipients;
  }
  event::SimLoop loop;
  Schedule schedule{ScheduleSettings{}};
  ScriptedCourier courier{loop};
  Shard shard;
  Dispatcher dispatcher;
};

// Mail that has been tried and waits an hour: two messages with recipients in three domains, and one from nobody.
struct Backlog : World {
  Backlog() {
    courier.defer_for = 3600s;
    first = message_to({"a@x.example", "b@x.example", "c@y.example"}, loop.wall());
    second = message_to({"d@x.example"}, loop.wall());
    const auto third = message_to({"e@z.example"}, loop.wall());
    const_cast<spool::StoredMessage&>(*second).envelope.reverse_path = "Boss@Other.example";
    const_cast<spool::StoredMessage&>(*third).envelope.reverse_path = "";
    for (const auto& message : {first, second, third}) dispatcher.accepted(message);
    loop.advance(10s);
  }
  std::set<std::string> who(const Filter& filter) const {
    std::set<std::string> recipients;
    const Listing listing = shard.list(filter, 100);
    for (const auto& entry : listing.entries) recipients.insert(entry.recipient.substr(0, 1));
    CHECK(recipients.size() == listing.total);
    return recipients;
  }
  spool::StoredMessagePtr first, second;
};

using Who = std::set<std::string>;

}  // namespace sealpost::queue::test
