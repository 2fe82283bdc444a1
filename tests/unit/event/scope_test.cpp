// SPDX-License-Identifier: Apache-2.0
//
// TaskScope: who owns tasks that nobody awaits.
#include <doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "counted.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "event/wait.hpp"

namespace sealpost::event {
namespace {

using namespace std::chrono_literals;

Task<void> sleeper(Loop& loop, Duration time, int& finished, Counted) {
  co_await sleep_for(loop, time);
  ++finished;
}
Task<void> quick(int& finished, Counted) {
  ++finished;
  co_return;
}
Task<void> fails(Loop& loop) {
  co_await yield(loop);
  throw std::runtime_error("broken host");
}
Task<void> join_then_note(TaskScope& scope, std::string& log) {
  co_await scope.join();
  log += "joined with " + std::to_string(Counted::alive()) + " alive";
}
Task<void> spawns(TaskScope& scope, int depth, int& finished) {
  if (depth > 0) scope.spawn(spawns(scope, depth - 1, finished));
  ++finished;
  co_return;
}

TEST_CASE("spawn returns before the task runs a line; finished tasks are reaped a turn later") {
  SimLoop loop;
  int finished = 0;
  TaskScope scope(loop);
  scope.spawn(quick(finished, Counted()));
  CHECK(finished == 0);
  CHECK(scope.size() == 1);
  loop.step();
  CHECK(finished == 1);
  CHECK(scope.size() == 0);
  CHECK(Counted::alive() == 1);  // the frame is still there: its own call chain may be on the stack
  loop.step();
  CHECK(Counted::alive() == 0);
}

TEST_CASE("ten thousand tasks come and go") {
  SimLoop loop;
  int finished = 0;
  TaskScope scope(loop);
  for (int i = 0; i < 10'000; ++i)
    scope.spawn(sleeper(loop, std::chrono::milliseconds(i % 97), finished, Counted()));
  CHECK(scope.size() == 10'000);
  loop.run();
  CHECK(finished == 10'000);
  CHECK(scope.size() == 0);
  CHECK(Counted::alive() == 0);
}

TEST_CASE("cancel destroys what is unfinished, the destructor too") {
  SimLoop loop;
  int finished = 0;
  {
    TaskScope scope(loop);
    for (const auto time : {1s, 2s, 3s}) scope.spawn(sleeper(loop, time, finished, Counted()));
    loop.advance(1s);
    CHECK(finished == 1);
    scope.cancel();
    CHECK(scope.size() == 0);
    CHECK(Counted::alive() == 0);
    scope.spawn(sleeper(loop, 1s, finished, Counted()));  // and it can be used again
    loop.advance(1s);
    CHECK(finished == 2);
    scope.spawn(sleeper(loop, 9s, finished, Counted()));
    scope.spawn(quick(finished, Counted()));  // never started
  }
  CHECK(Counted::alive() == 0);
  loop.run();
  CHECK(loop.dry());
  CHECK(finished == 2);
}

TEST_CASE("join waits until all are finished and reaped, later ones included") {
  SimLoop loop;
  int finished = 0;
  std::string log;
  TaskScope scope(loop);
  TaskScope others(loop);
  others.spawn(join_then_note(scope, log));
  loop.settle();
  CHECK(log == "joined with 0 alive");  // nothing to wait for
  log.clear();
  scope.spawn(sleeper(loop, 1s, finished, Counted()));
  scope.spawn(sleeper(loop, 5s, finished, Counted()));
  others.spawn(join_then_note(scope, log));
  loop.advance(4s);
  CHECK(log.empty());
  scope.spawn(sleeper(loop, 10s, finished, Counted()));
  loop.advance(2s);
  CHECK(log.empty());
  loop.advance(8s);
  CHECK(log == "joined with 0 alive");
}

TEST_CASE("cancel lets a joiner go on; a joiner may be destroyed first") {
  SimLoop loop;
  int finished = 0;
  std::string log;
  TaskScope scope(loop);
  TaskScope others(loop);
  scope.spawn(sleeper(loop, 1h, finished, Counted()));
  others.spawn(join_then_note(scope, log));
  loop.settle();
  scope.cancel();
  loop.settle();
  CHECK(log == "joined with 0 alive");
  scope.spawn(sleeper(loop, 1h, finished, Counted()));
  others.spawn(join_then_note(scope, log));
  loop.settle();
  others.cancel();
  scope.cancel();
  loop.run();
  CHECK(log == "joined with 0 alive");
}

TEST_CASE("a task may spawn into its own scope") {
  SimLoop loop;
  int finished = 0;
  TaskScope scope(loop);
  scope.spawn(spawns(scope, 5000, finished));
  loop.run();
  CHECK(finished == 5001);
}

TEST_CASE(
    "an exception that escapes a task reaches the owner, also when the scope dies before it is reaped") {
  SimLoop loop;
  std::vector<std::string> failures;
  const auto keep = [&](const std::exception_ptr& failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::runtime_error& e) {
      failures.emplace_back(e.what());
    }
  };
  {
    TaskScope scope(loop, keep);
    scope.spawn(fails(loop));
    loop.run();
    CHECK(failures.size() == 1);
    scope.spawn(fails(loop));
    loop.step();  // starts and yields
    loop.step();  // throws
  }
  CHECK(failures == std::vector<std::string>{"broken host", "broken host"});
}

TEST_CASE("the owner may destroy the scope when it hears of a failure") {
  SimLoop loop;
  int finished = 0;
  std::unique_ptr<TaskScope> scope;
  scope = std::make_unique<TaskScope>(loop, [&](const std::exception_ptr&) { scope.reset(); });
  scope->spawn(sleeper(loop, 1h, finished, Counted()));
  scope->spawn(fails(loop));
  loop.run();
  CHECK_FALSE(scope);
  CHECK(Counted::alive() == 0);
}

}  // namespace
}  // namespace sealpost::event
