// SPDX-License-Identifier: Apache-2.0
//
// Task by itself: laziness, values, exceptions, ownership of frames, and a stack that does not grow.
#include "event/task.hpp"

#include <doctest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "counted.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"

namespace sealpost::event {
namespace {

constexpr int million = 1'000'000;

Task<int> ready_value(int value) { co_return value; }
Task<void> ready_nothing() { co_return; }
Task<int> yielding_value(Loop& loop, int value) {
  co_await yield(loop);
  co_return value;
}

Task<long> add_ready(int times) {
  long sum = 0;
  for (int i = 0; i < times; ++i) {
    co_await ready_nothing();
    sum += co_await ready_value(1);
  }
  co_return sum;
}

Task<long> add_yielding(Loop& loop, int times) {
  long sum = 0;
  for (int i = 0; i < times; ++i) {
    const int value = co_await yielding_value(loop, 1);
    sum += value + co_await ready_value(0);
  }
  co_return sum;
}

Task<int> nested(Loop& loop, int depth) {
  if (depth == 0) {
    co_await yield(loop);
    co_return 0;
  }
  const int below = co_await nested(loop, depth - 1);
  co_return below + 1;
}

Task<int> fails_at_once() {
  throw std::runtime_error("at once");
  co_return 0;
}
Task<int> fails_later(Loop& loop) {
  co_await yield(loop);
  throw std::runtime_error("later");
}
Task<std::string> catches(Loop& loop) {
  std::string seen;
  try {
    co_await fails_at_once();
  } catch (const std::runtime_error& e) {
    seen += e.what();
  }
  try {
    co_await fails_later(loop);
  } catch (const std::runtime_error& e) {
    seen += std::string(", ") + e.what();
  }
  co_return seen;
}
Task<int> passes_on(Loop& loop) {
  const Counted here;
  const int value = co_await fails_later(loop);
  co_return value;
}

Task<std::unique_ptr<int>> move_only(std::unique_ptr<int> in) {
  *in += 1;
  co_return in;
}

Task<void> mark(bool& ran, Counted) {
  ran = true;
  co_return;
}

TEST_CASE("a million ready awaits do not grow the stack, in every build type") {
  SimLoop loop;
  CHECK(run_until_done(loop, add_ready(million)) == million);
}

TEST_CASE("a million awaits that suspend do not grow the stack either") {
  SimLoop loop;
  CHECK(run_until_done(loop, add_yielding(loop, million)) == million);
}

TEST_CASE("a thousand frames deep, resumed from the bottom") {
  SimLoop loop;
  CHECK(run_until_done(loop, nested(loop, 1000)) == 1000);
}

TEST_CASE("a task is lazy, and destroying one that never ran frees its parameters") {
  bool ran = false;
  {
    const Task<void> task = mark(ran, Counted());
    CHECK(task.valid());
    CHECK(Counted::alive() == 1);
  }
  CHECK_FALSE(ran);
  CHECK(Counted::alive() == 0);
}

TEST_CASE("exceptions reach who awaits, at once or later") {
  SimLoop loop;
  CHECK(run_until_done(loop, catches(loop)) == "at once, later");
  CHECK_THROWS_WITH_AS(run_until_done(loop, passes_on(loop)), "later", std::runtime_error);
  CHECK(Counted::alive() == 0);
}

TEST_CASE("values that only move pass through") {
  SimLoop loop;
  auto result = run_until_done(loop, move_only(std::make_unique<int>(41)));
  CHECK(*result == 42);
}

TEST_CASE("moving a task moves the frame, assigning destroys the old one") {
  bool first = false, second = false;
  Task<void> a = mark(first, Counted());
  Task<void> b = mark(second, Counted());
  CHECK(Counted::alive() == 2);
  a = std::move(b);
  CHECK(Counted::alive() == 1);
  CHECK(a.valid());
  CHECK_FALSE(b.valid());  // NOLINT: what a moved-from task looks like is what is tested
  SimLoop loop;
  run_until_done(loop, std::move(a));
  CHECK_FALSE(first);
  CHECK(second);
  CHECK(Counted::alive() == 0);
}

}  // namespace
}  // namespace sealpost::event
