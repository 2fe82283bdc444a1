// SPDX-License-Identifier: Apache-2.0
#include "app/loop_watch.hpp"

#include <doctest.h>

#include <algorithm>
#include <future>
#include <thread>

#include "event/event_loop.hpp"
#include "event/run.hpp"

using namespace sealpost;
using namespace std::chrono_literals;
namespace ev = sealpost::event;  // libevent has a struct of this name

namespace {

// A loop on a thread of its own, which can be made to stand still.
struct Worker {
  Worker() : thread([this] { loop.run(); }) {}
  ~Worker() {
    go_on.set_value();
    loop.stop();
    thread.join();
  }
  void stand_still() {
    loop.post([&on = go_on] { on.get_future().wait(); });
  }
  ev::EventLoop loop;
  std::promise<void> go_on;
  std::thread thread;
};

bool names(const Health& health, const std::string& cause) {
  const auto troubles = health.list();
  return std::any_of(troubles.begin(), troubles.end(), [&](const auto& one) { return one.cause == cause; });
}

ev::Task<void> until_well(ev::Loop& loop, app::LoopWatch& watch) {
  for (;;) {
    const bool all = co_await watch.ask_all();
    if (all) co_return;
    co_await ev::sleep_for(loop, 1ms);
  }
}

ev::Task<void> stop_when_told(ev::Loop& loop, Health& told) {
  while (told.well()) co_await ev::sleep_for(loop, 1ms);
  loop.stop();
}

}  // namespace

TEST_CASE(
    "there is a sign of life only when every loop turns; one that stands still is named until it turns "
    "again") {
  ev::EventLoop home;
  Health health;
  Worker first, second;
  app::LoopWatch watch(home, {{"worker 1", &first.loop}, {"worker 2", &second.loop}}, 20ms, health, [] {});
  ev::run_until_done(home, until_well(home, watch));
  CHECK(health.well());

  std::promise<void> go_on;
  second.loop.post([&go_on] { go_on.get_future().wait(); });
  const bool all = ev::run_until_done(home, watch.ask_all());
  CHECK_FALSE(all);
  CHECK(names(health, "thread worker 2"));

  go_on.set_value();
  ev::run_until_done(home, until_well(home, watch));
  CHECK(health.well());
}

TEST_CASE("the service manager hears of life again and again, and nothing while a worker stands still") {
  ev::EventLoop home;
  Health health;
  Worker worker;
  int signs = 0;
  app::LoopWatch watch(home, {{"worker 1", &worker.loop}}, 5ms, health, [&] {
    if (++signs == 3) home.stop();
  });
  {
    ev::TaskScope scope(home);
    scope.spawn(watch.run());
    home.run();
  }
  CHECK(signs == 3);

  worker.stand_still();
  signs = 0;
  {
    ev::TaskScope scope(home);
    scope.spawn(watch.run());
    scope.spawn(stop_when_told(home, health));
    home.run();
  }
  CHECK(signs == 0);
  CHECK_FALSE(health.well());
}
