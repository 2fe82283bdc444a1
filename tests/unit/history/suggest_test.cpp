// SPDX-License-Identifier: Apache-2.0
#include "history/suggest.hpp"

#include <doctest.h>

#include "samples.hpp"
#include "sealpost/tlsa.hpp"

using namespace sealpost;
using namespace sealpost::history;
using namespace std::chrono_literals;
using test::clear_session;
using test::good_session;
using test::noon;
using test::recorded;
using test::untrusted_session;

namespace {

Terms suggest_terms() {
  Terms made;
  made.now = noon + 24h;
  return made;
}

Recorded over_weeks(const Session& session, std::uint64_t count = 30) {
  Recorded kept = recorded(session, count);
  kept.first = noon - 20 * 24h;
  return kept;
}

Session names_only_host() {  // as large providers do: the certificate knows nothing of the customer's domain
  Session session = good_session("b.example", "b-example.mail.provider.test");
  CertificateFacts certificate = test::good_certificate("*.mail.provider.test");
  test::change_certificate(session, std::move(certificate));
  return session;
}

Session with_dane() {
  Session session = untrusted_session();
  session.facts.mx_secure = true;
  session.facts.dane.kind = DaneState::Kind::usable;
  session.facts.dane.base_domain = "mx.b.example";
  session.facts.dane.usable = {TlsaRecord(3, 1, 1, std::vector<std::uint8_t>(32, 7))};
  session.facts.dane.all = session.facts.dane.usable;
  CertificateFacts certificate = *session.facts.session->tls.certificate;
  certificate.dane.emplace();
  certificate.dane->matched_usage = 3;
  certificate.dane->records_digest = tlsa_digest(session.facts.dane.usable);
  test::change_certificate(session, std::move(certificate));
  return session;
}

Suggestions from(const std::vector<Recorded>& sessions, const std::vector<PartnerRule>& rules = {}) {
  return suggest(sessions, rules, suggest_terms(), SuggestTerms());
}

}  // namespace

TEST_CASE("the strongest plain rule that every session would have passed") {
  struct Row {
    const char* what;
    std::vector<Session> sessions;
    const char* lines;  // of the proposal, those that differ
  };
  const Row rows[] = {
      {"certificate names the domain's host", {good_session()}, "tls = \"verify\"\nmode"},
      {"certificate names the host alone",
       {names_only_host()},
       "tls = \"verify\"\nmx = [\"b-example.mail.provider.test\"]\nmode"},
      {"DANE, whatever the authority", {with_dane()}, "tls = \"dane\"\nmode"},
      {"one session not verified", {good_session(), untrusted_session()}, "tls = \"encrypt\"\nmode"},
      {"one session in clear", {good_session(), clear_session("b.example", "mx.b.example")}, ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    std::vector<Recorded> sessions;
    for (const Session& session : row.sessions) sessions.push_back(over_weeks(session));
    const Suggestions all = from(sessions);
    REQUIRE(all.proposals.size() == (row.lines[0] == '\0' ? 0u : 1u));
    CHECK(all.none_holds == 1 - all.proposals.size());
    if (all.proposals.empty()) continue;
    CHECK(to_toml(all.proposals[0]).find(row.lines) != std::string::npos);
    // What is proposed holds for what it rests on.
    for (const Recorded& one : sessions)
      CHECK(assess_rule(one, all.proposals[0].rule, suggest_terms()).result == Result::pass);
  }
}

TEST_CASE("the whole text of a proposal") {
  const Suggestions all = from({over_weeks(good_session(), 412)});
  REQUIRE(all.proposals.size() == 1);
  CHECK(to_toml(all.proposals[0]) ==
        "# All of 412 sessions with 1 host(s) from 2026-02-09 to 2026-03-01 would have passed.\n"
        "# All of them used TLS 1.3: minimum = \"1.3\" would have held too.\n"
        "[[partner]]\nname = \"b.example\"\ndomains = [\"b.example\"]\ntls = \"verify\"\nmode = \"audit\"\n");
}

TEST_CASE("who gets no proposal") {
  PartnerRule rule;
  rule.name = "B";
  rule.domains = {"*.example"};
  rule.level = PartnerLevel::encrypt;
  CHECK(from({over_weeks(good_session())}, {rule}).has_rule == 1);
  rule.level = PartnerLevel::opportunistic;
  CHECK(from({over_weeks(good_session())}, {rule}).proposals.size() == 1);
  CHECK(from({over_weeks(good_session(), 19)}).too_few == 1);
  CHECK(from({recorded(good_session(), 1000)}).too_few == 1);  // all on one day
  Session through = good_session();
  through.policy_domain = "gateway.example";
  CHECK(from({over_weeks(through)}).domains == 0);
  SuggestTerms few;
  few.most = 1;
  const auto cut =
      suggest({over_weeks(good_session()), over_weeks(good_session("c.example", "mx.c.example"), 99)}, {},
              suggest_terms(), few);
  REQUIRE(cut.proposals.size() == 1);
  CHECK(cut.proposals[0].rule.name == "c.example");
  CHECK(cut.more == 1);
}

TEST_CASE("T-54 a name that is none never gets into a file") {
  for (const char* name : {"b.example\"]\n[[partner]]", "b example", ".", "B.example", "b.example\n"}) {
    CAPTURE(name);
    CHECK(from({over_weeks(good_session(name, "mx.b.example"))}).proposals.empty());
    CHECK(from({over_weeks(good_session("b.example", name))}).proposals.empty());
  }
}

TEST_CASE("many hosts become patterns of the level above them") {
  std::vector<Recorded> sessions;
  for (int i = 0; i < 12; ++i) {
    Session session = names_only_host();
    session.mx_host = session.facts.session->mx_host = "h" + std::to_string(i) + ".mail.provider.test";
    sessions.push_back(over_weeks(session));
  }
  const auto all = from(sessions);
  REQUIRE(all.proposals.size() == 1);
  CHECK(all.proposals[0].rule.mx == std::vector<std::string>{"*.mail.provider.test"});
}
