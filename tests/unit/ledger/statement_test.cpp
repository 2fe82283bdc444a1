// SPDX-License-Identifier: Apache-2.0
#include "ledger/statement.hpp"

#include <nlohmann/json.hpp>

#include "samples.hpp"

using namespace sealpost;
using namespace sealpost::ledger;
using spool::RecipientState;
using test::accepted;
using test::ended;
using test::id_of;
using test::noon;
using test::Scene;
using namespace std::chrono_literals;

namespace {

spool::ProofTextPtr session(const std::string& partner, const std::string& note, bool refused,
                            int serial = 0) {
  Json demand{{"source", "partner"},
              {"origin", partner},
              {"version", "abc"},
              {"enforced", true},
              {"asks", {"starttls"}}};
  if (!note.empty()) demand["note"] = note;
  Json proof{{"domain", "bank.test"},
             {"partner", partner},
             {"mx", "mx.bank.test"},
             {"serial", serial},
             {"verdict", refused ? "refuse" : "deliver"},
             {"demands", Json::array({demand})},
             {"facts",
              {{"session",
                {{"starttls", refused ? "not-offered" : "established"},
                 {"version", 0x0304},
                 {"cipher", "TLS_AES_256_GCM_SHA384"}}}}}};
  if (refused)
    proof["refused_by"] = {{"source", "partner"}, {"type", "starttls-not-supported"}, {"code", ""}};
  else
    proof["certificate"] = {{"sha256", "c1"},
                            {"subject", "CN=mx"},
                            {"issuer", "CN=ca"},
                            {"names", {"mx.bank.test"}},
                            {"not_before", 1'790'000'000},
                            {"chain_expires", 1'800'000'000},
                            {"webpki", {{"code", 0}}}};
  return test::proof_of(proof.dump());
}

// Two days: 3 and 1 delivered, one by an exception, one put off and then refused; and mail to another.
void play(Scene& scene) {
  auto follower = scene.follower();
  std::uint32_t number = 0;
  const auto message = [&](RecipientState state, SystemTime when, const spool::ProofTextPtr& proof) {
    const auto id = id_of(++number, when);
    REQUIRE(follower.apply({accepted(id, {"bob@bank.test"}, when)}, scene.next()));
    if (state == RecipientState::failed)
      REQUIRE(follower.apply({ended(id, {0}, RecipientState::pending, when + 1s, proof)}, scene.next()));
    REQUIRE(follower.apply({ended(id, {0}, state, when + 2s, proof)}, scene.next()));
  };
  const auto plain = session("Bank", "", false);
  message(RecipientState::delivered, noon, plain);
  message(RecipientState::delivered, noon + 1min, plain);
  message(RecipientState::delivered, noon + 2min,
          session("Bank", "exception until 2026-12-31: renewal (approved by Bob)", false));
  message(RecipientState::delivered, noon + 3min, session("Other", "", false));
  message(RecipientState::failed, noon + 4min, session("Bank", "", true));
  message(RecipientState::delivered, noon + 24h, plain);
  message(RecipientState::delivered, noon + 24h, nullptr);  // came to no session
}

Json statement_for(const Scene& scene, const std::string& partner, const std::string& domain,
                   const std::string& to = "2026-12-31") {
  auto reader = Reader::open(scene.path());
  REQUIRE(reader);
  StatementQuestion question;
  question.partner = partner;
  question.domain = domain;
  question.from = "2026-11-01";
  question.to = to;
  const auto statement = statement_of(*reader, question);
  REQUIRE(statement);
  return described(*statement);
}

}  // namespace

TEST_CASE(
    "a statement adds up what became of a partner's recipients, by day, session, certificate and demand") {
  Scene scene;
  play(scene);
  const Json bank = statement_for(scene, "bank", "");
  CHECK(bank.at("total").at("delivered") == 4);
  CHECK(bank.at("total").at("delivered_by_exception") == 1);
  CHECK(bank.at("total").at("delivered_in_clear") == 0);
  CHECK(bank.at("total").at("refused") == 1);
  CHECK(bank.at("total").at("waited_for_demand") == 1);
  CHECK(bank.at("total").at("waited") == 0);
  REQUIRE(bank.at("days").size() == 2);
  CHECK(bank.at("days")[0].at("delivered") == 3);
  CHECK(bank.at("days")[1].at("delivered") == 1);
  REQUIRE(bank.at("sessions").size() == 1);
  CHECK(bank.at("sessions")[0].at("session") == "TLSv1.3 TLS_AES_256_GCM_SHA384");
  CHECK(bank.at("sessions")[0].at("recipients") == 4);
  REQUIRE(bank.at("exceptions").size() == 1);
  CHECK(bank.at("exceptions")[0].at("exception").get<std::string>().ends_with("renewal (approved by Bob)"));
  REQUIRE(bank.at("certificates").size() == 1);
  CHECK(bank.at("certificates")[0].at("recipients") == 4);
  CHECK(bank.at("certificates")[0].at("webpki") == true);
  REQUIRE(bank.at("refusals").size() == 1);
  CHECK(bank.at("refusals")[0].at("recipients") == 2);
  CHECK(bank.at("demands").size() == 2);
  CHECK(bank.at("heads").size() == 2);
  CHECK_FALSE(bank.at("complete"));
  CHECK(statement_for(scene, "", "BANK.test").at("total").at("delivered") == 5);
  CHECK(statement_for(scene, "Bank", "", "2026-11-30").at("complete") == true);
  CHECK(statement_for(scene, "nobody", "").at("total").at("delivered") == 0);
  auto reader = Reader::open(scene.path());
  CHECK(*partners_in(*reader) == std::vector<std::string>{"bank", "other"});
  CHECK(scene.verified().whole());
}

TEST_CASE("days that nobody counted are read row by row, and say the same") {
  Scene scene;
  play(scene);
  const Json counted = statement_for(scene, "bank", "");
  scene.tamper("DELETE FROM counted_day WHERE day = 1");
  CHECK(statement_for(scene, "bank", "") == counted);
  scene.tamper("DROP TABLE counted_day; DROP TABLE tally; DROP TABLE proof_about");  // of an earlier release
  CHECK(statement_for(scene, "bank", "") == counted);
  CHECK(scene.verified().whole());
}

TEST_CASE("counts that were changed do not pass for those of the rows") {
  Scene scene;
  play(scene);
  REQUIRE(scene.verified().whole());
  scene.tamper("UPDATE tally SET rows = rows + 1 WHERE kind = 'delivered' AND day = 1");
  const auto found = scene.verified();
  REQUIRE(found.breaks.size() == 1);
  CHECK(found.breaks[0].day == 1);
  CHECK(found.breaks[0].what.find("counts") != std::string::npos);
}
