// SPDX-License-Identifier: Apache-2.0
#include "delivery/proof.hpp"

#include <utility>

namespace sealpost::delivery {

ProofPtr prove(const Plan& plan, const HostView& view, std::optional<SessionFacts> facts, SystemTime now) {
  auto proof = std::make_shared<Proof>();
  proof->recipient_domain = plan.recipient_domain;
  proof->policy_domain = plan.policy_domain;
  if (plan.partner) {
    proof->partner = plan.partner->name;
    proof->partner_hash = plan.partner->hash;
  }
  proof->report = plan.report;
  proof->mx_secure = plan.mx.dnssec == dns::Dnssec::secure;
  proof->sts = plan.sts;
  proof->flags = plan.flags;
  proof->mx_host = view.host.name;
  proof->dane = view.dane;
  proof->decision = view.decision;
  if (facts) proof->judgement = judge(view.decision.requirement, *facts, now);
  proof->facts = std::move(facts);
  return proof;
}

std::string policy_words(const Proof& proof) {
  std::string text;
  for (const DemandResult& result : proof.judgement.results) {
    if (!text.empty()) text += ",";
    text += std::string(name_of(result.source));
    if (!result.origin.empty()) text += ":" + result.origin;
    if (result.force == Force::observe) text += "(observed)";
    if (!result.satisfied()) text += "(failed)";
  }
  return text.empty() ? "none" : text;
}

std::string verification_words(const Proof& proof) {
  if (!proof.facts || proof.facts->starttls != StartTls::established) return "none";
  if (!proof.facts->tls.certificate) return "anonymous";
  const CertificateFacts& certificate = *proof.facts->tls.certificate;
  if (certificate.dane && certificate.dane->chain.ok()) return proof.mx_secure ? "dane" : "dane-unsigned-mx";
  if (certificate.webpki.ok())
    return names_match(certificate.dns_names, proof.facts->mx_host) ? "verified" : "trusted";
  return "untrusted";
}

}  // namespace sealpost::delivery
