// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/store.hpp"

#include <doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "../../temporary_directory.hpp"
#include "tlsrpt/counting/overview.hpp"
#include "tlsrpt/received/received.hpp"
#include "tlsrpt/sending/report.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;

namespace {

CountedEntry entry(const std::string& domain, bool success, const std::string& failure = {}) {
  CountedEntry counted;
  counted.key.day = "2026-03-01";
  counted.key.domain = domain;
  counted.key.type = "sts";
  counted.key.policy_domain = domain;
  counted.key.policy_string = {"version: STSv1", "mode: enforce"};
  counted.key.mx_hosts = {"mx." + domain};
  counted.success = success;
  if (!failure.empty()) {
    FailureDetail detail;
    detail.result_type = failure;
    detail.mx_host = "mx." + domain;
    counted.failures.push_back(detail);
  }
  return counted;
}

std::size_t asides(const std::string& directory) {
  std::size_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    found += name.starts_with("tlsrpt.db.damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
                 ? 1u
                 : 0u;
  }
  return found;
}

}  // namespace

TEST_CASE("counts add up across batches and openings") {
  const TemporaryDirectory dir;
  for (int i = 0; i < 3; ++i) {
    auto store = Store::open(dir.path() + "/tlsrpt.db");
    REQUIRE(store);
    REQUIRE(store->add({entry("b.example", true), entry("b.example", false, "certificate-expired")}));
  }
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  const auto policies = store->policies("2026-03-01", "b.example");
  REQUIRE(policies);
  REQUIRE(policies->size() == 1);
  CHECK(policies->front().success == 3);
  CHECK(policies->front().failure == 3);
  REQUIRE(policies->front().details.size() == 1);
  CHECK(policies->front().details[0].count == 3);
}

TEST_CASE("R7 a detail without a session of its own leaves the summary alone") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  auto counted = entry("b.example", false, "dnssec-invalid");
  counted.session = false;
  REQUIRE(store->add({counted}));
  const auto policies = store->policies("2026-03-01", "b.example");
  CHECK(policies->front().failure == 0);
  CHECK(policies->front().details[0].count == 1);
}

TEST_CASE("T-54 quotes and hostile text are data") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  auto counted = entry("b'; DROP TABLE policy; --", false, "x'\"\\");
  counted.failures[0].mx_helo = std::string("a\0b", 3);
  REQUIRE(store->add({counted}));
  CHECK(overview(*store, OverviewFilter())->size() == 1);
}

TEST_CASE("D-23 a damaged database is put aside and begun anew") {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/tlsrpt.db";
  std::ofstream(path) << std::string(8192, 'x');
  auto store = Store::open(path);
  REQUIRE(store);
  CHECK(store->add({entry("b.example", true)}));
  CHECK(asides(dir.path()) == 1);
}

TEST_CASE("D-26 a newer schema is refused and left untouched") {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/tlsrpt.db";
  { auto store = Store::open(path); }
  sqlite3* raw = nullptr;
  sqlite3_open(path.c_str(), &raw);
  sqlite3_exec(raw, "PRAGMA user_version=99", nullptr, nullptr, nullptr);
  sqlite3_close(raw);
  const auto store = Store::open(path);
  REQUIRE_FALSE(store);
  CHECK(store.error().code == Errc::newer);
  CHECK(asides(dir.path()) == 0);
}

TEST_CASE("RPT-02 the report has the members of RFC 8460 and none that is unknown") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  REQUIRE(store->add({entry("b.example", true), entry("b.example", false, "certificate-expired")}));
  const auto policies = store->policies("2026-03-01", "b.example");
  ReportIdentity identity;
  identity.organization = "Example Org";
  identity.contact = "tls@example.net";
  const auto report = build_report(identity, "2026-03-01", "b.example", *policies);
  CHECK(report["organization-name"] == "Example Org");
  CHECK(report["date-range"]["start-datetime"] == "2026-03-01T00:00:00Z");
  CHECK(report["date-range"]["end-datetime"] == "2026-03-01T23:59:59Z");
  CHECK(report["contact-info"] == "tls@example.net");
  REQUIRE(report["policies"].is_array());
  const auto& policy = report["policies"][0];
  CHECK(policy["policy"]["policy-type"] == "sts");
  CHECK(policy["policy"]["mx-host"].is_array());
  CHECK(policy["summary"]["total-successful-session-count"] == 1);
  CHECK(policy["summary"]["total-failure-session-count"] == 1);
  const auto& detail = policy["failure-details"][0];
  CHECK(detail["failed-session-count"] == 1);
  CHECK_FALSE(detail.contains("sending-mta-ip"));
  CHECK_FALSE(detail.contains("failure-reason-code"));
  CHECK(report.dump().find("null") == std::string::npos);
}

TEST_CASE("D-26 a database of version 1 gets its new column and keeps its rows") {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/tlsrpt.db";
  {
    auto store = Store::open(path);
    REQUIRE(store->add({entry("b.example", true)}));
    REQUIRE(store->run(
        "DROP INDEX report_job_tried; ALTER TABLE report_job DROP COLUMN destination; "
        "INSERT INTO report_job VALUES('2026-03-01','b.example','mailto:r@c.example','waiting',0,0,0,'');"
        "PRAGMA user_version=1"));
  }
  auto store = Store::open(path);
  REQUIRE(store);
  CHECK(overview(*store, OverviewFilter())->size() == 1);
  CHECK(store->statement("SELECT destination FROM report_job WHERE domain='b.example'"));
  CHECK(asides(dir.path()) == 0);
}

TEST_CASE("D-26 before a migration a sound copy of the old database is kept") {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/tlsrpt.db";
  {
    auto store = Store::open(path);
    REQUIRE(store->add({entry("b.example", true)}));
    REQUIRE(
        store->run("DROP VIEW certificates; DROP TABLE certificate; DROP VIEW both_ways; DROP VIEW alerts; "
                   "DROP TABLE alert; PRAGMA user_version=2"));
  }
  { REQUIRE(Store::open(path)); }
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open_v2((path + ".v2").c_str(), &raw, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK);
  const sqlite::ConnectionPtr copy(raw);
  const auto number = [&](const char* sql) {
    sqlite3_stmt* statement = nullptr;
    REQUIRE(sqlite3_prepare_v2(raw, sql, -1, &statement, nullptr) == SQLITE_OK);
    const StatementPtr query(statement);
    REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
    return sqlite3_column_int(statement, 0);
  };
  CHECK(number("PRAGMA user_version") == 2);
  CHECK(number("SELECT count(*) FROM policy") == 1);
  auto store = Store::open(path);
  CHECK(store->statement("SELECT expires FROM certificates"));
  CHECK(overview(*store, OverviewFilter())->size() == 1);
}

TEST_CASE("D-26 reports received under version 3 keep their rows, and their key is widened") {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/tlsrpt.db";
  {
    auto store = Store::open(path);
    REQUIRE(store->run(
        "PRAGMA foreign_keys=OFF;"
        "DROP VIEW received_reports; DROP VIEW received_sessions; DROP VIEW received_failures; DROP VIEW "
        "both_ways;"
        "DROP VIEW received_kept_aside; DROP TABLE received_aside; DROP VIEW refusals; DROP TABLE refusal;"
        "DROP TABLE received_report;"
        "CREATE TABLE received_report (id INTEGER PRIMARY KEY, organization TEXT NOT NULL, report_id TEXT "
        "NOT NULL,"
        " contact TEXT NOT NULL, begins INTEGER NOT NULL, ends INTEGER NOT NULL, day TEXT NOT NULL, file "
        "TEXT NOT NULL,"
        " read_at INTEGER NOT NULL, notes TEXT NOT NULL, UNIQUE (organization, report_id)) STRICT;"
        "CREATE INDEX received_report_day ON received_report(day);"
        "INSERT INTO policy_text VALUES(1,'[]');"
        "INSERT INTO received_report VALUES(7,'Noord','r1','',100,200,'2026-03-01','f',300,'[]');"
        "INSERT INTO received_policy VALUES(9,7,'b.example.','sts',1,1,5,2),(10,7,'a.example','sts',1,1,1,0);"
        "INSERT INTO received_failure VALUES(11,9,'certificate-expired','','mx','','','','',2);"
        "PRAGMA user_version=3"));
  }
  auto store = Store::open(path);
  REQUIRE(store);
  CHECK(std::filesystem::exists(path + ".v3"));
  Received received(*store);
  const auto rows = received.of_day("2026-03-01", "b.example", "", 10);
  REQUIRE(rows->size() == 1);  // without its last dot
  CHECK(rows->front().policy.success == 5);
  CHECK(rows->front().policy.failures.at(0).count == 2);
  ReceivedReport report;
  report.organization = "Noord";
  report.report_id = "r1";
  report.day = "2026-03-01";
  report.domain = "a.example b.example";
  report.begins = SystemTime(std::chrono::seconds(100));
  report.ends = SystemTime(std::chrono::seconds(200));
  CHECK(received.add(report, "", report.ends).value() == Added::known);
  report.begins = report.ends;
  CHECK(received.add(report, "", report.ends).value() == Added::taken);
  REQUIRE(store->run(
      "DELETE FROM received_report WHERE id=7"));  // its policies and failures go with it, as before
  CHECK(received.of_day("2026-03-01", "b.example", "", 10)->empty());
  CHECK(asides(dir.path()) == 0);
}

TEST_CASE("D-26 where no copy can be written the old database is left as it is") {
  const TemporaryDirectory dir;
  const std::string path = dir.path() + "/tlsrpt.db";
  {
    auto store = Store::open(path);
    REQUIRE(store->add({entry("b.example", true)}));
    REQUIRE(store->run("PRAGMA user_version=2"));
  }
  std::filesystem::create_directories(path + ".v2/in-the-way");
  const auto store = Store::open(path);
  REQUIRE_FALSE(store);
  CHECK(store.error().code == Errc::unavailable);
  CHECK(asides(dir.path()) == 0);
  std::filesystem::remove_all(path + ".v2");
  CHECK(Store::open(path));
}

TEST_CASE("a batch is folded: many sessions, few rows, the same sums") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  std::vector<CountedEntry> batch;
  for (int i = 0; i < 1000; ++i) {
    batch.push_back(entry("b.example", true));
    batch.push_back(entry("b.example", false, i % 2 == 0 ? "certificate-expired" : "tlsa-invalid"));
  }
  REQUIRE(store->add(batch));
  const auto policies = store->policies("2026-03-01", "b.example");
  REQUIRE(policies->size() == 1);
  CHECK(policies->front().success == 1000);
  CHECK(policies->front().failure == 1000);
  REQUIRE(policies->front().details.size() == 2);
  CHECK(policies->front().details[0].count == 500);
  CHECK(policies->front().details[1].count == 500);
}
