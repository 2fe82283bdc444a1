// SPDX-License-Identifier: Apache-2.0
#include "history/days.hpp"

#include <doctest.h>
#include <sqlite3.h>

#include "../sts/scratch_directory.hpp"
#include "samples.hpp"

using namespace sealpost;
using namespace sealpost::history;
using namespace std::chrono_literals;
using test::noon;

namespace {

Session under_policy(StsMode mode, const std::string& pattern) {
  Session session = test::good_session();
  session.facts.sts.kind = StsState::Kind::policy;
  session.facts.sts.policy.emplace();
  session.facts.sts.policy->mode = mode;
  session.facts.sts.policy->mx = {pattern};
  return session;
}

Session with_dane(bool signed_mx, std::uint8_t usage = 3, const std::string& name = "mx.b.example") {
  Session session = test::good_session();
  CertificateFacts certificate = test::good_certificate("mx.b.example");
  certificate.dane.emplace();
  certificate.dane->matched_usage = usage;
  session.facts.dane.names = {name};
  session.facts.mx_secure = signed_mx;
  test::change_certificate(session, std::move(certificate));
  return session;
}

Session for_another_host() {
  Session session = test::good_session();
  test::change_certificate(session, test::good_certificate("mx.c.example"));
  return session;
}

// Sorting and indexes made on the way: what SQLite does in temporary files when there is much of it.
int add_sorting(unsigned, void* sum, void* statement, void*) {
  auto* const done = static_cast<sqlite3_stmt*>(statement);
  *static_cast<int*>(sum) += sqlite3_stmt_status(done, SQLITE_STMTSTATUS_SORT, 0) +
                             sqlite3_stmt_status(done, SQLITE_STMTSTATUS_AUTOINDEX, 0);
  return 0;
}

Protection of(const Session& session) {
  return protection_of(session.facts, session.ending.verdict, session.mx_host);
}

}  // namespace

TEST_CASE("a session counts for the strongest thing that held, and for nothing it only claimed") {
  CHECK(of(test::good_session()) == Protection::verified);
  CHECK(of(test::untrusted_session()) == Protection::encrypted);
  CHECK(of(for_another_host()) == Protection::encrypted);
  CHECK(of(test::clear_session("b.example", "mx.b.example")) == Protection::clear);
  CHECK(of(with_dane(true)) == Protection::dane);
  CHECK(of(with_dane(true, 2)) == Protection::dane);
  CHECK(of(with_dane(true, 2, "mx.c.example")) == Protection::verified);
  CHECK(of(with_dane(true, 3, "mx.c.example")) == Protection::dane);
  CHECK(of(with_dane(false)) == Protection::verified);  // RFC 7672 2.2.1: unsigned MX records led to it
  CHECK(of(under_policy(StsMode::enforce, "mx.b.example")) == Protection::mta_sts);
  CHECK(of(under_policy(StsMode::testing, "*.b.example")) == Protection::mta_sts);
  CHECK(of(under_policy(StsMode::enforce, "mx.other.example")) == Protection::verified);
  Session refused = with_dane(true);
  refused.ending.verdict = Verdict::refuse;
  CHECK(of(refused) == Protection::refused);
}

TEST_CASE("days are asked for by domain and by rule, and hosts come with the certificate shown last") {
  const test::ScratchDirectory dir;
  auto opened = Store::open(dir.file("evidence.db"));
  REQUIRE(opened);
  Store store = std::move(*opened);
  Session old = test::good_session();
  old.when = noon - 24h;
  Session by_rule = test::untrusted_session();
  by_rule.ending.partner = "Bank";
  by_rule.ending.verdict = Verdict::refuse;
  Session too_old = test::good_session();
  too_old.when = noon - 72h;
  REQUIRE(store.add({old, test::good_session(), test::good_session(), by_rule, too_old,
                     test::clear_session("c.example", "mx.c.example")}));
  DaysWanted wanted;
  wanted.since = noon - 25h;
  const auto all = days_of(store, wanted);
  REQUIRE(all);
  REQUIRE(all->days.size() == 2);
  CHECK(all->days[0].day == "2026-02-28");
  CHECK(all->days[1].sessions[static_cast<std::size_t>(Protection::verified)] == 2);
  CHECK(all->days[1].sessions[static_cast<std::size_t>(Protection::clear)] == 1);
  CHECK(all->days[1].passed == 2);
  CHECK(all->days[1].reported == 1);
  CHECK(all->days[1].refused == 1);
  REQUIRE(all->hosts.size() == 2);
  CHECK(all->hosts[0].mx_host == "mx.b.example");
  CHECK(all->hosts[0].expires == noon + std::chrono::days(60));
  CHECK(all->hosts[1].expires == SystemTime{});
  wanted.partner = "Bank";
  const auto rule = days_of(store, wanted);
  REQUIRE(rule);
  REQUIRE(rule->days.size() == 1);
  CHECK(rule->days[0].refused == 1);
  CHECK(rule->days[0].passed == 0);
  wanted.partner.clear();
  wanted.domain = "c.example";
  const auto domain = days_of(store, wanted);
  REQUIRE(domain);
  CHECK(domain->days.size() == 1);
  CHECK(domain->hosts.size() == 1);
}

TEST_CASE("T-26 nothing of the history is sorted for it, and its memory does not grow with it") {
  const test::ScratchDirectory dir;
  auto opened = Store::open(dir.file("evidence.db"));
  REQUIRE(opened);
  Store store = std::move(*opened);
  std::vector<Session> sessions;
  for (int i = 0; i < 200; ++i) sessions.push_back(test::good_session("d" + std::to_string(i) + ".example"));
  REQUIRE(store.add(sessions));
  int sorted = 0;
  {
    const auto any = store.file().statement("SELECT 1");
    REQUIRE(any);
    sqlite3_trace_v2(sqlite3_db_handle(any->get()), SQLITE_TRACE_PROFILE, add_sorting, &sorted);
  }
  DaysWanted wanted;
  wanted.since = noon - 24h;
  for (const char* domain : {"", "d7.example"}) {
    wanted.domain = domain;
    const auto found = days_of(store, wanted);
    REQUIRE(found);
    CHECK(found->days.size() == 1);
  }
  wanted.domain.clear();
  wanted.most = 10;
  CHECK(days_of(store, wanted)->cut);
  CHECK(sorted == 0);
}

TEST_CASE("T-26 where there is too much to read the newest days stay, and each is whole") {
  const test::ScratchDirectory dir;
  auto opened = Store::open(dir.file("evidence.db"));
  REQUIRE(opened);
  Store store = std::move(*opened);
  std::vector<Session> sessions{test::good_session(), test::untrusted_session(),
                                test::clear_session("c.example", "mx.c.example")};
  for (int i = 0; i < 10; ++i) {  // they lie before the others
    Session old = test::good_session("a" + std::to_string(i) + ".example");
    old.when = noon - 24h * (1 + i % 2);
    sessions.push_back(old);
  }
  REQUIRE(store.add(sessions));
  DaysWanted wanted;
  wanted.since = noon - 72h;
  const auto sums = [&](std::size_t most) {
    wanted.most = most;
    const auto found = days_of(store, wanted);
    REQUIRE(found);
    CHECK(found->cut == (most < 13));
    std::vector<std::uint64_t> all;
    for (const auto& day : found->days) all.push_back(day.passed + day.reported + day.refused);
    return all;
  };
  CHECK(sums(13) == std::vector<std::uint64_t>{5, 5, 3});
  CHECK(sums(12) == std::vector<std::uint64_t>{5, 3});
  CHECK(sums(7) == std::vector<std::uint64_t>{3});
  CHECK(sums(1) == std::vector<std::uint64_t>{3});
}

TEST_CASE("a host's certificate is the last that it showed, in whichever order its sessions lie") {
  const test::ScratchDirectory dir;
  auto opened = Store::open(dir.file("evidence.db"));
  REQUIRE(opened);
  Store store = std::move(*opened);
  Session newer = test::good_session("a.example", "mx.example"),
          older = test::good_session("b.example", "mx.example");
  CertificateFacts before = test::good_certificate("mx.example");
  before.leaf_expires = noon + 24h;
  test::change_certificate(older, before);
  older.when = noon - 1h;
  Session without = test::clear_session("0.example", "mx.example");
  REQUIRE(store.add({without, newer, older}));
  DaysWanted wanted;
  wanted.since = noon - 24h;
  const auto found = days_of(store, wanted);
  REQUIRE(found);
  REQUIRE(found->hosts.size() == 1);
  CHECK(found->hosts[0].expires == noon + std::chrono::days(60));
}
