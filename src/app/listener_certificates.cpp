// SPDX-License-Identifier: Apache-2.0
#include "app/listener_certificates.hpp"

namespace sealpost::app {
namespace {

Expected<tls::ServerCertificates::Identity> load_certificate(const CertificateConfig& files,
                                                             const keys::Source& keys) {
  return tls::ServerIdentity::load(files.certificate, files.key, keys, files.ocsp_staple);
}

Finding about_certificate(const Config& config, const CertificateConfig& files, std::string message) {
  Finding finding;
  finding.file = config.source;
  finding.line = files.line;
  finding.key = files.line == 0 ? "tls.certificate" : "tls.also.certificate";
  finding.message = std::move(message);
  return finding;
}

}  // namespace

Expected<std::shared_ptr<const tls::ServerCertificates>> load_listener_certificates(
    const Config& config, const keys::Source& keys) {
  std::vector<tls::ServerCertificates::Identity> all;
  for (const CertificateConfig& files : config.certificates) {
    auto identity = load_certificate(files, keys);
    if (!identity) return identity.error();
    all.push_back(std::move(*identity));
  }
  if (all.empty()) return std::shared_ptr<const tls::ServerCertificates>();
  return std::make_shared<const tls::ServerCertificates>(std::move(all));
}

Expected<std::shared_ptr<const tls::ClientAuthorities>> load_client_authorities(
    const ListenerConfig& listener) {
  if (!listener.ask_certificate) return std::shared_ptr<const tls::ClientAuthorities>();
  auto authorities = tls::ClientAuthorities::load(listener.client_cas);
  if (!authorities)
    return Error(authorities.error().code, "listener.client_ca " + authorities.error().detail);
  return authorities;
}

Findings check_listener_certificates(const Config& config, SystemTime now, const keys::Source& keys) {
  Findings findings;
  std::vector<tls::ServerCertificates::Identity> all;
  std::vector<const CertificateConfig*> whose;
  for (const CertificateConfig& files : config.certificates) {
    if (files.key.empty()) continue;  // was said when it was read
    auto identity = load_certificate(files, keys);
    if (!identity) {
      findings.push_back(about_certificate(config, files, identity.error().detail));
      continue;
    }
    all.push_back(std::move(*identity));
    whose.push_back(&files);
  }
  if (all.empty()) return findings;
  const tls::ServerCertificates certificates(std::move(all));
  const auto against = certificates.objections(config.hostname, now, config.alerts.settings.certificate);
  for (std::size_t i = 0; i < against.size(); ++i) {
    if (!against[i]) continue;
    findings.push_back(about_certificate(
        config, *whose[i], whose[i]->certificate + " " + against[i]->what + "; " + against[i]->remedy));
    if (against[i]->kind != tls::Objection::Kind::refused) findings.back().kind = Finding::Kind::warning;
  }
  return findings;
}

}  // namespace sealpost::app
