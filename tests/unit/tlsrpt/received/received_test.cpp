// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/received/received.hpp"

#include <doctest.h>

#include "../sending/sending.hpp"
#include "base/gzip.hpp"
#include "base/text.hpp"
#include "tlsrpt/counting/overview.hpp"
#include "tlsrpt/received/received_aside.hpp"
#include "tlsrpt/received/report_file.hpp"
#include "tlsrpt/received/taking.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;

namespace {

const SystemTime read_on{std::chrono::sys_days{std::chrono::year{2026} / 3 / 2}};

ReceivedReport report(const std::string& id, const std::string& day, std::uint64_t success,
                      std::uint64_t failure) {
  ReceivedReport made;
  made.organization = "Noord";
  made.report_id = id;
  made.day = day;
  made.domain = "home.example";
  made.begins = from_rfc3339(day + "T00:00:00Z").value();
  made.ends = made.begins + std::chrono::seconds(86399);
  ReceivedPolicy policy;
  policy.domain = "home.example";
  policy.type = "sts";
  policy.policy_string = {"mode: enforce"};
  policy.success = success;
  policy.failure = failure;
  if (failure > 0) {
    ReceivedFailure detail;
    detail.detail.result_type = "certificate-expired";
    detail.detail.mx_host = "mx1.home.example";
    detail.count = failure;
    policy.failures.push_back(detail);
  }
  made.policies.push_back(policy);
  return made;
}

std::string mail_with(const std::string& type, const std::string& name, const std::string& octets) {
  return "From: tls@noord.example\r\nSubject: Report Domain: home.example\r\nMIME-Version: 1.0\r\n"
         "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"b "
         "1\"\r\n\r\nPreamble.\r\n--b 1\r\n"
         "Content-Type: text/plain\r\n\r\nA report.\r\n--b 1\r\nContent-Type: " +
         type + "\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"" +
         name + "\"\r\n\r\n" + text::base64(octets) + "\r\n--b 1--\r\nEpilogue.\r\n";
}

}  // namespace

TEST_CASE("a report is taken once; another organization may use the same id") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  REQUIRE(store);
  Received received(*store);
  CHECK(received.add(report("r1", "2026-03-01", 10, 2), "r1.json", read_on).value() == Added::taken);
  CHECK(received.add(report("r1", "2026-03-01", 10, 2), "again.json", read_on).value() == Added::known);
  CHECK(received.of_day("2026-03-01", "home.example", "", 10)->size() == 1);
  auto other = report("r1", "2026-03-01", 1, 0);
  other.organization = "Zuid";
  CHECK(received.add(other, "r1.json", read_on).value() == Added::taken);
  const auto rows = received.of_day("2026-03-01", "home.example", "", 10);
  REQUIRE(rows->size() == 2);
  CHECK(rows->front().organization == "Noord");
  CHECK(rows->front().policy.failures.at(0).count == 2);
  CHECK(received.of_day("2026-03-01", "home.example", "Zuid", 10)->size() == 1);
}

TEST_CASE("how others reach us has the same view as how we reach them, and does not mix with it") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  Received received(*store);
  REQUIRE(received.add(report("r1", "2026-03-01", 100, 0), "", read_on));
  REQUIRE(received.add(report("r2", "2026-03-02", 5, 5), "", read_on));
  OverviewFilter filter;
  CHECK(overview(*store, filter)->empty());
  filter.way = Way::to_us;
  const auto lines = overview(*store, filter);
  REQUIRE(lines->size() == 2);
  CHECK(lines->front().day == "2026-03-02");
  CHECK(lines->front().organization == "Noord");
  CHECK(lines->front().before.success == 100);
  CHECK(lines->front().worst.result_type == "certificate-expired");
  filter.organization = "Zuid";
  CHECK(overview(*store, filter)->empty());
  CHECK(newest_day(*store, Way::to_us, "home.example").value() == "2026-03-02");
  CHECK(newest_day(*store, Way::to_them, "home.example").value().empty());
}

TEST_CASE("D-23 a report that cannot be kept whole is not kept at all") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  REQUIRE(store->run(
      "CREATE TRIGGER full BEFORE INSERT ON received_failure BEGIN SELECT RAISE(ABORT, 'full'); END"));
  CHECK_FALSE(Received(*store).add(report("r1", "2026-03-01", 1, 1), "", read_on));
  REQUIRE(store->run("DROP TRIGGER full"));
  CHECK(Received(*store).add(report("r1", "2026-03-01", 1, 1), "", read_on).value() == Added::taken);
}

TEST_CASE("D-23 the same id on two days or for two domains is two reports, and none is lost for another") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  Received received(*store);
  CHECK(received.add(report("daily", "2026-03-01", 10, 0), "", read_on).value() == Added::taken);
  CHECK(received.add(report("daily", "2026-03-02", 10, 0), "", read_on).value() == Added::taken);
  auto other = report("daily", "2026-03-01", 10, 0);
  other.domain = other.policies[0].domain = "home.test";
  CHECK(received.add(other, "", read_on).value() == Added::taken);
  CHECK(received.of_day("2026-03-01", "home.example", "", 10)->size() == 1);
  CHECK(received.of_day("2026-03-01", "home.test", "", 10)->size() == 1);
  CHECK(received.of_day("2026-03-02", "home.example", "", 10)->size() == 1);
  CHECK(received.add(report("daily", "2026-03-01", 10, 0), "", read_on).value() == Added::known);
  CHECK(received.add(report("daily", "2026-03-01", 11, 0), "", read_on).value() == Added::differs);
  CHECK(received.of_day("2026-03-01", "home.example", "", 10)->front().policy.success == 10);
}

TEST_CASE("what could not be taken is kept aside once, within bounds") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  Aside aside(*store);
  KeptAside about;
  about.file = "a.json";
  about.why = "no";
  about.read_at = read_on;
  const auto id = aside.keep(about, std::string("\0x", 2)).value();
  about.why = "still no";
  CHECK(aside.keep(about, std::string("\0x", 2)).value() == id);
  REQUIRE(aside.list()->size() == 1);
  CHECK(aside.list()->front().why == "still no");
  CHECK(aside.octets(id).value() == std::string("\0x", 2));
  CHECK_FALSE(aside.octets(id + 1).value());
  CHECK(aside.forget(id).value());
  CHECK_FALSE(aside.forget(id).value());
  REQUIRE(store->run("BEGIN"));
  for (std::size_t i = 0; i < Aside::most_pieces; ++i) {
    REQUIRE(store->run(("INSERT INTO received_aside(file,piece,why,read_at,sha256,octets) VALUES('','',''," +
                        std::to_string(i) + ",'" + std::to_string(i) + "',x'00')")
                           .c_str()));
  }
  REQUIRE(store->run("COMMIT"));
  CHECK(aside.keep(about, "newest").has_value());
  CHECK(aside.list()->size() == Aside::most_pieces);
  CHECK(aside.list()->front().file == "a.json");
  for (int i = 0; i < 7; ++i) {  // each of 10 MiB
    about.read_at += std::chrono::seconds(1);
    REQUIRE(aside.keep(about, std::string(10u << 20, static_cast<char>('a' + i))));
  }
  CHECK(aside.list()->size() == 6);
}

TEST_CASE("T-46 what strangers bring, by mail or HTTPS, drives nothing out that an operator has kept aside") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  Aside aside(*store);
  KeptAside mine, mailed;
  mine.file = "a.json";
  mine.read_at = read_on;
  mailed.file = std::string(mail_file) + "id";
  mailed.read_at = read_on + std::chrono::hours(1);
  REQUIRE(aside.keep(mine, "mine"));
  for (int i = 0; i < 7; ++i) {  // each of 10 MiB
    mailed.file = std::string(i % 2 == 0 ? mail_file : posted_file) + "id";
    REQUIRE(aside.keep(mailed, std::string(10u << 20, static_cast<char>('a' + i))));
  }
  const auto kept = aside.list().value();
  CHECK(kept.size() == 7);  // six of strangers
  CHECK(kept.back().file == "a.json");
}

namespace {

std::string json_of(const std::string& id, SystemTime day) {
  return R"({"organization-name":"Noord","contact-info":"tls@noord.example","report-id":")" + id +
         R"(","date-range":{"start-datetime":")" + to_utc_day(day) + R"(T00:00:00Z","end-datetime":")" +
         to_utc_day(day) + R"(T23:59:59Z"},"policies":[{"policy":{"policy-type":"sts","policy-domain":)" +
         R"("home.example"},"summary":{"total-successful-session-count":1,"total-failure-session-count":0}}]})";
}

TakenPiece::State state_of(Store& store, const std::string& octets) {
  return take_reports(store, octets, "a.json", {}, read_on)->front().state;
}

}  // namespace

TEST_CASE(
    "a report of a day more than two days ahead, which would never be forgotten, is refused and kept aside") {
  using namespace std::chrono_literals;
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  CHECK(state_of(*store, json_of("1", read_on + 48h)) == TakenPiece::State::taken);
  CHECK(state_of(*store, json_of("2", read_on + 72h)) == TakenPiece::State::refused);
  CHECK(state_of(*store, json_of("3", read_on + 24h * 365 * 1000)) == TakenPiece::State::refused);
  CHECK(state_of(*store, json_of("4", read_on - 24h * 365)) == TakenPiece::State::taken);  // retention has it
  const auto aside = Aside(*store).list().value();
  REQUIRE(aside.size() == 2);
  CHECK(aside.front().why.find("/date-range: its day, ") == 0);
}

TEST_CASE("T-46 strangers' mail takes so much of the disk in a day, and no more; a copy takes nothing") {
  using namespace std::chrono_literals;
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  const std::string one = json_of("1", read_on), two = json_of("2", read_on), three = json_of("3", read_on);
  StrangersRoom room(2 * one.size() + 1);
  const auto take = [&](const std::string& octets, SystemTime when) {
    return take_reports(*store, octets, "mail x", {}, when, &room);
  };
  REQUIRE(take(one, read_on));
  CHECK(take(one, read_on)->front().state == TakenPiece::State::known);
  REQUIRE(take(two, read_on));
  const auto full = take(three, read_on);
  REQUIRE_FALSE(full);
  CHECK(full.error().code == Errc::no_space);
  CHECK(take_reports(*store, three, "a.json", {}, read_on));  // an operator's file is nobody else's
  CHECK_FALSE(take(json_of("4", read_on), read_on + 1h));
  CHECK_FALSE(take(json_of("4", read_on), read_on - 24h * 365));  // a clock that goes back makes no room
  CHECK(take(json_of("4", read_on), read_on + 24h));
  // What is kept aside counts.
  REQUIRE(take("\x1f\x8b" + std::string(one.size() - 10, 'x'), read_on + 24h));
  CHECK_FALSE(take(json_of("5", read_on), read_on + 24h));
}

TEST_CASE("D-01 nothing is taken when it cannot be made to be on disk before it is said") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  // SQLite changes that in no transaction that is under way, and says so.
  REQUIRE(store->run("BEGIN"));
  CHECK_FALSE(take_reports(*store, json_of("1", read_on), "a.json", {}, read_on));
  REQUIRE(store->run("COMMIT"));
  CHECK(take_reports(*store, json_of("1", read_on), "a.json", {}, read_on)->front().state ==
        TakenPiece::State::taken);
}

TEST_CASE("the report is found in JSON, gzip and mail, whatever its type is called") {
  const std::string json = " {\"report-id\":\"x\"}";
  const auto found = [](const std::string& octets) {
    const auto reports = reports_in_file(octets);
    if (!reports) return "!" + reports.error().detail;
    return reports->front().problem.empty() ? reports->front().octets : "!" + reports->front().problem;
  };
  CHECK(found(json) == json);
  CHECK(found(gzip(json)) == json);
  CHECK(found(mail_with("application/tlsrpt+gzip", "a!b!1!2.json.gz", gzip(json))) == json);
  CHECK(found(mail_with("application/tlsrpt+json", "a!b!1!2.json", json)) == json);
  CHECK(found(mail_with("application/octet-stream", "a!b!1!2.json.gz", gzip(json))) == json);
  CHECK(found(mail_with("application/gzip", "", gzip(json))) == json);
  const std::string forwarded =
      "Content-Type: message/rfc822\r\n\r\n" + mail_with("application/tlsrpt+gzip", "x.json.gz", gzip(json));
  CHECK(found(forwarded) == json);
  CHECK(found("hello").find("holds no TLS report") == 1);
  CHECK(found(mail_with("text/html", "x.html", "<p>")).starts_with("!holds no TLS report"));
}

TEST_CASE("T-46 a gzip bomb ends at the bound, by itself and in a mail") {
  const auto problem = [](const std::string& octets) { return reports_in_file(octets)->front().problem; };
  const std::string bomb = gzip(std::string(30u << 20, ' '));
  CHECK(problem(bomb).starts_with("more than "));
  CHECK(problem(mail_with("application/tlsrpt+gzip", "x.json.gz", bomb)).starts_with("more than "));
  // Ratio: small in absolute numbers, but nothing real packs like this.
  CHECK(unpack_report(gzip(std::string(9u << 20, ' '))).error().code == Errc::too_long);
  CHECK(unpack_report(gzip(std::string(60'000, ' '))));
  CHECK(reports_in_file(std::string(most_file_octets + 1, ' ')).error().code == Errc::too_long);
  CHECK(problem(gzip("{}").substr(0, 12)) == "not a complete gzip file");
  // Many of them: work is bounded for the file as a whole, and the rest is named.
  std::string mail = "Content-Type: multipart/mixed; boundary=x\r\n\r\n";
  for (int i = 0; i < 90; ++i)
    mail += "--x\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
            text::base64(bomb) + "\r\n";
  const auto many = reports_in_file(mail + "--x--\r\n");
  CHECK(many->size() < 20);
  CHECK(many->back().name == "all from here on");
}
