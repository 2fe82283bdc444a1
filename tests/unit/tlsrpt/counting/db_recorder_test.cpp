// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/db_recorder.hpp"

#include <doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "../../temporary_directory.hpp"
#include "event/event_loop.hpp"
#include "event/run.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;

namespace {

SessionRecord session() {
  SessionRecord record;
  record.when = SystemTime{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};
  record.policy_domain = "b.example";
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
  const TemporaryDirectory dir;
  event::EventLoop loop;
  for (int start = 1; start <= 2; ++start) {
    auto store = Store::open(dir.path() + "/tlsrpt.db");
    REQUIRE(store);
    DbRecorder recorder(std::move(*store));
    for (int i = 0; i < 2500; ++i) recorder.count(session());
    CHECK(successes(loop, recorder) == static_cast<std::uint64_t>(2500 * start));
    CHECK(recorder.dropped() == 0);
  }
}

TEST_CASE("D-25 a database that cannot be written loses counts and blocks nobody") {
  const TemporaryDirectory dir;
  event::EventLoop loop;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  REQUIRE(store);
  REQUIRE(store->run("CREATE TRIGGER broken BEFORE INSERT ON policy BEGIN SELECT RAISE(ABORT, 'full'); END"));
  DbRecorder recorder(std::move(*store));
  for (int i = 0; i < 10; ++i) recorder.count(session());
  CHECK(successes(loop, recorder) == 0);
  CHECK(recorder.dropped() == 10);
}

TEST_CASE("[tls_rpt] enabled = false counts nothing, and alerts still see every session") {
  const TemporaryDirectory dir;
  event::EventLoop loop;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
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

TEST_CASE("D-25 T-55 what is counted while the database cannot be used is written when it can") {
  const TemporaryDirectory dir;
  event::EventLoop loop;
  const std::string path = dir.path() + "/tlsrpt.db";
  std::filesystem::create_directory(path);  // nobody can open that
  Health health;
  DbRecorder recorder(Store(path, &health));
  for (int i = 0; i < 2500; ++i) recorder.count(session());
  using Count = std::uint64_t;
  const std::function<Expected<Count>(Store&)> ask = [](Store& store) -> Expected<Count> {
    const auto list = store.policies("2026-03-01", "b.example");
    if (!list) return list.error();
    return list->empty() ? Count{0} : list->front().success;
  };
  const auto told = event::run_until_done(loop, recorder.ask<Count>(loop, ask));
  CHECK_FALSE(told);
  CHECK_FALSE(health.well());
  std::filesystem::remove(path);
  Count counted = 0;
  for (int tries = 0; tries < 200 && counted == 0; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    counted = event::run_until_done(loop, recorder.ask<Count>(loop, ask)).value_or(Count{0});
  }
  CHECK(counted == 2500);
  CHECK(recorder.dropped() == 0);
  CHECK(health.well());
}

TEST_CASE("D-25 what waits in memory is bounded in kinds, and known kinds are counted on") {
  Pending pending;
  std::size_t taken = 0;
  SessionRecord record = session();
  for (std::size_t i = 0; i < Pending::most_kinds + 10; ++i) {
    record.policy_domain = "d" + std::to_string(i) + ".example";
    taken += pending.add(record) ? 1u : 0u;
  }
  CHECK(taken == Pending::most_kinds);
  CHECK(pending.kinds() == Pending::most_kinds);
  record.policy_domain = "d0.example";
  CHECK(pending.add(record));
  CHECK(pending.sessions() == Pending::most_kinds + 1);
}

TEST_CASE("D-23 R29 of a damaged database the jobs and counts that can still be read are taken over") {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/tlsrpt.db";
  {
    auto store = Store::open(path);
    REQUIRE(store);
    std::vector<CountedEntry> entries;
    for (int i = 0; i < 2000; ++i) {
      for (CountedEntry& entry : count_session(session())) {
        entry.key.domain = "d" + std::to_string(i) + ".example";
        entries.push_back(std::move(entry));
      }
    }
    REQUIRE(store->add(entries));
    REQUIRE(
        store->run("INSERT INTO report_job(day,domain,target,state,attempts,first_attempt,next_attempt,"
                   "last_result) VALUES('2026-03-01','d1.example','mailto:r@d1.example','sent',1,0,0,'')"));
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(0, std::ios::end);
  const auto size = static_cast<long>(file.tellp());
  file.seekp(size - 8192);  // the last pages: some of the rows or of their index
  file << std::string(8192, '\x5a');
  file.close();
  Health health;
  Store store(path, &health);
  REQUIRE(store.file().open());
  for (int i = 0; i < 3; ++i) {  // damage is found where it is read
    (void)store.policies("2026-03-01", "d1999.example");
    (void)store.file().number("SELECT count(*) FROM policy NOT INDEXED");
    (void)store.file().number("SELECT count(*) FROM sessions");
    (void)store.add(count_session(session()));
    store.file().tend();
  }
  const auto left = store.file().number("SELECT count(*) FROM policy");
  REQUIRE(left);
  CHECK(*left >= 1000);
  CHECK(*store.file().number("SELECT count(*) FROM report_job") == 1);
}
