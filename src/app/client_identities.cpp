// SPDX-License-Identifier: Apache-2.0
#include "app/client_identities.hpp"

namespace sealpost::app {
namespace {

constexpr auto ahead = std::chrono::hours(30 * 24);  // how long before its end a certificate is worth a word

Expected<std::shared_ptr<const tls::ServerIdentity>> load(const PartnerRule& rule, const keys::Source& keys) {
  return tls::ServerIdentity::load(rule.client_certificate, rule.client_key, keys);
}

Finding about(const PartnerRule& rule, Finding::Kind kind, std::string message) {
  Finding finding;
  finding.kind = kind;
  finding.file = rule.file;
  finding.line = rule.line;
  finding.key = "partner.client_certificate";
  finding.message = std::move(message);
  return finding;
}

}  // namespace

Expected<delivery::ClientIdentities> load_client_identities(const std::vector<PartnerRule>& partners,
                                                            const keys::Source& keys) {
  delivery::ClientIdentities identities;
  for (const PartnerRule& rule : partners) {
    if (rule.client_certificate.empty()) continue;
    auto identity = load(rule, keys);
    if (!identity)
      return Error(Errc::invalid, rule.file + ":" + std::to_string(rule.line) + ": client certificate of '" +
                                      rule.name + "': " + identity.error().detail);
    identities.emplace(rule.name, std::move(*identity));
  }
  return identities;
}

Findings check_client_identities(const std::vector<PartnerRule>& partners, SystemTime now,
                                 const keys::Source& keys) {
  Findings findings;
  for (const PartnerRule& rule : partners) {
    if (rule.client_certificate.empty() || rule.client_key.empty()) continue;
    const auto identity = load(rule, keys);
    if (!identity) {
      findings.push_back(about(rule, Finding::Kind::error, identity.error().detail));
    } else if ((*identity)->expires() <= now + ahead) {
      const bool over = (*identity)->expires() <= now;
      findings.push_back(about(rule, Finding::Kind::warning,
                               rule.client_certificate + (over ? " ended on " : " ends on ") +
                                   to_utc_day((*identity)->expires()) + "; the partner may refuse it"));
    }
  }
  return findings;
}

}  // namespace sealpost::app
