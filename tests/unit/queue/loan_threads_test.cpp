// SPDX-License-Identifier: Apache-2.0
//
// Loans between four workers on threads of their own, while somebody looks at their queues.
#include <doctest.h>

#include <array>
#include <atomic>
#include <future>
#include <thread>

#include "event/event_loop.hpp"
#include "messages.hpp"
#include "queue/dispatcher.hpp"
#include "queue/loan.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace std::chrono_literals;

namespace {

class CountingCourier final : public Courier {
 public:
  CountingCourier(event::Loop& loop, std::atomic<int>& left, std::atomic<int>& helped)
      : loop_(loop), left_(left), helped_(helped) {}
  event::Task<void> serve(Lane& lane) override {
    for (JobPtr job = lane.take(); job; job = lane.take()) {
      co_await event::sleep_for(loop_, pause);
      deliver(lane, std::move(job));
    }
  }
  event::Task<bool> assist(Loan& loan) override {
    bool more = true;
    while (more) {
      JobPtr job = loan.take();
      if (!job) {
        more = co_await loan.wait_for_work();
        continue;
      }
      co_await event::sleep_for(loop_, pause);
      ++helped_;
      if (job->recipients.size() == 1 && helped_ % 7 == 0) {
        job->reason = "again";
        job->next_attempt = loop_.wall();
        loan.defer(std::move(job));
      } else {
        deliver(loan, std::move(job));
      }
    }
    co_return true;
  }

 private:
  static constexpr Duration pause = std::chrono::microseconds(100);
  void deliver(JobOwner& owner, JobPtr job) {
    owner.succeeded(Duration::zero());
    owner.finish(std::move(job));
    --left_;
  }
  event::Loop& loop_;
  std::atomic<int>& left_;
  std::atomic<int>& helped_;
};

}  // namespace

TEST_CASE("loans between four threads, with an observer") {
  constexpr int count = 5000;
  std::atomic<int> left{count}, helped{0}, looking{0};
  const Schedule schedule{ScheduleSettings{}};
  struct Worker {
    Worker(const Schedule& schedule, std::atomic<int>& left, std::atomic<int>& helped)
        : courier(loop, left, helped), shard(loop, ShardSettings(), schedule) {}
    event::EventLoop loop;
    CountingCourier courier;
    Shard shard;
    std::thread thread;
  };
  std::array<std::unique_ptr<Worker>, 4> workers;
  std::vector<Shard*> shards;
  for (auto& worker : workers) {
    worker = std::make_unique<Worker>(schedule, left, helped);
    shards.push_back(&worker->shard);
  }
  Dispatcher dispatcher(shards, RouteTable(), schedule);
  for (auto& worker : workers) worker->shard.start(worker->courier);
  for (auto& worker : workers) {
    std::promise<void> running;  // until then the loop is this thread's
    worker->loop.post([&running] { running.set_value(); });
    worker->thread = std::thread([&loop = worker->loop] { loop.run(); });
    running.get_future().wait();
  }
  const SystemTime now = workers[0]->loop.wall();
  for (int i = 0; i < count; ++i) dispatcher.accepted(test::message_to({"u@flood.example"}, now));
  for (int waited = 0; waited < 60'000 && left > 0; ++waited) {
    std::this_thread::sleep_for(1ms);
    if (looking > 0) continue;
    for (Shard* shard : shards) {
      ++looking;
      shard->loop().post([shard, &looking] {
        std::vector<QueueEntry> entries;
        shard->list(entries, 50);
        --looking;
      });
    }
  }
  for (auto& worker : workers) worker->loop.stop();
  for (auto& worker : workers) worker->thread.join();
  CHECK(left == 0);
  CHECK(helped > 0);
}
