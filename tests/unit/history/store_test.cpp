// SPDX-License-Identifier: Apache-2.0
#include "history/store.hpp"

#include <doctest.h>

#include <filesystem>
#include <fstream>

#include "../sts/scratch_directory.hpp"
#include "samples.hpp"

using namespace sealpost;
using namespace sealpost::history;
using namespace std::chrono_literals;
using test::clear_session;
using test::good_session;
using test::noon;

namespace {

Store opened_store(const test::ScratchDirectory& dir) {
  auto store = Store::open(dir.file("evidence.db"));
  REQUIRE(store);
  return std::move(*store);
}

std::int64_t count_of(Store& store, const char* sql) {
  auto query = store.file().statement(sql);
  REQUIRE(query);
  return query->row() ? query->number(0) : -1;
}

Found all(Store& store, SystemTime since = noon - 30 * 24h) {
  Query query;
  query.since = since;
  auto found = store.find(query);
  REQUIRE(found);
  return std::move(*found);
}

}  // namespace

TEST_CASE("equal sessions are one row with a count, and come back whole") {
  const test::ScratchDirectory dir;
  Store store = opened_store(dir);
  std::vector<Session> sessions(100, good_session());
  for (std::size_t i = 0; i < sessions.size(); ++i) sessions[i].when = noon + std::chrono::minutes(i);
  sessions[3].reused = true;
  sessions.push_back(clear_session("c.example", "mx.c.example"));
  REQUIRE(store.add(sessions));
  REQUIRE(store.add({good_session()}));
  CHECK(count_of(store, "SELECT count(*) FROM session") == 2);
  CHECK(count_of(store, "SELECT count(*) FROM facts") == 2);
  CHECK(count_of(store, "SELECT count(*) FROM certificate") == 1);

  const Found found = all(store);
  REQUIRE(found.sessions.size() == 2);
  const Recorded& good = found.sessions[0];
  CHECK(good.recipient_domain == "b.example");
  CHECK(good.handshakes == 100);
  CHECK(good.reuses == 1);
  CHECK(good.first == noon);
  CHECK(good.last == noon + 99min);
  CHECK(good.ending.verdict == Verdict::deliver);
  CHECK(good.facts->session->tls.certificate->dns_names.front() == "mx.b.example");
  CHECK(found.sessions[1].ending.result_type == "starttls-not-supported");
  CHECK(found.damaged == 0);
}

TEST_CASE("sessions are seen one by one in the order in which they are found, and are not kept") {
  const test::ScratchDirectory dir;
  Store store = opened_store(dir);
  REQUIRE(store.add({good_session(), clear_session("c.example", "mx.c.example"),
                     clear_session("a.example", "mx.a.example"), good_session()}));
  std::vector<std::string> seen;
  const auto found = store.each(
      Query(), [&](const Recorded& one) { seen.push_back(one.recipient_domain + " " + one.mx_host); });
  REQUIRE(found);
  CHECK(found->sessions.empty());
  CHECK_FALSE(found->cut);
  std::vector<std::string> kept;
  for (const Recorded& one : all(store, {}).sessions)
    kept.push_back(one.recipient_domain + " " + one.mx_host);
  CHECK(seen == kept);
  CHECK(seen.size() == 3);
}

TEST_CASE("days and domains are asked for") {
  const test::ScratchDirectory dir;
  Store store = opened_store(dir);
  Session old = good_session();
  old.when = noon - 40 * 24h;
  Session through = good_session("d.example", "gateway.example");
  through.policy_domain = "gateway.example";
  REQUIRE(store.add({old, good_session(), good_session("c.example", "mx.c.example"), through}));
  CHECK(all(store).sessions.size() == 3);
  Query query;
  query.since = noon - 30 * 24h;
  query.wanted = [](std::string_view domain) { return domain == "b.example"; };
  REQUIRE(store.find(query));
  CHECK(store.find(query)->sessions.size() == 1);
  // A rule for the relay that mail goes through covers the mail of other domains.
  query.wanted = [](std::string_view domain) { return domain == "gateway.example"; };
  const auto by_relay = store.find(query);
  REQUIRE(by_relay);
  REQUIRE(by_relay->sessions.size() == 1);
  CHECK(by_relay->sessions[0].recipient_domain == "d.example");
}

TEST_CASE("what has grown old is forgotten, with the facts nobody needs any more") {
  const test::ScratchDirectory dir;
  Store store = opened_store(dir);
  Session old = clear_session("old.example", "mx.old.example");
  old.when = noon - 40 * 24h;
  REQUIRE(store.add({old, good_session()}));
  REQUIRE(store.forget_before(noon - 30 * 24h));
  CHECK(count_of(store, "SELECT count(*) FROM session") == 1);
  CHECK(count_of(store, "SELECT count(*) FROM facts") == 1);
  CHECK(count_of(store, "SELECT count(*) FROM name WHERE name LIKE '%old%'") == 0);
  REQUIRE(store.add({old}));  // remembered ids of forgotten rows are not used again
  CHECK(all(store, noon - 50 * 24h).sessions.size() == 2);
}

TEST_CASE("a host that shows something new each time does not fill the disk") {
  const test::ScratchDirectory dir;
  Store store = opened_store(dir);
  std::vector<Session> sessions;
  for (std::size_t i = 0; i < most_per_domain_and_day + 50; ++i) {
    sessions.push_back(good_session());
    CertificateFacts certificate = test::good_certificate("mx.b.example");
    certificate.subject = "CN=" + std::to_string(i);
    test::change_certificate(sessions.back(), std::move(certificate));
  }
  REQUIRE(store.add(sessions));
  REQUIRE(store.add({sessions.front()}));  // a kind that is known is counted on
  const Found found = all(store);
  CHECK(found.sessions.size() == most_per_domain_and_day);
  CHECK(found.left_out == 50);
  CHECK(count_of(store, "SELECT count(*) FROM certificate") ==
        static_cast<std::int64_t>(most_per_domain_and_day));
  CHECK(count_of(store, "SELECT sum(handshakes) FROM session") ==
        static_cast<std::int64_t>(most_per_domain_and_day) + 1);
}

TEST_CASE("T-54 edited rows are left out and counted, and nothing breaks") {
  const char* edits[] = {
      "UPDATE facts SET facts = '{}'",
      "UPDATE facts SET facts = replace(facts, 'established', 'refused')",  // no longer what its digest says
      "UPDATE certificate SET facts = 'x'",
      "DELETE FROM certificate",
      "UPDATE ending SET verdict = 'perhaps'",
      "UPDATE session SET handshakes = -5",
      "UPDATE session SET facts = 99999",
  };
  for (const char* edit : edits) {
    CAPTURE(edit);
    const test::ScratchDirectory dir;
    Store store = opened_store(dir);
    REQUIRE(store.add({good_session()}));
    REQUIRE(store.file().run(edit));
    const Found found = all(store);
    CHECK(found.sessions.empty());
    CHECK(found.damaged == 1);
  }
}

TEST_CASE("T-54 remote text is bound, never run") {
  const test::ScratchDirectory dir;
  Store store = opened_store(dir);
  Session session = good_session("b'); DROP TABLE session; --.example", "mx\"';.example");
  session.ending.reason_code = "'; DELETE FROM session; --";
  REQUIRE(store.add({session}));
  const Found found = all(store);
  REQUIRE(found.sessions.size() == 1);
  CHECK(found.sessions[0].recipient_domain == session.recipient_domain);
  CHECK(found.sessions[0].ending.reason_code == session.ending.reason_code);
}

TEST_CASE("the view reads for people") {
  const test::ScratchDirectory dir;
  Store store = opened_store(dir);
  REQUIRE(store.add({good_session(), clear_session("c.example", "mx.c.example")}));
  auto view = store.file().statement(
      "SELECT day, domain, mx_host, verdict, starttls, tls_version, spki_sha256, certificate_expires, "
      "handshakes "
      "FROM sessions ORDER BY domain");
  REQUIRE(view);
  REQUIRE(view->row());
  CHECK(view->text(0) == "2026-03-01");
  CHECK(view->text(3) == "deliver");
  CHECK(view->text(4) == "established");
  CHECK(view->text(5) == "TLSv1.3");
  CHECK(view->text(6) == std::string(64, 'b'));
  CHECK(view->text(7) == "2026-04-30 12:00:00");
  REQUIRE(view->row());
  CHECK(view->text(4) == "not-offered");
}

TEST_CASE("D-23 a damaged file is set aside and begun anew; D-26 a newer one is left alone") {
  const test::ScratchDirectory dir;
  dir.write("evidence.db", "this is no database, but it is long enough to be taken for one\n");
  {
    Store store = opened_store(dir);
    REQUIRE(store.add({good_session()}));
    CHECK(dir.count("evidence.db.damaged-") >= 1);
    REQUIRE(store.file().run("PRAGMA user_version=99"));
  }
  const auto newer = Store::open(dir.file("evidence.db"));
  REQUIRE_FALSE(newer);
  CHECK(newer.error().code == Errc::newer);
}
