// SPDX-License-Identifier: Apache-2.0
//
// What crosses threads: post, stop, OneShot and the pool for blocking work. Meant for ThreadSanitizer.
#include <doctest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "event/blocking_pool.hpp"
#include "event/event_loop.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"

namespace sealpost::event {
namespace {

using namespace std::chrono_literals;

TEST_CASE("posts of several threads all run, each thread's in order, and stop comes after them") {
  EventLoop loop;
  constexpr int threads = 4, posts = 5000;
  std::vector<int> last(threads, -1);
  bool in_order = true;
  int ran = 0;
  std::atomic<int> done = 0;
  std::vector<std::thread> posters;
  for (int t = 0; t < threads; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < posts; ++i) {
        loop.post([&, t, i] {
          in_order = in_order && last[static_cast<std::size_t>(t)] == i - 1;
          last[static_cast<std::size_t>(t)] = i;
          ++ran;
        });
        if (i % 500 == 0) std::this_thread::yield();
      }
      if (++done == threads) loop.stop();
    });
  }
  loop.run();
  for (auto& poster : posters) poster.join();
  CHECK(ran == threads * posts);
  CHECK(in_order);
}

TEST_CASE("a loop that waits is woken by a post and by stop, each time") {
  EventLoop loop;
  std::atomic<int> heard = 0;
  std::thread runner([&] { loop.run(); });
  for (int i = 1; i <= 300; ++i) {
    loop.post([&] { ++heard; });
    while (heard < i) std::this_thread::yield();
  }
  loop.stop();
  runner.join();
  CHECK(heard == 300);
}

TEST_CASE("a loop may be destroyed as soon as run() has returned") {
  for (int i = 0; i < 200; ++i) {
    auto loop = std::make_unique<EventLoop>();
    std::thread stopper([&loop = *loop] { loop.stop(); });
    loop->run();
    loop.reset();
    stopper.join();
  }
}

TEST_CASE("is_current tells the loop's own thread") {
  EventLoop loop;
  CHECK(loop.is_current());
  std::atomic<bool> inside = false, outside = true;
  std::thread runner([&] { loop.run(); });
  loop.post([&] {
    inside = loop.is_current();
    loop.stop();
  });
  runner.join();
  outside = loop.is_current();
  CHECK(inside);
  CHECK_FALSE(outside);
}

Task<long> sum_of_answers(EventLoop& loop, std::vector<std::thread>& helpers, int count) {
  long sum = 0;
  for (int i = 0; i < count; ++i) {
    OneShot<std::unique_ptr<int>> shot(loop);
    helpers.emplace_back([sender = shot.sender(), i] { sender.send(std::make_unique<int>(i)); });
    if (i % 3 == 0) continue;  // gone before the answer comes
    const auto answer = co_await shot;
    sum += *answer;
  }
  co_return sum;
}

TEST_CASE("one shot: values arrive from other threads, or are dropped with the waiter") {
  EventLoop loop;
  std::vector<std::thread> helpers;
  const long sum = run_until_done(loop, sum_of_answers(loop, helpers, 300));
  for (auto& helper : helpers) helper.join();
  CHECK(sum == 30'000);  // all below 300 but the multiples of three
}

// ---- blocking pool
// ----------------------------------------------------------------------------------------------

Task<void> ask_pool(BlockingPool& pool, Loop& loop, int value, std::atomic<int>& sum,
                    std::thread::id& where) {
  const std::function<Expected<int>()> work = [value, &where] {
    where = std::this_thread::get_id();
    return value;
  };
  auto result = co_await run_blocking<int>(pool, loop, work);
  if (result) sum += *result;
}

TEST_CASE("blocking work runs on another thread and comes back; inline it runs at once") {
  EventLoop loop;
  std::atomic<int> sum = 0;
  std::thread::id where;
  {
    ThreadPool pool(2, 100);
    run_until_done(loop, ask_pool(pool, loop, 42, sum, where));
  }
  CHECK(sum == 42);
  CHECK(where != std::this_thread::get_id());
  InlinePool inline_pool;
  run_until_done(loop, ask_pool(inline_pool, loop, 1, sum, where));
  CHECK(sum == 43);
  CHECK(where == std::this_thread::get_id());
}

Task<Expected<void>> run_work(BlockingPool& pool, Loop& loop, std::function<Expected<void>()> work) {
  auto result = co_await run_blocking<void>(pool, loop, std::move(work));
  co_return result;
}

TEST_CASE("a pool whose queue is full says so, exceptions come back, and closing drops what has not begun") {
  EventLoop loop;
  std::atomic<bool> go = false;
  std::atomic<int> begun = 0;
  const std::function<Expected<void>()> blocks = [&] {
    ++begun;
    while (!go) std::this_thread::yield();
    return Expected<void>();
  };
  {
    ThreadPool pool(1, 2);
    TaskScope scope(loop);
    REQUIRE(pool.submit([&] { (void)blocks(); }));
    while (begun == 0) std::this_thread::yield();
    REQUIRE(pool.submit([&] { (void)blocks(); }));
    REQUIRE(pool.submit([&] { (void)blocks(); }));
    CHECK(pool.waiting() == 2);
    auto full = run_until_done(loop, run_work(pool, loop, blocks));
    REQUIRE_FALSE(full);
    CHECK(full.error().code == Errc::unavailable);
    go = true;
  }
  CHECK(begun >= 1);
  ThreadPool pool(1, 2);
  const std::function<Expected<void>()> throws = []() -> Expected<void> {
    throw std::runtime_error("disk gone");
  };
  CHECK_THROWS_WITH_AS((void)run_until_done(loop, run_work(pool, loop, throws)), "disk gone",
                       std::runtime_error);
}

}  // namespace
}  // namespace sealpost::event
