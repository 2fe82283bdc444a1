// SPDX-License-Identifier: Apache-2.0
//
// Sessions as a relay records them, for tests: one good one, and what to change about it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "history/session.hpp"

namespace sealpost::test {

inline const SystemTime noon{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + std::chrono::hours(12)};

inline CertificateFacts good_certificate(const std::string& host) {
  CertificateFacts certificate;
  certificate.subject = "CN=" + host;
  certificate.issuer = "CN=Test \"CA\"";
  certificate.dns_names = {host, "*.other.example"};
  certificate.not_before = noon - std::chrono::days(10);
  certificate.leaf_expires = noon + std::chrono::days(60);
  certificate.chain_expires = noon + std::chrono::days(60);
  certificate.certificate_sha256 = std::string(64, 'a');
  certificate.spki_sha256 = std::string(64, 'b');
  return certificate;
}

inline history::Session good_session(const std::string& domain = "b.example",
                                     const std::string& host = "mx.b.example") {
  history::Session session;
  session.when = noon;
  session.recipient_domain = domain;
  session.policy_domain = domain;
  session.mx_host = host;
  session.facts.sts.kind = StsState::Kind::none;
  SessionFacts facts;
  facts.mx_host = host;
  facts.starttls = StartTls::established;
  facts.tls.version = TlsVersion::tls1_3;
  facts.tls.cipher = "TLS_AES_256_GCM_SHA384";
  facts.tls.group = "X25519";
  facts.tls.certificate = std::make_shared<const CertificateFacts>(good_certificate(host));
  session.facts.session = std::move(facts);
  session.ending.verdict = Verdict::deliver;
  return session;
}

inline history::Session clear_session(const std::string& domain, const std::string& host) {
  history::Session session = good_session(domain, host);
  session.facts.session->starttls = StartTls::not_offered;
  session.facts.session->tls = HandshakeFacts();
  session.ending.verdict = Verdict::deliver_and_report;
  session.ending.result_type = "starttls-not-supported";
  return session;
}

inline void change_certificate(history::Session& session, CertificateFacts certificate) {
  session.facts.session->tls.certificate = std::make_shared<const CertificateFacts>(std::move(certificate));
}

inline history::Session untrusted_session() {
  history::Session session = good_session();
  CertificateFacts certificate = good_certificate("mx.b.example");
  certificate.webpki = ChainResult{18, 0, "X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT"};
  change_certificate(session, std::move(certificate));
  return session;
}

// As it comes back from the store.
inline history::Recorded recorded(const history::Session& session, std::uint64_t handshakes = 1) {
  history::Recorded kept;
  kept.recipient_domain = session.recipient_domain;
  kept.policy_domain = session.policy_domain;
  kept.mx_host = session.mx_host;
  kept.facts = std::make_shared<const history::Facts>(session.facts);
  kept.ending = session.ending;
  kept.handshakes = handshakes;
  kept.first = kept.last = session.when;
  return kept;
}

}  // namespace sealpost::test
