// SPDX-License-Identifier: Apache-2.0
//
// Cancellation is destruction: every awaiter is destroyed at every point where its coroutine can be
// suspended. The balance of Counted shows frames destroyed twice or never; AddressSanitizer shows the rest.
#include <doctest.h>

#include <functional>
#include <string>

#include "counted.hpp"
#include "event/blocking_pool.hpp"
#include "event/event_loop.hpp"
#include "event/line_stream.hpp"
#include "event/listener.hpp"
#include "event/run.hpp"
#include "event/semaphore.hpp"
#include "event/sim_loop.hpp"
#include "event/sim_network.hpp"
#include "event/socket_stream.hpp"

namespace sealpost::event {
namespace {

using namespace std::chrono_literals;

// Runs the scenario to its end once to count its steps, then as often as there are steps, destroying it after
// each number of them. What it left behind on the loop must do no harm.
using Scenario = std::function<Task<void>(Loop&)>;

int run_steps(const Scenario& scenario, int steps) {
  SimLoop loop;
  int taken = 0;
  {
    TaskScope scope(loop);
    scope.spawn(scenario(loop));
    while (taken < steps && scope.size() > 0 && loop.step()) ++taken;
    if (steps == INT_MAX) CHECK(scope.size() == 0);
  }
  loop.run();  // an answer on its way to a waiter that is gone is dropped here
  CHECK(Counted::alive() == 0);
  return taken;
}

void destroy_everywhere(const Scenario& scenario) {
  const int all = run_steps(scenario, INT_MAX);
  CHECK(all > 1);
  for (int steps = 0; steps < all; ++steps) {
    CAPTURE(steps);
    run_steps(scenario, steps);
  }
}

// ---- one coroutine for each awaiter
// -----------------------------------------------------------------------------

Task<void> sleeps(Loop& loop) {
  const Counted frame;
  co_await yield(loop);
  co_await sleep_for(loop, 1s);
  co_await sleep_until(loop, loop.now() + 1s);
}

Task<Expected<int>> slow_answer(Loop& loop, Counted) {
  co_await sleeps(loop);
  co_return 1;
}
Task<void> limits(Loop& loop) {
  const Counted frame;
  const std::chrono::milliseconds limits_to_try[] = {1ms, 1500ms, 10000ms};
  for (const auto limit : limits_to_try) {
    auto result = co_await within(loop, limit, slow_answer(loop, Counted()));
    if (result && limit < 2s) throw std::runtime_error("limit passed unnoticed");
  }
}

Task<void> notifies(Loop& loop, Signal& signal) {
  const Counted frame;
  co_await sleep_for(loop, 1s);
  signal.notify();
}
Task<void> signals(Loop& loop) {
  const Counted frame;
  Signal signal(loop);
  TaskScope scope(loop);
  scope.spawn(notifies(loop, signal));
  co_await signal.wait();
}

Task<void> holds(Loop& loop, Semaphore& semaphore) {
  const Counted frame;
  auto permit = co_await semaphore.acquire();
  co_await sleep_for(loop, 1s);
}
Task<void> permits(Loop& loop) {
  const Counted frame;
  Semaphore semaphore(loop, 1);
  TaskScope scope(loop);
  for (int i = 0; i < 3; ++i) scope.spawn(holds(loop, semaphore));
  co_await yield(loop);
  auto permit = co_await semaphore.acquire();
  co_await scope.join();
}

Task<void> one_shots(Loop& loop) {
  const Counted frame;
  OneShot<Counted> shot(loop);
  shot.sender().send(Counted());
  const Counted got = co_await shot;
}

Task<void> joins(Loop& loop) {
  const Counted frame;
  TaskScope scope(loop);
  scope.spawn(sleeps(loop));
  scope.spawn(limits(loop));
  co_await scope.join();
}

Task<void> blocking_work(Loop& loop) {
  const Counted frame;
  InlinePool pool;
  const std::function<Expected<Counted>()> work = [] { return Counted(); };
  auto result = co_await run_blocking<Counted>(pool, loop, work);
}

Task<void> echo_lines(std::unique_ptr<Stream> stream) {
  const Counted frame;
  LineStream lines(std::move(stream));
  for (;;) {
    auto line = co_await lines.line(100, 5s);
    if (!line) co_return;
    lines.put(line->text);
    lines.put("\r\n");
    auto sent = co_await lines.flush(5s);
    if (!sent) co_return;
  }
}
Task<void> dialogue(Loop& loop) {
  const Counted frame;
  SimNetwork network(loop, 7, Endpoint());
  SimLink link;
  link.latency = 3ms;
  link.slice = 3;
  link.window = 16;
  network.set_link(link);
  TaskScope servers(loop);
  const Endpoint at(IpAddress(), 25);
  network.listen(at, [&](std::unique_ptr<Stream> stream) { servers.spawn(echo_lines(std::move(stream))); });
  auto stream = co_await network.connect(at, 10s);
  LineStream lines(std::move(*stream));
  const char* const commands[] = {"EHLO me\r\n", "a line longer than the window of the wire\r\n"};
  for (const char* text : commands) {
    auto sent = co_await lines.send(text, 5s);
    auto line = co_await lines.line(100, 5s);
    if (!line) throw std::runtime_error(line.error().detail);
  }
  auto silence = co_await lines.line(100, 1s);
  lines.close();
  auto end = co_await lines.fill(1s);
  co_await servers.join();
}

TEST_CASE("every awaiter, destroyed at every suspension point") {
  struct Row {
    const char* name;
    Scenario scenario;
  };
  const Row rows[] = {
      {"sleep", sleeps},       {"within", limits}, {"signal", signals},    {"semaphore", permits},
      {"one shot", one_shots}, {"join", joins},    {"dialogue", dialogue}, {"blocking work", blocking_work}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    destroy_everywhere(row.scenario);
  }
}

// ---- the same on real sockets
// -----------------------------------------------------------------------------------

Task<void> real_dialogue(EventLoop& loop, Endpoint at, bool& done) {
  const Counted frame;
  SocketConnector connector(loop);
  auto stream = co_await connector.connect(at, 10s);
  if (!stream) throw std::runtime_error(stream.error().detail);
  LineStream lines(std::move(*stream));
  for (int i = 0; i < 3; ++i) {
    auto sent = co_await lines.send("EHLO me\r\n", 5s);
    auto line = co_await lines.line(100, 5s);
    if (!line) throw std::runtime_error(line.error().detail);
  }
  auto late = co_await lines.line(100, 1ms);
  lines.close();
  auto end = co_await lines.fill(5s);
  done = true;
}

// Stops the loop after so many of its turns.
void stop_after(Loop& loop, int turns) {
  if (turns == 0) return loop.stop();
  loop.post([&loop, turns] { stop_after(loop, turns - 1); });
}

TEST_CASE("a dialogue on sockets, destroyed after every number of turns") {
  bool done = false;
  for (int turns = 0; turns < 400 && !done; ++turns) {
    CAPTURE(turns);
    EventLoop loop;
    auto socket = listen_on(*Endpoint::parse("127.0.0.1:0"));
    REQUIRE(socket);
    {
      TaskScope scope(loop);
      auto listener = Listener::start(loop, std::move(*socket), [&](std::unique_ptr<Stream> stream) {
        scope.spawn(echo_lines(std::move(stream)));
      });
      REQUIRE(listener);
      scope.spawn(real_dialogue(loop, (*listener)->local(), done));
      stop_after(loop, turns);
      loop.run();
    }
    CHECK(Counted::alive() == 0);
    stop_after(loop, 2);
    loop.run();
  }
}

}  // namespace
}  // namespace sealpost::event
