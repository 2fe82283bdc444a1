// SPDX-License-Identifier: Apache-2.0
//
// What a decision costs: decide() for a host and judge() for its session, with every source present, without the trace
// and with it; and find_partner() among many rules. Prints nanoseconds per call. Usage: decision_bench [ROUNDS]
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "sealpost/verdict.hpp"

namespace {

using namespace sealpost;
using namespace std::chrono_literals;

const SystemTime now = SystemTime(std::chrono::seconds(1'780'000'000));

DecisionFacts facts_with_everything() {
  DecisionFacts facts;
  facts.policy_domain = "noord.example";
  facts.mx_host = "mx1.mail.noord.example";
  facts.mx_secure = true;
  facts.now = now;
  PartnerRule& rule = facts.partner.emplace();
  rule.name = "Zorgverzekeraar Noord";
  rule.domains = {"noord.example", "*.noord.example"};
  rule.level = PartnerLevel::verify;
  rule.names = PartnerRule::Names::mx;
  rule.mx = {"*.mail.noord.example"};
  rule.hash = std::string(64, 'a');
  facts.sts.kind = StsState::Kind::policy;
  facts.sts.id = "20260101000000";
  facts.sts.expires = now + 24h;
  MtaStsPolicy& policy = facts.sts.policy.emplace();
  policy.mode = StsMode::enforce;
  policy.mx = {"mx2.noord.example", "*.mail.noord.example"};
  policy.lines = {"version: STSv1", "mode: enforce", "mx: mx2.noord.example", "mx: *.mail.noord.example",
                  "max_age: 86400"};
  facts.dane.kind = DaneState::Kind::usable;
  facts.dane.base_domain = facts.mx_host;
  facts.dane.names = {facts.mx_host, "noord.example"};
  for (const std::uint8_t fill : {std::uint8_t{1}, std::uint8_t{2}})
    facts.dane.usable.emplace_back(3, 1, 1, std::vector<std::uint8_t>(32, fill));
  facts.dane.all = facts.dane.usable;
  return facts;
}

SessionFacts session_for(const DecisionFacts& facts) {
  SessionFacts session;
  session.mx_host = facts.mx_host;
  session.starttls = StartTls::established;
  session.tls.version = TlsVersion::tls1_3;
  CertificateFacts certificate;
  certificate.dns_names = {"mx2.mail.noord.example", "*.mail.noord.example"};
  certificate.leaf_expires = certificate.chain_expires = now + 24h;
  certificate.spki_sha256 = std::string(64, 'b');
  auto& dane = certificate.dane.emplace();
  dane.matched_usage = 3;
  dane.records_digest = tlsa_digest(facts.dane.usable);
  session.tls.certificate = std::make_shared<const CertificateFacts>(certificate);
  return session;
}

template <class Work>
void measure(std::string_view what, long rounds, Work work) {
  const auto start = std::chrono::steady_clock::now();
  for (long i = 0; i < rounds; ++i) work();
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  fmt::print("{:<44} {:8.0f} ns\n", what, took.count() / static_cast<double>(rounds));
}

}  // namespace

int main(int argc, char** argv) {
  const long rounds = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 200'000;
  DecisionFacts facts = facts_with_everything();
  const SessionFacts session = session_for(facts);
  if (judge(decide(facts).requirement, session, now).verdict != Verdict::deliver) return EXIT_FAILURE;
  facts.explain = false;
  measure("decide and judge, every source", rounds, [&] {
    const Decision decision = decide(facts);
    const Judgement judgement = judge(decision.requirement, session, now);
    if (judgement.verdict != Verdict::deliver) std::abort();
  });
  const Decision decision = decide(facts);
  measure("  judge alone", rounds, [&] {
    if (judge(decision.requirement, session, now).verdict != Verdict::deliver) std::abort();
  });
  facts.explain = true;
  measure("  decide with its trace", rounds, [&] {
    if (decide(facts).trace.empty()) std::abort();
  });
  DecisionFacts nothing;
  nothing.policy_domain = facts.policy_domain;
  nothing.mx_host = facts.mx_host;
  nothing.explain = false;
  measure("decide and judge, nothing published", rounds, [&] {
    if (judge(decide(nothing).requirement, session, now).verdict != Verdict::deliver) std::abort();
  });
  std::vector<PartnerRule> rules(1000, *facts.partner);
  for (std::size_t i = 0; i < rules.size(); ++i)
    rules[i].domains = {fmt::format("partner{}.example", i), fmt::format("*.p{}.example", i)};
  measure("find_partner among 1000 rules", rounds / 10, [&] {
    if (find_partner(rules, "elsewhere.example", now) != nullptr) std::abort();
  });
  return EXIT_SUCCESS;
}
