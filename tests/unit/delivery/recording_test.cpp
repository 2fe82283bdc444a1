// SPDX-License-Identifier: Apache-2.0
#include "delivery/recording.hpp"

#include <doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/digest.hpp"
#include "history/facts_codec.hpp"
#include "history/replay.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace std::chrono_literals;

namespace {

const SystemTime now{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};

CertificateFacts certificate(bool trusted, const std::string& name) {
  CertificateFacts made;
  made.dns_names = {name};
  made.leaf_expires = made.chain_expires = now + 24h * 30;
  made.certificate_sha256 = std::string(64, 'a');
  made.spki_sha256 = std::string(64, 'b');
  if (!trusted) made.webpki = ChainResult{20, 0, "X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY"};
  return made;
}

std::vector<SessionFacts> sessions() {
  std::vector<SessionFacts> all;
  for (const bool trusted : {true, false}) {
    for (const char* name : {"mx.b.example", "elsewhere.example"}) {
      for (const TlsVersion version : {TlsVersion::tls1_2, TlsVersion::tls1_3}) {
        SessionFacts facts;
        facts.starttls = StartTls::established;
        facts.tls.version = version;
        facts.tls.certificate = std::make_shared<const CertificateFacts>(certificate(trusted, name));
        all.push_back(std::move(facts));
      }
    }
  }
  SessionFacts refused;
  refused.starttls = StartTls::refused;
  refused.starttls_reply = "454 4.7.0 TLS not available, ticket 17";
  all.push_back(refused);
  SessionFacts none;
  none.starttls = StartTls::not_offered;
  all.push_back(none);
  SessionFacts broken;
  broken.starttls = StartTls::handshake_failed;
  broken.handshake_error = "tlsv1-alert-protocol-version";
  all.push_back(broken);
  return all;
}

std::vector<DaneState> dane_states() {
  DaneState none, usable, failed;
  none.kind = DaneState::Kind::none;
  usable.kind = DaneState::Kind::usable;
  usable.base_domain = "mx.b.example";
  usable.usable = {TlsaRecord(3, 1, 1, std::vector<std::uint8_t>(32, 1))};
  usable.all = usable.usable;
  failed.kind = DaneState::Kind::failed;
  failed.failure_reason = "SERVFAIL";
  return {none, usable, failed};
}

std::vector<StsState> sts_states() {
  std::vector<StsState> all(1);
  for (const StsMode mode : {StsMode::testing, StsMode::enforce}) {
    StsState state;
    state.kind = StsState::Kind::policy;
    state.id = "1";
    state.policy.emplace();
    state.policy->mode = mode;
    state.policy->mx = {"mx.b.example"};
    all.push_back(std::move(state));
  }
  return all;
}

std::vector<std::optional<PartnerRule>> rules() {
  std::vector<std::optional<PartnerRule>> all(1);
  for (const PartnerLevel level : {PartnerLevel::encrypt, PartnerLevel::verify, PartnerLevel::dane}) {
    PartnerRule rule;
    rule.name = "B";
    rule.domains = {"b.example"};
    rule.level = level;
    all.emplace_back(rule);
    rule.audit = true;
    all.emplace_back(rule);
  }
  return all;
}

}  // namespace

// A replay is worth something only if it decides as delivery did.
TEST_CASE("a session that is recorded, kept and replayed under the same rules ends as it did") {
  auto settings = std::make_shared<Rules>();
  MxHost host;
  host.name = "mx.b.example";
  unsigned compared = 0;
  for (const auto& rule : rules()) {
    for (const StsState& sts : sts_states()) {
      for (const DaneState& dane : dane_states()) {
        for (const SessionFacts& facts : sessions()) {
          Plan plan;
          plan.rules = settings;
          plan.recipient_domain = plan.policy_domain = "b.example";
          plan.partner = rule;
          plan.sts = sts;
          HostView view;
          view.host = host;
          view.dane = dane;
          view.decision = decide_for(plan, host, dane, now);
          const auto shown = view.decision.skip ? std::nullopt : std::optional(facts);
          const ProofPtr proof = prove(plan, view, shown, now);
          const history::Session session = to_history(*proof, Occasion::handshake, now);
          const bool refused = view.decision.skip || proof->judgement.verdict == Verdict::refuse;
          CHECK((session.ending.verdict == Verdict::refuse) == refused);
          CHECK(session.ending.refused_by.empty() == !refused);

          const auto& kept_certificate =
              session.facts.session ? session.facts.session->tls.certificate : nullptr;
          auto kept = history::decode_facts(history::encode(session.facts), kept_certificate);
          REQUIRE(kept);
          history::Recorded recorded;
          recorded.recipient_domain = session.recipient_domain;
          recorded.policy_domain = session.policy_domain;
          recorded.mx_host = session.mx_host;
          recorded.facts = std::make_shared<const history::Facts>(std::move(*kept));
          recorded.first = recorded.last = now;
          history::Terms terms;
          terms.now = now;
          const std::vector<PartnerRule> in_force =
              rule ? std::vector<PartnerRule>{*rule} : std::vector<PartnerRule>{};
          const history::Assessment again = history::assess(recorded, in_force, terms);
          CHECK(again.result == (refused ? history::Result::fail : history::Result::pass));
          ++compared;
        }
      }
    }
  }
  CHECK(compared == 7 * 3 * 3 * 11);
}

namespace {

std::shared_ptr<Proof> proof_of(const SessionFacts& session, std::optional<PartnerRule> rule) {
  DecisionFacts known;
  known.policy_domain = "b.example";
  known.mx_host = "mx.b.example";
  known.partner = std::move(rule);
  known.sts = sts_states().back();
  known.now = now;
  auto proof = std::make_shared<Proof>();
  proof->recipient_domain = proof->policy_domain = "b.example";
  proof->mx_host = "mx.b.example";
  if (known.partner) {
    proof->partner = known.partner->name;
    proof->partner_hash = "0123";
  }
  proof->sts = known.sts;
  proof->decision = decide(known);
  proof->facts = session;
  proof->facts->mx_host = "mx.b.example";
  proof->judgement = judge(proof->decision.requirement, *proof->facts, now);
  return proof;
}

}  // namespace

TEST_CASE("a proof as the journal keeps it says what was asked, of whom, and what of it did not hold") {
  for (const SessionFacts& session : sessions()) {
    for (const auto& rule : rules()) {
      const auto proof = proof_of(session, rule);
      const auto record = proof->record.of(*proof);
      REQUIRE(record);
      const Sha256 digest = sha256(record->text);
      CHECK(std::equal(digest.begin(), digest.end(), record->digest.begin(),
                       [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); }));
      const auto read = nlohmann::json::parse(record->text, nullptr, false);
      REQUIRE(read.is_object());
      CHECK(read["domain"] == "b.example");
      CHECK(read["partner"] == (rule ? rule->name : ""));
      REQUIRE(read["demands"].size() == proof->judgement.results.size());
      bool refused = false;
      for (std::size_t i = 0; i < proof->judgement.results.size(); ++i) {
        const DemandResult& result = proof->judgement.results[i];
        CHECK(read["demands"][i]["source"] == name_of(result.source));
        CHECK(read["demands"][i]["failures"].size() == result.failures.size());
        CHECK_FALSE(read["demands"][i]["asks"].is_null());
        refused = refused || result.refuses();
      }
      CHECK((read["verdict"] == "refuse") == refused);
      CHECK(read.contains("refused_by") == refused);
      CHECK(read.contains("certificate") == (session.tls.certificate != nullptr));
      CHECK(record->text.find("ticket 17") ==
            std::string::npos);  // what a peer says freely is not part of it
      // The same facts give the same text, whoever asks when.
      CHECK(proof_of(session, rule)->record.of(*proof)->text == record->text);
    }
  }
}

TEST_CASE(
    "a proof is written with its text until an outcome that carries it is durable, and by its digest then") {
  const auto proof = proof_of(sessions().front(), std::nullopt);
  const auto first = proof->record.of(*proof);
  CHECK(proof->record.of(*proof) == first);
  CHECK_FALSE(first->text.empty());
  proof->record.carried();
  const auto later = proof->record.of(*proof);
  CHECK(later->text.empty());
  CHECK(later->digest == first->digest);
}

TEST_CASE("T-44 R21: mail that carries TLS reports leaves no proof") {
  const auto proof = proof_of(sessions().front(), std::nullopt);
  proof->report = true;
  CHECK_FALSE(proof->record.of(*proof));
}
