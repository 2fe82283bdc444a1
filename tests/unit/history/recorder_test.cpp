// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include <atomic>
#include <fstream>
#include <future>
#include <thread>

#include "../sts/scratch_directory.hpp"
#include "event/event_loop.hpp"
#include "event/run.hpp"
#include "history/db_recorder.hpp"
#include "samples.hpp"

using namespace sealpost;
using namespace sealpost::history;
using namespace std::chrono_literals;
using test::good_session;
using test::noon;

namespace {

SystemTime at_noon() { return noon; }

std::uint64_t handshakes(event::EventLoop& loop, DbRecorder& recorder) {
  std::function<Expected<std::uint64_t>(Store&)> query = [](Store& store) -> Expected<std::uint64_t> {
    const auto found = store.find(Query());
    if (!found) return found.error();
    std::uint64_t sum = 0;
    for (const Recorded& recorded : found->sessions) sum += recorded.handshakes;
    return sum;
  };
  const auto sum = event::run_until_done(loop, recorder.ask<std::uint64_t>(loop, std::move(query)));
  return sum ? *sum : 0;
}

Store opened(const test::ScratchDirectory& dir) {
  auto store = Store::open(dir.file("evidence.db"));
  REQUIRE(store);
  return std::move(*store);
}

}  // namespace

TEST_CASE("sessions are there for whoever asks, and after a restart") {
  const test::ScratchDirectory dir;
  event::EventLoop loop;
  for (int start = 1; start <= 2; ++start) {
    DbRecorder recorder(opened(dir), 90, at_noon);
    for (int i = 0; i < 1500; ++i) recorder.record(good_session());
    CHECK(handshakes(loop, recorder) == static_cast<std::uint64_t>(1500 * start));
    CHECK(recorder.recorded() == 1500);
    CHECK(recorder.dropped() == 0);
  }
}

TEST_CASE("only so many days are kept") {
  const test::ScratchDirectory dir;
  event::EventLoop loop;
  {
    Store store = opened(dir);
    Session old = good_session();
    old.when = noon - 8 * 24h;
    REQUIRE(store.add({old, good_session()}));
  }
  DbRecorder recorder(opened(dir), 7, at_noon);
  handshakes(loop, recorder);  // the first round forgets, the second sees it
  CHECK(handshakes(loop, recorder) == 1);
}

TEST_CASE("D-23 a database that cannot be written loses records and blocks nobody") {
  const test::ScratchDirectory dir;
  event::EventLoop loop;
  Store store = opened(dir);
  REQUIRE(store.file().run(
      "CREATE TRIGGER broken BEFORE INSERT ON session BEGIN SELECT RAISE(ABORT, 'full'); END"));
  DbRecorder recorder(std::move(store), 90, at_noon);
  for (int i = 0; i < 10; ++i) recorder.record(good_session());
  CHECK(handshakes(loop, recorder) == 0);
  CHECK(recorder.dropped() == 10);
  CHECK(recorder.recorded() == 0);
}

TEST_CASE("D-23 a file that turns bad while running is set aside, and recording goes on") {
  const test::ScratchDirectory dir;
  event::EventLoop loop;
  {
    DbRecorder recorder(opened(dir), 90, at_noon);
    std::vector<std::string> hosts;
    for (int i = 0; i < 200; ++i) recorder.record(good_session("b" + std::to_string(i) + ".example"));
    REQUIRE(handshakes(loop, recorder) == 200);
  }
  DbRecorder recorder(opened(dir), 90, at_noon);
  REQUIRE(handshakes(loop, recorder) == 200);
  {  // behind its back: everything after the first page
    std::fstream file(dir.file("evidence.db"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(0, std::ios::end);
    const auto size = static_cast<std::size_t>(file.tellp());
    REQUIRE(size > 8192);
    file.seekp(4096);
    file << std::string(size - 4096, '\x5a');
  }
  for (int i = 0; i < 300; ++i) recorder.record(good_session("new" + std::to_string(i) + ".example"));
  handshakes(loop, recorder);
  recorder.record(good_session("later.example"));
  CHECK(handshakes(loop, recorder) >= 1);
  CHECK(dir.count("evidence.db.damaged-") >= 1);
}

TEST_CASE("D-23 a question that throws ends neither the thread nor the relay") {
  const test::ScratchDirectory dir;
  event::EventLoop loop;
  DbRecorder recorder(opened(dir), 90, at_noon);
  std::function<Expected<int>(Store&)> query = [](Store&) -> Expected<int> {
    throw std::runtime_error("no memory");
  };
  const auto answer = event::run_until_done(loop, recorder.ask<int>(loop, std::move(query)));
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == Errc::unavailable);
  recorder.record(good_session());
  CHECK(handshakes(loop, recorder) == 1);
}

TEST_CASE("D-23 T-55 what is recorded while the database cannot be used is written when it can") {
  const test::ScratchDirectory dir;
  event::EventLoop loop;
  std::filesystem::create_directory(dir.file("evidence.db"));  // nobody can open that
  Health health;
  DbRecorder recorder(Store(dir.file("evidence.db"), &health), 90, at_noon);
  for (int i = 0; i < 500; ++i) recorder.record(good_session("b" + std::to_string(i % 5) + ".example"));
  CHECK(handshakes(loop, recorder) == 0);
  CHECK_FALSE(health.well());
  std::filesystem::remove(dir.file("evidence.db"));
  std::uint64_t found = 0;
  for (int tries = 0; tries < 200 && found == 0; ++tries) {
    std::this_thread::sleep_for(100ms);
    found = handshakes(loop, recorder);
  }
  CHECK(found == 500);
  CHECK(recorder.recorded() == 500);
  CHECK(recorder.dropped() == 0);
  CHECK(health.well());
}

namespace {

// What was spawned has begun.
void turn(event::Loop& loop) {
  const auto wait = [](event::Loop& on) -> event::Task<void> { co_await event::sleep_for(on, 1ms); };
  event::run_until_done(loop, wait(loop));
}

// A question that keeps the database's thread until it may go on.
struct Long {
  std::promise<void> begun, go_on;
  event::Task<void> ask(event::Loop& loop, DbRecorder& recorder) {
    std::function<Expected<int>(Store&)> query = [this](Store&) -> Expected<int> {
      begun.set_value();
      go_on.get_future().wait();
      return 0;
    };
    const auto answer = co_await recorder.ask<int>(loop, std::move(query));
    CHECK(answer);
  }
};

event::Task<void> ask(event::Loop& loop, DbRecorder& recorder, std::function<Expected<int>(Store&)> query) {
  const auto answer = co_await recorder.ask<int>(loop, std::move(query));
  CHECK(answer);
}

}  // namespace

TEST_CASE("D-23 however many ask, what is recorded is written between their questions") {
  const test::ScratchDirectory dir;
  event::EventLoop loop;
  Long first;
  DbRecorder recorder(opened(dir), 90, at_noon);
  event::TaskScope scope(loop);
  scope.spawn(first.ask(loop, recorder));
  turn(loop);
  first.begun.get_future().wait();
  scope.spawn(ask(loop, recorder, [&](Store&) -> Expected<int> {
    recorder.record(good_session());
    return 0;
  }));
  scope.spawn(ask(loop, recorder, [&](Store&) -> Expected<int> {
    CHECK(recorder.recorded() == 1);
    return 0;
  }));
  turn(loop);
  first.go_on.set_value();
  event::run_until_done(loop, scope.join());
}

TEST_CASE("T-26 a question that nobody waits for any more is not worked on") {
  const test::ScratchDirectory dir;
  event::EventLoop loop;
  Long first;
  std::atomic<int> run{0};
  DbRecorder recorder(opened(dir), 90, at_noon);
  event::TaskScope stays(loop);
  stays.spawn(first.ask(loop, recorder));
  turn(loop);
  first.begun.get_future().wait();
  {
    event::TaskScope leaves(loop);
    leaves.spawn(ask(loop, recorder, [&](Store&) -> Expected<int> { return ++run; }));
    stays.spawn(ask(loop, recorder, [&](Store&) -> Expected<int> { return run += 10; }));
    turn(loop);
  }
  first.go_on.set_value();
  event::run_until_done(loop, stays.join());
  CHECK(run == 10);
}
