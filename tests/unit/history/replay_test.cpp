// SPDX-License-Identifier: Apache-2.0
#include "history/replay.hpp"

#include <doctest.h>

#include "samples.hpp"

using namespace sealpost;
using namespace sealpost::history;
using namespace std::chrono_literals;
using test::clear_session;
using test::good_session;
using test::noon;
using test::recorded;
using test::untrusted_session;

namespace {

PartnerRule rule(std::string name, std::vector<std::string> domains, PartnerLevel level) {
  PartnerRule made;
  made.name = std::move(name);
  made.domains = std::move(domains);
  made.level = level;
  return made;
}

Terms terms() {
  Terms made;
  made.now = noon + 24h;
  return made;
}

Session expired_since() {  // good when it was made
  Session session = good_session();
  CertificateFacts certificate = test::good_certificate("mx.b.example");
  certificate.leaf_expires = certificate.chain_expires = noon + 1h;
  test::change_certificate(session, std::move(certificate));
  return session;
}

Session passed_over() {
  Session session = good_session();
  session.facts.session.reset();
  session.facts.dane.kind = DaneState::Kind::failed;
  session.facts.dane.failure_reason = "SERVFAIL";
  session.ending.verdict = Verdict::refuse;
  session.ending.refused_by = "dane";
  return session;
}

}  // namespace

TEST_CASE("one rule against one session") {
  struct Row {
    const char* what;
    Session session;
    PartnerLevel level;
    Result alone, together;
    const char* type;
  };
  const Row rows[] = {
      {"good, verify", good_session(), PartnerLevel::verify, Result::pass, Result::pass, ""},
      {"good, dane without records", good_session(), PartnerLevel::dane, Result::fail, Result::fail,
       "dane-required"},
      {"clear, encrypt", clear_session("b.example", "mx.b.example"), PartnerLevel::encrypt, Result::fail,
       Result::fail, "starttls-not-supported"},
      {"clear, opportunistic", clear_session("b.example", "mx.b.example"), PartnerLevel::opportunistic,
       Result::pass, Result::pass, ""},
      {"self-signed, encrypt", untrusted_session(), PartnerLevel::encrypt, Result::pass, Result::pass, ""},
      {"self-signed, verify", untrusted_session(), PartnerLevel::verify, Result::fail, Result::fail,
       "certificate-not-trusted"},
      {"certificates are judged at the session's time", expired_since(), PartnerLevel::verify, Result::pass,
       Result::pass, ""},
      {"passed over for DANE: nobody saw its certificate", passed_over(), PartnerLevel::verify,
       Result::unknown, Result::fail, "dnssec-invalid"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    PartnerRule one = rule("B", {"b.example"}, row.level);
    const Recorded kept = recorded(row.session);
    const Assessment together = assess(kept, {one}, terms());
    CHECK(together.result == row.together);
    if (row.together == Result::fail) CHECK(together.failure.result_type == row.type);
    one.audit = true;  // what would have been, had it been enforced
    one.starts = noon + 100 * 24h;
    const Assessment alone = assess_rule(kept, one, terms());
    CHECK(alone.result == row.alone);
    if (row.alone == Result::fail) CHECK(alone.failure.result_type == row.type);
  }
}

TEST_CASE("a replay counts then and now, per domain and host, with the reasons") {
  Session refused = untrusted_session();  // refused by a rule of that time
  refused.ending.verdict = Verdict::refuse;
  const std::vector<Recorded> sessions = {recorded(good_session(), 40), recorded(refused, 3),
                                          recorded(clear_session("b.example", "old.b.example"), 5),
                                          recorded(good_session("c.example", "mx.c.example"), 7)};
  const Replay strict = replay(sessions, {rule("B", {"b.example"}, PartnerLevel::verify)}, terms());
  CHECK(strict.sessions == 55);
  CHECK(strict.passed_then == 52);
  CHECK(strict.passes_now == 47);
  CHECK(strict.newly_failing == 5);
  REQUIRE(strict.hosts.size() == 3);
  CHECK(strict.hosts[0].mx_host == "mx.b.example");
  CHECK(strict.hosts[0].passes_now == 40);
  CHECK(strict.hosts[0].fails_now == 3);
  CHECK(strict.hosts[0].newly_failing == 0);
  REQUIRE(strict.hosts[1].reasons.size() == 1);
  CHECK(strict.hosts[1].reasons[0].sessions == 5);
  CHECK(strict.hosts[1].reasons[0].text.find("'B', not offered by old.b.example") != std::string::npos);

  const Replay loose = replay(sessions, {rule("B", {"b.example"}, PartnerLevel::opportunistic)}, terms());
  CHECK(loose.newly_passing == 3);
  CHECK(loose.newly_failing == 0);
}

TEST_CASE("operator rules stay a floor in a replay: what is published still refuses") {
  Session session = untrusted_session();
  session.facts.sts.kind = StsState::Kind::policy;
  session.facts.sts.policy.emplace();
  session.facts.sts.policy->mode = StsMode::enforce;
  session.facts.sts.policy->mx = {"mx.b.example"};
  session.ending.verdict = Verdict::refuse;
  const Replay now = replay({recorded(session)}, {rule("B", {"b.example"}, PartnerLevel::none)}, terms());
  CHECK(now.passes_now == 0);
  CHECK(now.newly_passing == 0);
}

TEST_CASE("a draft takes the place of what it names, as if enforced and begun") {
  PartnerRule draft = rule("New", {"b.example", "*.b.example"}, PartnerLevel::verify);
  draft.audit = true;
  draft.starts = noon + 24h * 365;
  const auto rules = with_draft({rule("Old", {"b.example", "c.example"}, PartnerLevel::encrypt),
                                 rule("Same", {"*.b.example"}, PartnerLevel::encrypt),
                                 rule("New", {"d.example"}, PartnerLevel::encrypt)},
                                {draft});
  REQUIRE(rules.size() == 2);
  CHECK(rules[0].name == "New");
  CHECK_FALSE(rules[0].audit);
  CHECK_FALSE(rules[0].starts);
  CHECK(rules[1].name == "Old");
  CHECK(rules[1].domains == std::vector<std::string>{"c.example"});
}

TEST_CASE("readiness: how a rule on trial would have done, over what it governs") {
  PartnerRule wide = rule("Wide", {"*.example"}, PartnerLevel::verify);
  wide.audit = true;
  PartnerRule narrow = rule("Narrow", {"c.example"}, PartnerLevel::encrypt);
  const PartnerRule idle = rule("Idle", {"nobody.test"}, PartnerLevel::verify);
  const std::vector<Recorded> sessions = {recorded(good_session(), 400), recorded(untrusted_session(), 12),
                                          recorded(clear_session("c.example", "mx.c.example"), 5),
                                          recorded(passed_over(), 2)};
  const auto all = readiness(sessions, {wide, narrow, idle}, terms());
  REQUIRE(all.size() == 3);
  CHECK(all[0].to_string(30, true) == "400 of 414 sessions in 30 days would have passed, 2 cannot be told");
  CHECK_FALSE(all[0].ready());
  REQUIRE(all[0].reasons.size() == 1);
  CHECK(all[0].reasons[0].sessions == 12);
  CHECK(all[1].to_string(30, false) == "0 of 5 sessions in 30 days passed this rule");
  CHECK(all[2].to_string(1, true) == "no session in 1 day");
  CHECK_FALSE(all[2].ready());
  CHECK(readiness({recorded(good_session(), 412)}, {wide}, terms())[0].ready());
}

TEST_CASE("readiness: what passes by an exception has not shown that it could without") {
  PartnerRule one = rule("B", {"b.example"}, PartnerLevel::verify);
  const std::vector<Recorded> sessions = {recorded(good_session(), 3), recorded(untrusted_session(), 2)};
  const auto without = readiness(sessions, {one}, terms());
  PartnerException exception;
  exception.until = noon + 24h;
  exception.level = PartnerLevel::encrypt;
  one.exceptions = {exception};
  const auto with = readiness(sessions, {one}, terms());
  CHECK(with[0].passed == 3);
  CHECK(with[0].passed == without[0].passed);
  CHECK_FALSE(with[0].ready());
}

TEST_CASE("readiness: a rule that begins later is asked about today") {
  PartnerRule later = rule("Later", {"b.example"}, PartnerLevel::verify);
  later.starts = noon + 30 * 24h;
  const PartnerRule today = rule("Today", {"*.example"}, PartnerLevel::encrypt);
  const auto all = readiness({recorded(good_session(), 10)}, {later, today}, terms());
  CHECK(all[0].passed == 10);
  CHECK(all[1].passed == 10);  // still in force until then
}
