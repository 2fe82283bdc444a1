// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/db_recorder.hpp"

#include <doctest.h>

#include <cstdlib>
#include <filesystem>

#include "event/event_loop.hpp"
#include "event/run.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;

namespace {

struct TempDir {
  TempDir() {
    char name[] = "/tmp/recorder-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~TempDir() { std::filesystem::remove_all(path); }
  std::string path;
};

SessionRecord session() {
  SessionRecord record;
  record.when = SystemTime{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};
  record.recipient_domain = "b.example";
  record.facts.emplace();
  record.facts->starttls = StartTls::established;
  return record;
}

std::uint64_t successes(event::EventLoop& loop, DbRecorder& recorder) {
  using List = std::vector<PolicyCount>;
  std::function<Expected<List>(Store&)> query = [](Store& store) {
    return store.policies("2026-03-01", "b.example");
  };
  const Expected<List> list = event::run_until_done(loop, recorder.ask<List>(loop, std::move(query)));
  REQUIRE(list);
  return list->empty() ? 0 : list->front().success;
}

}  // namespace

TEST_CASE("D-25 each session is counted once, by the time somebody asks and across a restart") {
  const TempDir dir;
  event::EventLoop loop;
  for (int start = 1; start <= 2; ++start) {
    auto store = Store::open(dir.path + "/tlsrpt.db");
    REQUIRE(store);
    DbRecorder recorder(std::move(*store));
    for (int i = 0; i < 2500; ++i) recorder.count(session());
    CHECK(successes(loop, recorder) == static_cast<std::uint64_t>(2500 * start));
    CHECK(recorder.dropped() == 0);
  }
}

TEST_CASE("D-25 a database that cannot be written loses counts and blocks nobody") {
  const TempDir dir;
  event::EventLoop loop;
  auto store = Store::open(dir.path + "/tlsrpt.db");
  REQUIRE(store);
  REQUIRE(store->run("CREATE TRIGGER broken BEFORE INSERT ON policy BEGIN SELECT RAISE(ABORT, 'full'); END"));
  DbRecorder recorder(std::move(*store));
  for (int i = 0; i < 10; ++i) recorder.count(session());
  CHECK(successes(loop, recorder) == 0);
  CHECK(recorder.dropped() == 10);
}

TEST_CASE("[tls_rpt] enabled = false counts nothing, and alerts still see every session") {
  const TempDir dir;
  event::EventLoop loop;
  auto store = Store::open(dir.path + "/tlsrpt.db");
  REQUIRE(store);
  int seen = 0;
  DbRecorder recorder(std::move(*store));
  recorder.set_counting(false);
  recorder.observe([&seen](const SessionRecord&) { ++seen; });
  CHECK(successes(loop, recorder) == 0);  // the observer is in place now
  for (int i = 0; i < 10; ++i) recorder.count(session());
  CHECK(successes(loop, recorder) == 0);
  CHECK(seen == 10);
  CHECK(recorder.counted() == 0);
  CHECK(recorder.dropped() == 0);
}
