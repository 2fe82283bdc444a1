// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/retention.hpp"

#include <doctest.h>

#include "../sending/sending.hpp"
#include "base/shared_clock.hpp"
#include "tlsrpt/counting/overview.hpp"
#include "tlsrpt/received/received.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;
using namespace sealpost::tlsrpt::test;
using namespace std::chrono_literals;

namespace {

std::int64_t number(Store& store, const char* sql) {
  auto query = store.statement(sql);
  REQUIRE(query);
  REQUIRE(sqlite3_step(query->get()) == SQLITE_ROW);
  return sqlite3_column_int64(query->get(), 0);
}

void fill(Store& store, const std::string& day, int domains) {
  Tally tally;
  for (int i = 0; i < domains; ++i) {
    PolicyKey key;
    key.day = day;
    key.domain = "d" + std::to_string(i) + ".example";
    key.type = "sts";
    key.policy_domain = key.domain;
    key.policy_string = {"policy of " + key.domain + " on " + day, std::string(200, 'x')};
    PolicyTally& sum = tally[key];
    sum.failure = 1;
    FailureDetail detail;
    detail.result_type = "certificate-expired";
    sum.failures[detail] = 1;
  }
  REQUIRE(store.add_folded(tally));
}

}  // namespace

TEST_CASE("old days go with everything that hangs on them, and the file shrinks") {
  const TemporaryDirectory dir;
  event::SimLoop loop(event::SimLoop::default_start + 5h);  // 2026-01-05
  DirectStore db(dir.path() + "/tlsrpt.db");
  fill(db.store(), "2025-12-01", 6000);
  fill(db.store(), "2026-01-04", 10);
  ReceivedReport report;
  report.organization = "Noord";
  for (const char* day : {"2025-09-01", "2025-12-01"}) {
    report.report_id = report.day = day;
    report.policies.resize(1);
    report.policies[0].policy_string = {std::string("received on ") + day};
    REQUIRE(Received(db.store()).add(report, "", loop.wall()));
  }
  const auto pages = number(db.store(), "PRAGMA page_count");
  RetentionSettings settings;
  SUBCASE("given back") {}
  SUBCASE("kept for later use") { settings.vacuum_pages = 0; }
  Retention retention(loop, db, settings);
  event::TaskScope scope(loop);
  scope.spawn(retention.once());
  loop.advance(1min);
  CHECK(number(db.store(), "SELECT count(*) FROM policy") == 10);
  CHECK(number(db.store(), "SELECT count(*) FROM failure") == 10);
  CHECK(number(db.store(), "SELECT count(*) FROM received_report") == 1);
  CHECK(number(db.store(), "SELECT count(*) FROM received_policy") == 1);
  CHECK(number(db.store(), "SELECT count(*) FROM policy_text") == 10 + 2);  // and the received one, and "[]"
  CHECK(number(db.store(), "PRAGMA foreign_keys") == 1);
  const auto left = number(db.store(), "PRAGMA page_count");
  const bool given_back = settings.vacuum_pages > 0;
  CHECK((left < pages / 2) == given_back);
  CHECK(number(db.store(), "PRAGMA integrity_check('policy')") == 0);  // "ok" is no number
}

TEST_CASE("what is within its days stays") {
  const TemporaryDirectory dir;
  event::SimLoop loop(event::SimLoop::default_start + 5h);
  DirectStore db(dir.path() + "/tlsrpt.db");
  fill(db.store(), "2025-12-07", 3);  // 29 days ago
  Retention retention(loop, db, RetentionSettings());
  event::TaskScope scope(loop);
  scope.spawn(retention.run());
  loop.advance(12h);
  CHECK(overview(db.store(), OverviewFilter())->size() == 3);
  loop.advance(48h);
  CHECK(overview(db.store(), OverviewFilter())->empty());
}

TEST_CASE("T-50 a clock that steps ahead makes nothing old") {
  const TemporaryDirectory dir;
  event::SimLoop loop(event::SimLoop::default_start + 5h);
  SharedClock clock(loop.wall() - 24h, std::nullopt, loop.wall(), loop.now());
  loop.ask_clock(&clock);
  DirectStore db(dir.path() + "/tlsrpt.db");
  fill(db.store(), "2025-12-07", 3);
  Retention retention(loop, db, RetentionSettings());
  event::TaskScope scope(loop);
  scope.spawn(retention.run());
  loop.advance(1min);
  for (const Duration step : {Duration(10 * 365 * 24h), Duration(8 * 24h), Duration(-10 * 365 * 24h)}) {
    loop.shift_wall(step);
    loop.advance(3h);
    CHECK(overview(db.store(), OverviewFilter())->size() == 3);
    loop.shift_wall(-step);
    loop.advance(1min);
  }
  loop.advance(60h);
  CHECK(overview(db.store(), OverviewFilter())->empty());
}
