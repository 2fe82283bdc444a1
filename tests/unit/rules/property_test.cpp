// SPDX-License-Identifier: Apache-2.0
//
// What must hold for all facts, over generated ones: sources only add up.
#include <doctest.h>

#include <random>

#include "scenario.hpp"

using namespace sealpost;
using namespace sealpost::test;

namespace {

constexpr int rounds = 20'000;

class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  std::string partner() {
    std::string cell = pick({"none", "opportunistic", "encrypt", "verify", "dane", "pin"});
    cell += pick({"", "", " mx", " domain", " name=mx1.b.test", " name=gw.test"});
    cell += pick({"", "", " 1.3"}) + pick({"", "", "", " audit"}) +
            pick({"", "", " allow=mx1.b.test", " allow=mx2.b.test"});
    cell += pick({"", " pins=K1", " pins=K2"});
    cell += pick({"", "", " except=encrypt", " except=opportunistic", " except-over=none"});
    return cell;
  }
  std::string sts() {
    std::string cell = pick({"enforce", "enforce", "testing", "none", "fetch-failed", "off"});
    if (cell == "enforce" || cell == "testing")
      cell += pick({"", "", " allow=*.b.test", " allow=mx2.b.test"});
    return cell;
  }
  std::string dane() {
    return pick({"3 1 1 ee", "2 0 1 ta", "1 1 1 px", "failed", "3 1 1 ee, 2 0 1 ta", "off"});
  }
  std::string flags() {
    return pick({"", " mx-signed"}) + pick({"", "", " tls-required-no"}) + pick({"", "", " requiretls"}) +
           pick({"", "", "", " tls-encrypt", " tls-verify"});
  }
  std::string session() {
    const std::string plain = pick({"", "", "", "clear", "refused=454", "broken=closed", "untried"});
    if (!plain.empty()) return plain;
    return "good" + pick({"", "", " 1.2", " 1.1"}) +
           pick({"", "", " expired", " self-signed", " expired-since", " anonymous"}) +
           pick({"", "", " names=other.test", " names=b.test", " names=*.b.test", " names=gw.test",
                 " cn=mx1.b.test"}) +
           pick({"", " key=K2"}) +
           pick({"", " tlsa=ee", " tlsa=ta", " tlsa=none", " tlsa=expired", " tlsa=other-records"}) +
           pick({"", " requiretls"});
  }

 private:
  std::string pick(std::initializer_list<const char*> from) { return from.begin()[random_() % from.size()]; }
  std::mt19937 random_;
};

struct Cells {
  std::string partner, sts, dane, flags, session;
};

struct Seen {
  Decision decision;
  Judgement judgement;
  SessionFacts session;
  bool passes() const { return !decision.skip && judgement.verdict != Verdict::refuse; }
};

Seen see(const Cells& cells) {
  const Row row("generated", {{"partner", cells.partner},
                              {"sts", cells.sts},
                              {"dane", cells.dane},
                              {"flags", cells.flags},
                              {"session", cells.session}});
  const DecisionFacts facts = facts_of(row);
  Seen seen;
  seen.session = session_of(row, facts);
  seen.decision = decide(facts);
  seen.judgement = judge(seen.decision.requirement, seen.session, facts.now);
  return seen;
}

std::string text_of(const Cells& c) {
  return "partner[" + c.partner + "] sts[" + c.sts + "] dane[" + c.dane + "] flags[" + c.flags +
         "] session[" + c.session + "]";
}

bool wants(const std::string& cell, std::string_view word) { return cell.find(word) != std::string::npos; }

}  // namespace

TEST_CASE("adding a source never weakens a requirement") {
  Generator generate(20260101);
  for (int i = 0; i < rounds; ++i) {
    Cells with{i % 4 == 0 ? std::string() : generate.partner(), i % 3 == 0 ? "" : generate.sts(),
               i % 5 == 0 ? "" : generate.dane(), generate.flags(), generate.session()};
    const Seen all = see(with);
    for (int source = 0; source < 5; ++source) {
      Cells without = with;
      if (source == 0) without.partner.clear();
      if (source == 1) without.sts.clear();
      if (source == 2) without.dane.clear();
      if (source == 3) {
        const std::size_t at = without.flags.find(" requiretls");
        // Taken away from a message that also says TLS-Required: No, REQUIRETLS stops shielding DANE and STS from it.
        if (at == std::string::npos) continue;
        without.flags.erase(at);
      }
      if (source == 4) {
        const std::size_t asked =
            std::min(without.flags.find(" tls-encrypt"), without.flags.find(" tls-verify"));
        if (asked == std::string::npos) continue;
        without.flags.erase(asked);  // it is the last word
      }
      // What the message asks for is met by DANE where there are records, else by WebPKI: another proof, not a weaker one.
      if (source == 2 && wants(with.flags, "tls-verify")) continue;
      // REQUIRETLS lives on what DNSSEC and MTA-STS vouch for: without them it asks for more, not less.
      if ((source == 1 || source == 2) && wants(with.flags, "requiretls")) continue;
      // A rule that demands DANE is about the records; taking them away makes it impossible to meet.
      if (source == 2 && wants(with.partner, "dane")) continue;
      const Seen fewer = see(without);
      INFO(text_of(with), " without source ", source);
      if (all.passes() && !fewer.passes()) FAIL("a source made weaker");
      if (fewer.decision.requirement.tls_required() && !all.decision.requirement.tls_required())
        FAIL("clear text allowed by adding");
    }
  }
}

TEST_CASE(
    "published sources and plain rules decide independently: all together refuse exactly when one refuses") {
  Generator generate(4711);
  for (int i = 0; i < rounds; ++i) {
    Cells cells{generate.partner(), generate.sts(), generate.dane(), " mx-signed", generate.session()};
    if (wants(cells.partner, "dane")) continue;
    const bool partner = see({cells.partner, "", "", cells.flags, cells.session}).passes();
    const bool sts = see({"", cells.sts, "", cells.flags, cells.session}).passes();
    // The session's TLSA result is about the records of the cell, so it stays as it is.
    const bool dane = see({"", "", cells.dane, cells.flags, cells.session}).passes();
    INFO(text_of(cells));
    CHECK(see(cells).passes() == (partner && sts && dane));
  }
}

TEST_CASE("T-03 under any enforcing source nothing leaves in clear") {
  Generator generate(815);
  int enforced = 0;
  for (int i = 0; i < rounds; ++i) {
    Cells cells{i % 4 == 0 ? std::string() : generate.partner(), generate.sts(), generate.dane(),
                generate.flags(), generate.session()};
    const Seen seen = see(cells);
    const bool relaxed = wants(cells.flags, "tls-required-no") && !wants(cells.flags, "requiretls");
    const bool by_rule = !cells.partner.empty() && !wants(cells.partner, "audit") &&
                         !wants(cells.partner, "except=opportunistic") &&
                         !cells.partner.starts_with("none") && !cells.partner.starts_with("opportunistic");
    const bool by_raising_exception =
        wants(cells.partner, " except=encrypt") && !wants(cells.partner, "audit");
    const bool by_sts = cells.sts.starts_with("enforce") && !relaxed;
    const bool by_dane = cells.dane != "off" && !relaxed;
    const bool enforcing = by_rule || by_raising_exception || by_sts || by_dane ||
                           wants(cells.flags, "requiretls") || wants(cells.flags, "tls-encrypt") ||
                           wants(cells.flags, "tls-verify");
    INFO(text_of(cells));
    if (enforcing) CHECK(seen.decision.requirement.tls_required());
    if (!enforcing || seen.session.starttls == StartTls::established) continue;
    ++enforced;
    CHECK_FALSE(seen.passes());
  }
  CHECK(enforced > 1000);
}

TEST_CASE("under a source that authenticates nothing goes to an unverified host") {
  Generator generate(42);
  int checked = 0;
  for (int i = 0; i < rounds; ++i) {
    Cells cells{"", "", "", generate.flags(), generate.session()};
    const int source = i % 3;
    if (source == 0) cells.partner = "verify mx";
    if (source == 1) cells.sts = "enforce";
    if (source == 2) cells.dane = "3 1 1 ee";
    const bool relaxed = wants(cells.flags, "tls-required-no") && !wants(cells.flags, "requiretls");
    if (relaxed && source != 0) continue;
    const Seen seen = see(cells);
    if (!seen.passes()) continue;
    ++checked;
    INFO(text_of(cells));
    REQUIRE(seen.session.tls.certificate);
    const CertificateFacts& certificate = *seen.session.tls.certificate;
    if (source == 2) {
      REQUIRE(certificate.dane);
      CHECK(certificate.dane->chain.ok());
    } else {
      CHECK(certificate.webpki.ok());
      CHECK(certificate.chain_expires > scenario_now);
      CHECK(names_match(certificate.dns_names, "mx1.b.test"));
    }
  }
  CHECK(checked > 200);
}

TEST_CASE("the verdict is about facts and clock alone, and every failure has its words") {
  Generator generate(7);
  for (int i = 0; i < 2000; ++i) {
    Cells cells{generate.partner(), generate.sts(), generate.dane(), generate.flags(), generate.session()};
    const Seen once = see(cells), again = see(cells);
    CHECK(once.judgement.verdict == again.judgement.verdict);
    CHECK(once.decision.trace == again.decision.trace);
    CHECK_FALSE(once.decision.trace.empty());
    for (const DemandResult& result : once.judgement.results)
      for (const DemandFailure& failure : result.failures) {
        CHECK_FALSE(failure.result_type.empty());
        CHECK_FALSE(failure.reason_code.empty());
        CHECK((failure.status.starts_with("4.7.") || failure.status.starts_with("5.7.")));
        CHECK(failure.text.size() > 20);
      }
  }
}
