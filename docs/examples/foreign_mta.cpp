// SPDX-License-Identifier: Apache-2.0
//
// What another MTA asks libsealpost: what must a session with this host prove, and did the one we had? docs/library.md.
#include <sealpost/verdict.hpp>

#include <iostream>

int main() {
  sealpost::DecisionFacts facts;  // what was found out before the connection
  facts.policy_domain = "example.net";
  facts.mx_host = "mx1.example.net";
  facts.now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  const auto policy =
      sealpost::parse_sts_policy("version: STSv1\nmode: enforce\nmx: *.example.net\nmax_age: 86400\n");
  if (!policy) return 2;
  facts.sts.kind = sealpost::StsState::Kind::policy;
  facts.sts.policy = *policy;
  facts.sts.expires = facts.now + policy->max_age;
  const sealpost::Decision decision = sealpost::decide(facts);
  for (const std::string& line : decision.trace) std::cout << line << '\n';

  sealpost::SessionFacts session;  // what the peer showed: here no STARTTLS at all
  session.mx_host = facts.mx_host;
  session.starttls = sealpost::StartTls::not_offered;
  const sealpost::Judgement judgement = sealpost::judge(decision.requirement, session, facts.now);
  const sealpost::DemandResult* refusal = judgement.decisive();
  std::cout << (refusal == nullptr ? "deliver" : "refuse: " + refusal->failures.front().text) << '\n';
}
