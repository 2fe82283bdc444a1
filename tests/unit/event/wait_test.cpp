// SPDX-License-Identifier: Apache-2.0
//
// What coroutines wait for: time, limits, signals, permits, single answers; on virtual time.
#include "event/wait.hpp"

#include <doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "counted.hpp"
#include "event/run.hpp"
#include "event/semaphore.hpp"
#include "event/sim_loop.hpp"

namespace sealpost::event {
namespace {

using namespace std::chrono_literals;

Task<void> note_after(Loop& loop, Duration time, std::string& log, char name) {
  co_await sleep_for(loop, time);
  log += name;
}

TEST_CASE("sleep wakes in order of time, equal times in order of falling asleep") {
  SimLoop loop;
  std::string log;
  TaskScope scope(loop);
  scope.spawn(note_after(loop, 3s, log, 'd'));
  scope.spawn(note_after(loop, 1s, log, 'b'));
  scope.spawn(note_after(loop, 1s, log, 'c'));
  scope.spawn(note_after(loop, 0s, log, 'a'));
  scope.spawn(note_after(loop, Duration::max(), log, 'x'));
  const SteadyTime begun = loop.now();
  loop.advance(2s);
  CHECK(log == "abc");
  loop.advance(1s);
  CHECK(log == "abcd");
  CHECK(loop.now() - begun == 3s);
  CHECK(scope.size() == 1);
}

// ---- within
// -----------------------------------------------------------------------------------------------------

Task<Expected<int>> answer_after(Loop& loop, Duration time, int value) {
  const Counted held;
  co_await sleep_for(loop, time);
  co_return value;
}
Task<Expected<int>> answer_now(int value) { co_return value; }
Task<Expected<int>> throws_after(Loop& loop, Duration time) {
  co_await sleep_for(loop, time);
  throw std::runtime_error("broken host");
}
Task<Expected<int>> limited(Loop& loop, Duration limit, Duration work) {
  auto result = co_await within(loop, limit, answer_after(loop, work, 7));
  co_return result;
}
Task<Expected<int>> limited_now(Loop& loop) {
  auto result = co_await within(loop, 0s, answer_now(8));
  co_return result;
}
Task<Expected<int>> limited_throw(Loop& loop) {
  auto result = co_await within(loop, 10s, throws_after(loop, 1s));
  co_return result;
}
Task<Expected<int>> limited_twice(Loop& loop, Duration outer) {
  auto result = co_await within(loop, outer, limited(loop, 5s, 60s));
  co_return result;
}

TEST_CASE("within gives the result in time, or destroys the work and says timed_out") {
  SimLoop loop;
  SteadyTime begun = loop.now();
  auto in_time = run_until_done(loop, limited(loop, 10s, 4s));
  REQUIRE(in_time);
  CHECK(*in_time == 7);
  CHECK(loop.now() - begun == 4s);

  begun = loop.now();
  auto late = run_until_done(loop, limited(loop, 10s, 11s));
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Errc::timed_out);
  CHECK(loop.now() - begun == 10s);
  CHECK(Counted::alive() == 0);

  auto unlimited = run_until_done(loop, limited(loop, Duration::max(), 24h));
  CHECK(unlimited);
  auto at_once = run_until_done(loop, limited_now(loop));
  CHECK(*at_once == 8);
  CHECK_THROWS_AS((void)run_until_done(loop, limited_throw(loop)), std::runtime_error);
}

TEST_CASE("the nearer of two limits counts") {
  SimLoop loop;
  for (const auto& [outer, expected] : {std::pair<Duration, Duration>{3s, 3s}, {30s, 5s}}) {
    const SteadyTime begun = loop.now();
    auto result = run_until_done(loop, limited_twice(loop, outer));
    CHECK_FALSE(result);
    CHECK(loop.now() - begun == expected);
  }
  CHECK(Counted::alive() == 0);
}

Task<void> million_limits(Loop& loop, long& sum) {
  for (int i = 0; i < 1'000'000; ++i) {
    auto one = co_await within(loop, 1s, answer_now(1));
    sum += *one;
  }
}

TEST_CASE("a million limits that were not needed do not grow the stack") {
  SimLoop loop;
  long sum = 0;
  run_until_done(loop, million_limits(loop, sum));
  CHECK(sum == 1'000'000);
}

// ---- signal
// -----------------------------------------------------------------------------------------------------

Task<void> wait_twice(Signal& signal, std::string& log, char name) {
  co_await signal.wait();
  log += name;
  co_await signal.wait();
  log += name;
}

TEST_CASE("a signal wakes all who wait, first come first, and keeps nothing") {
  SimLoop loop;
  Signal signal(loop);
  std::string log;
  TaskScope scope(loop);
  signal.notify();  // nobody waits: lost
  scope.spawn(wait_twice(signal, log, 'a'));
  scope.spawn(wait_twice(signal, log, 'b'));
  scope.spawn(wait_twice(signal, log, 'c'));
  loop.settle();
  CHECK(log.empty());
  signal.notify();
  CHECK(log.empty());  // notify() only queues
  loop.settle();
  CHECK(log == "abc");
  signal.notify();
  loop.settle();
  CHECK(log == "abcabc");
  CHECK(scope.size() == 0);
}

// ---- semaphore
// --------------------------------------------------------------------------------------------------

Task<void> hold_permit(Loop& loop, Semaphore& semaphore, Duration time, std::string& log, char name) {
  auto permit = co_await semaphore.acquire();
  log += name;
  co_await sleep_for(loop, time);
}

TEST_CASE("a semaphore admits so many at once, in order") {
  SimLoop loop;
  Semaphore semaphore(loop, 2);
  std::string log;
  TaskScope scope(loop);
  for (const char name : {'a', 'b', 'c', 'd', 'e'}) scope.spawn(hold_permit(loop, semaphore, 10s, log, name));
  loop.settle();
  CHECK(log == "ab");
  CHECK(semaphore.waiting() == 3);
  CHECK_FALSE(semaphore.try_acquire());
  loop.advance(10s);
  CHECK(log == "abcd");
  loop.advance(10s);
  CHECK(log == "abcde");
  loop.advance(10s);
  CHECK(semaphore.in_use() == 0);
}

TEST_CASE("nobody overtakes those who wait, and a larger limit admits at once") {
  SimLoop loop;
  Semaphore semaphore(loop, 1);
  std::string log;
  TaskScope scope(loop);
  scope.spawn(hold_permit(loop, semaphore, 10s, log, 'a'));
  scope.spawn(hold_permit(loop, semaphore, 10s, log, 'b'));
  loop.settle();
  semaphore.set_limit(2);
  CHECK_FALSE(semaphore.try_acquire());  // the second permit is b's
  loop.settle();
  CHECK(log == "ab");
  semaphore.set_limit(0);
  loop.advance(10s);
  CHECK(semaphore.in_use() == 0);
  CHECK_FALSE(semaphore.try_acquire());
}

TEST_CASE("a waiter destroyed with its permit on the way gives it back") {
  SimLoop loop;
  Semaphore semaphore(loop, 1);
  std::string log;
  TaskScope last(loop);
  TaskScope middle(loop);
  auto held = semaphore.try_acquire();
  REQUIRE(held);
  middle.spawn(hold_permit(loop, semaphore, 1s, log, 'm'));
  loop.settle();
  last.spawn(hold_permit(loop, semaphore, 1s, log, 'l'));
  loop.settle();
  held->release();  // granted to 'm', who has not run yet
  CHECK(semaphore.in_use() == 1);
  middle.cancel();
  loop.settle();
  CHECK(log == "l");
}

// ---- one shot
// ---------------------------------------------------------------------------------------------------

Task<std::string> answer_of(OneShot<std::string>& shot) {
  std::string text = co_await shot;
  co_return text;
}

TEST_CASE("one shot: sent before, sent while waiting, sent twice, sent too late") {
  SimLoop loop;
  {
    OneShot<std::string> shot(loop);
    const auto sender = shot.sender();
    sender.send("first");
    sender.send("second");
    CHECK(run_until_done(loop, answer_of(shot)) == "first");
  }
  {
    OneShot<std::string> shot(loop);
    loop.post([sender = shot.sender()] { sender.send_here("here"); });
    CHECK(run_until_done(loop, answer_of(shot)) == "here");
  }
  std::optional<OneShot<Counted>> shot(std::in_place, loop);
  const auto sender = shot->sender();
  sender.send(Counted());
  shot.reset();
  loop.settle();
  sender.send_here(Counted());
  CHECK(Counted::alive() == 0);
}

}  // namespace
}  // namespace sealpost::event
