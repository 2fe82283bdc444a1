// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/alerts/alerts.hpp"

#include <doctest.h>

#include "../sending/sending.hpp"
#include "tlsrpt/alerts/alert_watch.hpp"
#include "tlsrpt/received/received.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;
using namespace sealpost::tlsrpt::test;
using namespace std::chrono_literals;

namespace {

// It is 2026-01-05 05:00 UTC. `restart` begins anew with what is on disk.
struct Desk {
  Desk() : loop(event::SimLoop::default_start + 5h), db(dir.path() + "/tlsrpt.db") { restart(); }

  void restart() {
    scope.reset();
    book = std::make_shared<AlertBook>(settings);
    watch = std::make_unique<AlertWatch>(loop, db, book, outbox, settings, mail(), health);
    if (looks_at_queue) watch->use_queue([this] { return waiting(); });
    scope = std::make_unique<event::TaskScope>(loop);
    scope->spawn(watch->run());
    loop.advance(0s);
  }
  AlertMailSettings mail() const {
    AlertMailSettings mail;
    mail.from = "postmaster@relay.home.example";
    mail.to = mail_to;
    mail.hostname = "relay.home.example";
    return mail;
  }
  void reload() {
    watch->use(settings, mail());
    loop.advance(0s);
  }
  SessionRecord session(const std::string& domain) {
    SessionRecord record;
    record.when = loop.wall();
    record.policy_domain = domain;
    record.mx_host = "mx." + domain;
    record.facts.emplace();
    record.facts->starttls = StartTls::established;
    record.judgement.verdict = Verdict::deliver;
    return record;
  }
  void see(const SessionRecord& record) {
    for (const auto& observation : observations_of(record, settings)) book->observe(observation);
  }
  void fails(const std::string& domain) {
    SessionRecord record = session(domain);
    DemandResult result;
    result.source = Source::mta_sts;
    result.failures.push_back({"certificate-expired", "X509_V_ERR_CERT_HAS_EXPIRED", "4.7.5", "expired"});
    record.judgement.verdict = Verdict::refuse;
    record.judgement.results.push_back(result);
    see(record);
  }
  void succeeds(const std::string& domain) { see(session(domain)); }
  void shows_certificate(const std::string& domain, std::chrono::seconds left,
                         Source source = Source::mta_sts) {
    SessionRecord record = session(domain);
    auto facts = std::make_shared<CertificateFacts>();
    facts->leaf_expires = facts->chain_expires = loop.wall() + left;
    record.facts->tls.certificate = facts;
    DemandResult result;
    result.source = source;
    record.judgement.results.push_back(result);
    see(record);
  }
  event::Task<std::set<std::string>> waiting() { co_return queue; }
  std::vector<Alert> pending() const { return book->pending(100); }
  // A report of `organization` on `day` about home.example: `failed` sessions with an expired certificate.
  void reports(const std::string& organization, const std::string& day, std::uint64_t ok,
               std::uint64_t failed) {
    ReceivedReport report;
    report.organization = organization;
    report.report_id = organization + day;
    report.day = day;
    report.domain = "home.example";
    ReceivedPolicy policy;
    policy.domain = "home.example";
    policy.type = "sts";
    policy.success = ok;
    policy.failure = failed;
    if (failed > 0) {
      ReceivedFailure failure;
      failure.detail.result_type = "certificate-expired";
      failure.detail.mx_host = "mx.home.example";
      failure.count = failed;
      policy.failures.push_back(failure);
    }
    report.policies.push_back(policy);
    REQUIRE(Received(db.store()).add(report, "", loop.wall()).value() == Added::taken);
  }
  std::size_t mails() const { return outbox.mails.size(); }
  std::string last() const { return outbox.mails.empty() ? "" : outbox.mails.back().second; }
  std::uint64_t open() const { return book->counters().open.load(); }

  TemporaryDirectory dir;
  event::SimLoop loop;
  DirectStore db;
  FakeOutbox outbox;
  AlertSettings settings;
  std::string mail_to = "admin@home.example";
  bool looks_at_queue = false;
  std::set<std::string> queue;
  Health health;
  std::shared_ptr<AlertBook> book;
  std::unique_ptr<AlertWatch> watch;
  std::unique_ptr<event::TaskScope> scope;
};

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a domain that fails for two minutes is an alert; one that only stumbles is none") {
  Desk desk;
  desk.fails("b.example");
  desk.fails("c.example");
  desk.loop.advance(1min);
  CHECK(desk.open() == 0);
  desk.succeeds("c.example");  // another of its hosts took the mail
  desk.loop.advance(90s);
  CHECK(desk.open() == 1);
  REQUIRE(desk.mails() == 1);
  CHECK(desk.outbox.mails[0].first == "admin@home.example");
  CHECK(holds(desk.last(), "Subject: relay.home.example: 1 problem with TLS to partners\r\n"));
  CHECK(holds(desk.last(), "certificate of mx.b.example expired"));
  CHECK(holds(desk.last(), "required by mta-sts"));
  CHECK(holds(desk.last(), "What to do: ask them to renew it"));
  CHECK(holds(desk.last(), "Auto-Submitted: auto-generated\r\n"));
  CHECK_FALSE(holds(desk.last(), "c.example"));
}

TEST_CASE("one mail for a cause and day while it lasts, and one when it is over") {
  Desk desk;
  for (int hour = 0; hour < 18; ++hour) {
    desk.fails("b.example");
    desk.loop.advance(1h);
  }
  CHECK(desk.mails() == 1);
  desk.loop.advance(2h);  // past midnight
  CHECK(desk.mails() == 2);
  desk.fails("b.example");
  desk.loop.advance(1h);
  CHECK(desk.mails() == 2);
  desk.succeeds("b.example");
  desk.loop.advance(1min);
  REQUIRE(desk.mails() == 3);
  CHECK(holds(desk.last(), "OVER: b.example"));
  CHECK(holds(desk.last(), "1 over"));
  CHECK(desk.open() == 0);
  // Again on the same day: an alert, but no further mail, neither for it nor for its end.
  desk.fails("b.example");
  desk.loop.advance(5min);
  CHECK(desk.open() == 1);
  desk.succeeds("b.example");
  desk.loop.advance(5min);
  CHECK(desk.open() == 0);
  CHECK(desk.mails() == 3);
  CHECK(desk.book->counters().raised.load() == 2);
  CHECK(desk.book->counters().resolved.load() == 2);
}

TEST_CASE(
    "T-52 a reload names whom alerts are mailed to, and what lasts and was mailed to nobody is mailed") {
  Desk desk;
  desk.mail_to.clear();
  desk.reload();
  desk.fails("b.example");
  desk.loop.advance(5min);
  CHECK(desk.open() == 1);
  CHECK(desk.mails() == 0);
  desk.mail_to = "desk@home.example";
  desk.reload();
  desk.loop.advance(1min);
  REQUIRE(desk.mails() == 1);
  CHECK(desk.outbox.mails[0].first == "desk@home.example");
  desk.mail_to = "other@home.example";
  desk.reload();
  desk.loop.advance(1h);
  CHECK(desk.mails() == 1);  // once a day, whoever gets it
  desk.succeeds("b.example");
  desk.loop.advance(1min);
  REQUIRE(desk.mails() == 2);
  CHECK(desk.outbox.mails[1].first == "other@home.example");
}

TEST_CASE("T-52 a reload changes after how long a failure is an alert, for what is pending too") {
  Desk desk;
  desk.settings.after = 30min;
  desk.reload();
  desk.fails("b.example");
  desk.loop.advance(5min);
  CHECK(desk.open() == 0);
  desk.settings.after = 1min;
  desk.reload();
  desk.loop.advance(1min);
  CHECK(desk.open() == 1);
}

TEST_CASE(
    "T-52 a reload switches alerts off, and on again with what the table has; nothing is mailed twice") {
  Desk desk;
  desk.fails("b.example");
  desk.loop.advance(5min);
  CHECK(desk.open() == 1);
  CHECK(desk.mails() == 1);
  desk.settings.enabled = false;
  desk.reload();
  CHECK(desk.open() == 0);
  CHECK(desk.book->open(100).empty());
  desk.health.raise("disk", "full", "make room");
  desk.loop.advance(1h);
  CHECK(desk.mails() == 1);
  desk.health.clear("disk");
  desk.settings.enabled = true;
  desk.reload();
  CHECK(desk.open() == 1);
  desk.loop.advance(1h);
  CHECK(desk.mails() == 1);
}

TEST_CASE("T-52 alerts that a reload no longer asks for are over, and that is said") {
  Desk desk;
  desk.shows_certificate("b.example", 24h);
  desk.loop.advance(1min);
  CHECK(desk.open() == 1);
  desk.settings.certificate = std::chrono::days(0);
  desk.reload();
  desk.loop.advance(1min);
  CHECK(desk.open() == 0);
  REQUIRE(desk.mails() == 2);
  CHECK(holds(desk.last(), "OVER: mx.b.example"));
  CHECK(holds(desk.last(), "asks for no such alerts any more"));
}

TEST_CASE("a restart neither forgets nor repeats") {
  Desk desk;
  desk.fails("b.example");
  desk.loop.advance(5min);
  CHECK(desk.mails() == 1);
  desk.restart();
  desk.loop.advance(5min);
  CHECK(desk.open() == 1);
  desk.fails("b.example");
  desk.loop.advance(1h);
  CHECK(desk.mails() == 1);
  desk.restart();
  desk.succeeds("b.example");
  desk.loop.advance(1min);
  CHECK(desk.mails() == 2);
  CHECK(holds(desk.last(), "OVER: b.example"));
  desk.restart();
  desk.loop.advance(1h);
  CHECK(desk.mails() == 2);
  CHECK(desk.open() == 0);
}

TEST_CASE("many causes at once are one mail") {
  Desk desk;
  for (int i = 0; i < 500; ++i) desk.fails("d" + std::to_string(i) + ".example");
  desk.loop.advance(5min);
  CHECK(desk.mails() == 1);
  CHECK(holds(desk.last(), "500 problems"));
  CHECK(holds(desk.last(), "and 400 more"));
  CHECK(desk.open() == 500);
}

TEST_CASE("a certificate that ends soon is told before it does, where somebody demands one") {
  Desk desk;
  desk.shows_certificate("far.example", 15 * 24h);
  desk.shows_certificate("unasked.example", 24h, Source::opportunistic);
  desk.shows_certificate("dane.example", 24h, Source::dane);
  desk.shows_certificate("near.example", 13 * 24h);
  desk.loop.advance(1min);
  CHECK(desk.open() == 1);
  REQUIRE(desk.mails() == 1);
  CHECK(holds(desk.last(),
              "certificate of mx.near.example, mail host of near.example, expires in 13 days (2026-01-18)"));
  desk.shows_certificate("near.example", 90 * 24h);
  desk.loop.advance(1min);
  CHECK(desk.open() == 0);
  CHECK(holds(desk.last(), "OVER: mx.near.example"));
}

TEST_CASE("RFC 8461 §10.2: three failed refreshes of a cached policy") {
  Desk desk;
  SessionRecord record = desk.session("b.example");
  record.sts.kind = StsState::Kind::policy;
  record.sts.expires = desk.loop.wall() + 5 * 24h;
  record.sts.failure_type = "sts-policy-fetch-error";
  record.sts.failure_reason = "http-status-404";
  record.sts.failure_streak = 2;
  desk.see(record);
  desk.loop.advance(1min);
  CHECK(desk.open() == 0);
  record.sts.failure_streak = 3;
  desk.see(record);
  desk.loop.advance(1min);
  CHECK(desk.open() == 1);
  CHECK(holds(desk.last(),
              "the MTA-STS policy of b.example could not be fetched (http-status-404), 3 times in a row; "
              "the cached policy holds until 2026-01-10"));
  record.sts.failure_streak = 0;
  desk.see(record);
  desk.loop.advance(1min);
  CHECK(desk.open() == 0);
}

TEST_CASE("what is not seen for a week is over") {
  Desk desk;
  desk.fails("b.example");
  desk.loop.advance(6 * 24h);
  CHECK(desk.open() == 1);
  desk.loop.advance(25h);
  CHECK(desk.open() == 0);
  CHECK(holds(desk.last(), "not seen again for a week"));
}

TEST_CASE("a skipped host is a failure, a testing policy and plain words of strangers are harmless") {
  Desk desk;
  SessionRecord skipped = desk.session("b.example");
  skipped.facts.reset();
  skipped.skip.emplace();
  skipped.skip->source = Source::dane;
  skipped.skip->result_type = "dnssec-invalid";
  skipped.skip->reason_code = "x\r\nBcc: everybody@c.example";
  desk.see(skipped);
  SessionRecord testing = desk.session("t.example");
  testing.judgement.verdict = Verdict::deliver_and_report;
  desk.see(testing);
  desk.loop.advance(5min);
  CHECK(desk.open() == 1);
  CHECK_FALSE(holds(desk.last(), "\nBcc:"));
}

TEST_CASE("D-25 a database that cannot be written keeps alerts in memory and mails nothing twice") {
  Desk desk;
  REQUIRE(desk.db.store().run(
      "CREATE TRIGGER full BEFORE INSERT ON alert BEGIN SELECT RAISE(ABORT, 'full'); END"));
  desk.fails("b.example");
  desk.loop.advance(10min);
  CHECK(desk.mails() == 0);
  REQUIRE(desk.db.store().run("DROP TRIGGER full"));
  desk.loop.advance(10min);
  CHECK(desk.mails() == 1);
}

TEST_CASE("what is not well with the relay is an alert until it is over") {
  Desk desk;
  desk.health.raise("database evidence.db", "it is damaged", "restore it");
  desk.loop.advance(1min);
  REQUIRE(desk.outbox.mails.size() == 1);
  CHECK(holds(desk.last(), "Subject: relay.home.example: 1 problem\r\n"));
  CHECK(holds(desk.last(), "database evidence.db\r\n  it is damaged\r\n  What to do: restore it\r\n"));
  desk.restart();
  desk.loop.advance(1min);
  CHECK(desk.outbox.mails.size() == 1);
  desk.health.clear("database evidence.db");
  desk.loop.advance(1min);
  CHECK(desk.outbox.mails.size() == 2);
  CHECK(holds(desk.last(), "OVER: database evidence.db"));
}

TEST_CASE("inside `after` a failure is pending, and said to be") {
  Desk desk;
  desk.fails("b.example");
  desk.loop.advance(1min);
  REQUIRE(desk.pending().size() == 1);
  CHECK(desk.pending()[0].subject == "b.example");
  CHECK(desk.book->open(10).empty());
  desk.loop.advance(2min);
  CHECK(desk.pending().empty());
  CHECK(desk.book->open(10).size() == 1);
}

TEST_CASE("an alert that nobody could be mailed is mailed once there is somebody") {
  Desk desk;
  desk.mail_to.clear();
  desk.restart();
  desk.fails("b.example");
  desk.loop.advance(5min);
  CHECK(desk.open() == 1);
  CHECK(desk.mails() == 0);
  desk.mail_to = "admin@home.example";
  desk.restart();
  desk.loop.advance(1min);
  REQUIRE(desk.mails() == 1);
  CHECK(holds(desk.last(), "SINCE 2026-01-05T05:00:00Z: b.example"));
  desk.loop.advance(1h);
  CHECK(desk.mails() == 1);
}

TEST_CASE("a mail that could not be queued is tried again") {
  Desk desk;
  desk.outbox.refuses = 3;
  desk.fails("b.example");
  desk.loop.advance(10min);
  CHECK(desk.mails() == 1);
  CHECK(desk.outbox.refuses == 0);
}

TEST_CASE("where no mail waits any more, as after a bounce, an alert of deliveries is over") {
  Desk desk;
  desk.looks_at_queue = true;
  desk.restart();
  desk.queue = {"b.example"};
  desk.fails("b.example");
  desk.fails("c.example");  // its mail is gone before it is an alert
  desk.loop.advance(10min);
  CHECK(desk.open() == 1);
  CHECK(desk.mails() == 1);
  desk.queue.clear();
  desk.loop.advance(1min);
  CHECK(desk.open() == 1);  // it may be between two lanes
  desk.queue = {"b.example"};
  desk.loop.advance(10min);
  CHECK(desk.open() == 1);
  desk.queue.clear();
  desk.loop.advance(4min);
  CHECK(desk.open() == 0);
  CHECK(desk.mails() == 2);
  CHECK(holds(desk.last(), "no mail waits for it any more"));
  desk.fails("b.example");  // new mail, the old fault
  desk.queue = {"b.example"};
  desk.loop.advance(10min);
  CHECK(desk.open() == 1);
}

TEST_CASE("what others report of us is an alert when two say so, or one that got nothing through") {
  Desk desk;
  desk.reports("North", "2026-01-04", 10, 2);
  desk.loop.advance(1min);
  CHECK(desk.open() == 0);
  SUBCASE("two") {
    desk.reports("South", "2026-01-03", 7, 1);
    desk.reports("West", "2026-01-04", 7, 9);
    desk.loop.advance(1min);
    REQUIRE(desk.open() == 1);
    const Alert alert = desk.book->open(1).front();
    CHECK(alert.subject == "home.example certificate-expired");
    CHECK(alert.what ==
          "mail to home.example: certificate of mx.home.example expired (its date is not known); "
          "3 reporters say so (North, South, West): 12 sessions, last on 2026-01-04");
    CHECK(alert.how == "renew it, then reload the mail server on mx.home.example");
    CHECK(holds(desk.last(), "Subject: relay.home.example: 1 problem\r\n"));
    // A newer report of each of them without the failure ends it.
    desk.reports("North", "2026-01-05", 10, 0);
    desk.reports("South", "2026-01-05", 10, 0);
    desk.loop.advance(1min);
    CHECK(desk.open() == 0);
  }
  SUBCASE("one that got nothing through") {
    desk.reports("South", "2026-01-04", 0, 1);
    desk.loop.advance(1min);
    CHECK(desk.open() == 1);
    desk.loop.advance(4 * 24h);  // and no report says so any more
    CHECK(desk.open() == 0);
  }
  SUBCASE("history that is read in") {
    desk.reports("South", "2025-12-04", 0, 100);
    desk.reports("West", "2025-12-04", 0, 100);
    desk.loop.advance(1min);
    CHECK(desk.open() == 0);
  }
}
