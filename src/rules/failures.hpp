// SPDX-License-Identifier: Apache-2.0
//
// The failures a demand can have: their TLS-RPT result types (RFC 8460 §4.3), codes and words. One place, so
// that the same cause is reported, bounced and explained alike. Internal to src/rules.
#pragma once

#include <string>
#include <string_view>

#include "sealpost/requirement.hpp"

namespace sealpost::failures {

// Who asks, in words that end a sentence: "partner rule 'Noord'", "the MTA-STS policy of b.example".
std::string asker(const Requirement& requirement, const Demand& demand);

// Before any session.
DemandFailure mx_not_allowed(const Requirement& requirement, const Demand& demand);
DemandFailure tlsa_lookup_failed(const Requirement& requirement, std::string_view base_domain,
                                 std::string_view reason);
DemandFailure tlsa_unusable(std::string_view base_domain);
DemandFailure sts_unknown(const Requirement& requirement);
DemandFailure dane_required(const Requirement& requirement, const Demand& demand, std::string_view why);
DemandFailure mx_not_authenticated(const Requirement& requirement, bool for_now);

// About the session.
DemandFailure no_starttls(const Requirement& requirement, const Demand& demand, const SessionFacts& session);
DemandFailure old_version(const Requirement& requirement, const Demand& demand, TlsVersion used);
DemandFailure weak_tls(const Requirement& requirement, const Demand& demand, const std::string& weakness);
DemandFailure no_certificate(const Requirement& requirement, const Demand& demand);
DemandFailure certificate_expired(const Requirement& requirement, const Demand& demand,
                                  const CertificateFacts& certificate);
DemandFailure certificate_not_trusted(const Requirement& requirement, const Demand& demand,
                                      std::string_view token);
DemandFailure name_mismatch(const Requirement& requirement, const Demand& demand, std::string_view wanted);
DemandFailure no_tlsa_match(const Requirement& requirement, const Demand& demand);
DemandFailure pin_mismatch(const Requirement& requirement, const Demand& demand, std::string_view shown);
DemandFailure no_requiretls(const Requirement& requirement);

}  // namespace sealpost::failures
