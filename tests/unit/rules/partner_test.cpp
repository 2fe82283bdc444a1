// SPDX-License-Identifier: Apache-2.0
#include "sealpost/partner.hpp"

#include <doctest.h>

#include "scenario.hpp"
#include "sealpost/verdict.hpp"

using namespace sealpost;
using namespace std::chrono_literals;
using test::scenario_now;

namespace {

PartnerRule rule(const char* name, std::vector<std::string> domains) {
  PartnerRule made;
  made.name = name;
  made.domains = std::move(domains);
  return made;
}

std::string found(const std::vector<PartnerRule>& rules, std::string_view domain) {
  const PartnerRule* partner = find_partner(rules, domain, scenario_now);
  return partner != nullptr ? partner->name : "";
}

}  // namespace

TEST_CASE("domain patterns of partner rules") {
  struct Row {
    const char *pattern, *domain;
    bool covered;
  };
  const Row rows[] = {
      {"noord.test", "noord.test", true},
      {"noord.test", "NOORD.test", true},
      {"noord.test", "a.noord.test", false},
      {"*.noord.test", "a.noord.test", true},
      {"*.noord.test", "a.b.noord.test", true},
      {"*.noord.test", "noord.test", false},
      {"*.noord.test", "xnoord.test", false},
      {"*.noord.test", ".noord.test", false},
      {"*.noord.test", "", false},
      {"noord.test", "", false},
      {"*.test", "noord.test", true},
      {"*", "noord.test", true},
      {"*", "[192.0.2.1]", true},
      {"*", "", false},
      {"*a.test", "aa.test", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.pattern);
    CAPTURE(row.domain);
    CHECK(covers(row.pattern, row.domain) == row.covered);
  }
}

TEST_CASE("the more specific rule wins, and only rules in force count") {
  std::vector<PartnerRule> rules = {rule("wide", {"*.test"}), rule("narrow", {"*.noord.test"}),
                                    rule("exact", {"a.noord.test", "zuid.test"})};
  CHECK(found(rules, "a.noord.test") == "exact");
  CHECK(found(rules, "b.noord.test") == "narrow");
  CHECK(found(rules, "noord.test") == "wide");
  CHECK(found(rules, "zuid.test") == "exact");
  CHECK(found(rules, "noord.example").empty());
  rules.push_back(rule("everybody", {"*"}));
  CHECK(found(rules, "noord.example") == "everybody");
  CHECK(found(rules, "noord.test") == "wide");
  CHECK(found(rules, "zuid.test") == "exact");
  rules[2].starts = scenario_now + 1s;
  CHECK(found(rules, "a.noord.test") == "narrow");
  rules[2].starts = scenario_now;
  CHECK(found(rules, "a.noord.test") == "exact");
  rules[2].ends = scenario_now;
  CHECK(found(rules, "a.noord.test") == "narrow");
  rules[2].ends = scenario_now + 1s;
  CHECK(found(rules, "a.noord.test") == "exact");
}

TEST_CASE("T-50 in doubt about the time a rule holds that would be in force under either reading") {
  constexpr std::chrono::days day(1);
  PartnerRule plain = rule("plain", {"b.test"}), early = plain, late = plain, none = plain;
  plain.level = early.level = late.level = PartnerLevel::verify;
  early.name = "ends soon", early.ends = scenario_now + day;
  late.name = "began lately", late.starts = scenario_now - day;
  none.name = "no TLS", none.level = PartnerLevel::none, none.starts = scenario_now - day;
  PartnerRule wide = rule("wide", {"*.test"});
  wide.level = PartnerLevel::encrypt;
  Believed ahead(scenario_now), behind(scenario_now);
  ahead.in_doubt = behind.in_doubt = true;
  ahead.latest = scenario_now + 3650 * day;
  behind.earliest = scenario_now - 365 * day;
  struct Row {
    std::vector<PartnerRule> rules;
    Believed time;
    std::vector<std::string> names;
  };
  const Row rows[] = {
      {{}, ahead, {}},
      {{plain}, Believed(scenario_now), {"plain"}},
      {{plain}, ahead, {"plain"}},
      {{early}, Believed(scenario_now), {"ends soon"}},
      {{early}, Believed(scenario_now + day), {}},
      {{early}, ahead, {"ends soon"}},
      {{early}, behind, {"ends soon"}},
      {{late}, ahead, {"began lately"}},
      {{late}, behind, {"began lately"}},
      {{early, wide}, ahead, {"ends soon", "wide"}},
      {{late, wide}, behind, {"began lately", "wide"}},
      {{none}, Believed(scenario_now), {"no TLS"}},
      {{none}, ahead, {"no TLS"}},
      {{none}, behind, {}},
      {{none, wide}, behind, {"wide"}},
  };
  for (const Row& row : rows) {
    CAPTURE(&row - rows);
    std::vector<std::string> names;
    for (const PartnerRule* found : partners_in_force(row.rules, "b.test", row.time))
      names.push_back(found->name);
    CHECK(names == row.names);
  }
}

TEST_CASE("T-50 decide() demands what the rules of both readings demand, and no exception of one alone") {
  DecisionFacts facts;
  facts.policy_domain = "b.test";
  facts.mx_host = "mx.b.test";
  facts.partner = rule("weak", {"b.test"});
  facts.doubted = {rule("strong", {"b.test"})};
  facts.doubted.front().level = PartnerLevel::encrypt;
  facts.now = scenario_now + 10s;  // the later reading
  CHECK(decide(facts).requirement.tls_required());
  facts.doubted.front().exceptions.push_back({scenario_now, PartnerLevel::opportunistic, "over", "ciso"});
  CHECK(decide(facts).requirement.tls_required());
}

TEST_CASE("exceptions end by themselves") {
  PartnerRule partner = rule("p", {"b.test"});
  partner.level = PartnerLevel::verify;
  CHECK(level_at(partner, scenario_now) == PartnerLevel::verify);
  partner.exceptions.push_back({scenario_now + 10s, PartnerLevel::encrypt, "renewal", "ciso"});
  CHECK(level_at(partner, scenario_now) == PartnerLevel::encrypt);
  CHECK(level_at(partner, scenario_now + 9s) == PartnerLevel::encrypt);
  CHECK(level_at(partner, scenario_now + 10s) == PartnerLevel::verify);
  partner.exceptions.push_back({scenario_now + 5s, PartnerLevel::opportunistic, "outage", "ciso"});
  CHECK(exception_at(partner, scenario_now)->reason == "outage");
  CHECK(exception_at(partner, scenario_now + 6s)->reason == "renewal");
  CHECK(exception_at(partner, scenario_now + 10s) == nullptr);
}

TEST_CASE("T-08 certificate names (RFC 9525 §6.3)") {
  struct Row {
    const char *name, *reference;
    bool host, domain;  // names the host; names the domain or a host directly under it
  };
  const Row rows[] = {
      {"b.test", "b.test", true, true},
      {"B.Test", "b.test", true, true},
      {"a.b.test", "b.test", false, true},
      {"*.b.test", "b.test", false, true},
      {"*.b.test", "a.b.test", true, true},
      {"*.b.test", "x.a.b.test", false, false},
      {"a.b.test", "x.a.b.test", false, false},
      {"x.a.b.test", "b.test", false, false},
      {"*.test", "b.test", false, false},
      {"*.co.test", "b.co.test", true, true},
      {"*", "test", false, false},
      {"*.", "b.", false, false},
      {"b.test.", "b.test", false, false},
      {"m*.b.test", "mx.b.test", false, false},
      {"m*.b.test", "b.test", false, false},
      {"*x.b.test", "mx.b.test", false, false},
      {"mx.*.test", "mx.b.test", false, false},
      {"*.*.test", "mx.b.test", false, false},
      {"xn--*.b.test", "xn--a.b.test", false, false},
      {"*.b.test", "xn--bcher-kva.b.test", true, true},
      {"", "b.test", false, false},
      {"b.test", "", false, false},
      {"192.0.2.1", "192.0.2.1", false, false},
      {"*.0.2.1", "192.0.2.1", false, false},
      {"notb.test", "b.test", false, false},
      {"b.test", "*.test", false, false},
      {"*.b.test", "*.b.test", false, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CAPTURE(row.reference);
    CHECK(names_match({row.name}, row.reference) == row.host);
    CHECK(names_match({"other.example", row.name}, row.reference) == row.host);
    CHECK(names_domain({row.name}, row.reference) == row.domain);
  }
  CHECK_FALSE(names_match({}, "b.test"));
}

TEST_CASE("an exception is in the trace and in the demand, with its reason and who approved it") {
  DecisionFacts facts;
  facts.policy_domain = "b.test";
  facts.mx_host = "mx1.b.test";
  facts.now = scenario_now;
  facts.partner = rule("Noord", {"b.test"});
  facts.partner->level = PartnerLevel::verify;
  facts.partner->hash = "h";
  facts.partner->exceptions.push_back(
      {scenario_now + 1h, PartnerLevel::encrypt, "ticket 4711", "ciso@a.test"});
  const Decision decision = decide(facts);
  REQUIRE_FALSE(decision.requirement.demands.empty());
  const Demand& demand = decision.requirement.demands.front();
  CHECK(demand.origin == "Noord");
  CHECK(demand.version == "h");
  CHECK(demand.note ==
        "exception until " + to_rfc3339(scenario_now + 1h) + ": ticket 4711 (approved by ciso@a.test)");
  CHECK(decision.requirement.tls_required());
  CHECK_FALSE(decision.requirement.authentication_required());
  facts.explain = false;
  CHECK(decide(facts).trace.empty());
}

TEST_CASE("a route takes no rule away: the recipient's and the relay's both hold") {
  DecisionFacts facts;
  facts.policy_domain = "smtp.provider.test";
  facts.mx_host = "smtp.provider.test";
  facts.now = scenario_now;
  facts.partner = rule("Noord", {"noord.test"});
  facts.hop_partner = rule("Provider", {"smtp.provider.test"});
  SessionFacts session;
  session.mx_host = facts.mx_host;
  session.starttls = StartTls::not_offered;
  using enum PartnerLevel;
  struct Row {
    PartnerLevel recipient, hop;
    const char* refused_by;  // "" nobody
  };
  const Row rows[] = {
      {opportunistic, opportunistic, ""},
      {encrypt, opportunistic, "Noord"},
      {opportunistic, encrypt, "Provider"},
      {encrypt, encrypt, "Noord"},
      {verify, none, "Noord"},
      {none, verify, "Provider"},
  };
  for (const Row& row : rows) {
    facts.partner->level = row.recipient;
    facts.hop_partner->level = row.hop;
    const Judgement judgement = judge(decide(facts).requirement, session, scenario_now);
    const DemandResult* decisive = judgement.decisive();
    CHECK(std::string(decisive != nullptr ? decisive->origin : "") == row.refused_by);
  }
}

TEST_CASE("TLS is left out only when a rule says so and nobody asks for it") {
  DecisionFacts facts;
  facts.policy_domain = facts.mx_host = "b.test";
  facts.now = scenario_now;
  CHECK(decide(facts).try_tls);
  facts.partner = rule("P", {"b.test"});
  CHECK(decide(facts).try_tls);
  facts.partner->level = PartnerLevel::none;
  CHECK_FALSE(decide(facts).try_tls);
  CHECK(decide(facts).requirement.demands.empty());
  facts.dane.kind = DaneState::Kind::unusable;
  CHECK(decide(facts).try_tls);
  facts.dane.kind = DaneState::Kind::none;
  facts.partner->exceptions.push_back({scenario_now + 1h, PartnerLevel::opportunistic, "r", "a"});
  CHECK(decide(facts).try_tls);
}

TEST_CASE("words of a refusal name rule, host and reason") {
  DecisionFacts facts;
  facts.policy_domain = "noord.example";
  facts.mx_host = "mx1.noord.example";
  facts.now = scenario_now;
  facts.partner = rule("Zorgverzekeraar Noord", {"noord.example"});
  facts.partner->level = PartnerLevel::encrypt;
  SessionFacts session;
  session.mx_host = facts.mx_host;
  session.starttls = StartTls::not_offered;
  const Judgement judgement = judge(decide(facts).requirement, session, scenario_now);
  REQUIRE(judgement.decisive() != nullptr);
  CHECK(judgement.decisive()->failures.front().text ==
        "TLS required by partner rule 'Zorgverzekeraar Noord', not offered by mx1.noord.example");

  session.starttls = StartTls::refused;
  session.starttls_reply = "454 4.7.0 no\r\nSTATUS: 2.0.0";
  const auto refused = judge(decide(facts).requirement, session, scenario_now);
  CHECK(refused.decisive()->failures.front().text.find('\n') == std::string::npos);
}

TEST_CASE("the TLSA digest knows records, not their order") {
  const TlsaRecord a(3, 1, 1, std::vector<std::uint8_t>(32, 1)), b(3, 1, 1, std::vector<std::uint8_t>(32, 2));
  CHECK(tlsa_digest(std::vector{a, b}) == tlsa_digest(std::vector{b, a}));
  CHECK(tlsa_digest(std::vector{a}) != tlsa_digest(std::vector{b}));
  CHECK(tlsa_digest(std::vector{a}) != tlsa_digest(std::vector{a, a}));
  CHECK(to_text(TlsaRecord(3, 1, 1, {0x0a, 0xff})) == "3 1 1 0AFF");
}
