// SPDX-License-Identifier: Apache-2.0
#include "rules/failures.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace sealpost::failures {
namespace {

// RFC 8689 §4.2.1: a message that asks for REQUIRETLS is returned when no host can serve it; everything else
// is tried again, because what is published or installed may be mended (RFC 8461 §5.1, RFC 7672 §2.2).
std::string status_for(const Demand& demand, std::string_view otherwise) {
  return demand.source == Source::requiretls ? "5.7.10" : std::string(otherwise);
}

DemandFailure make(std::string_view type, std::string_view reason, std::string status, std::string text) {
  DemandFailure failure;
  failure.result_type = type;
  failure.reason_code = reason;
  failure.status = std::move(status);
  failure.text = std::move(text);
  return failure;
}

DemandFailure about_certificate(const Requirement& requirement, const Demand& demand, std::string_view type,
                                std::string_view reason, std::string_view what) {
  return make(type, reason, status_for(demand, "4.7.5"),
              fmt::format("certificate of {} not valid for {}: {}", requirement.mx_host,
                          asker(requirement, demand), what));
}

}  // namespace

std::string asker(const Requirement& requirement, const Demand& demand) {
  switch (demand.source) {
    case Source::partner: return fmt::format("partner rule '{}'", demand.origin);
    case Source::requiretls: return "REQUIRETLS of the message";
    case Source::message: return "what its sender asks for";
    case Source::dane: return fmt::format("the DANE records of {}", demand.origin);
    case Source::mta_sts: return fmt::format("the MTA-STS policy of {}", requirement.policy_domain);
    case Source::opportunistic: return "opportunistic TLS";
  }
  return "unknown";
}

DemandFailure mx_not_allowed(const Requirement& requirement, const Demand& demand) {
  const bool sts = demand.source == Source::mta_sts;
  return make("validation-failure", sts ? "mx-not-in-sts-policy" : "mx-not-allowed",
              status_for(demand, "4.7.0"),
              fmt::format("mail host {} of {} is not among those {} allows", requirement.mx_host,
                          requirement.policy_domain, asker(requirement, demand)));
}

DemandFailure tlsa_lookup_failed(const Requirement& requirement, std::string_view base_domain,
                                 std::string_view reason) {
  const std::string_view name = base_domain.empty() ? std::string_view(requirement.mx_host) : base_domain;
  const std::string code = text::printable(reason, 64);
  return make("dnssec-invalid", code.empty() ? "SERVFAIL" : code, "4.7.5",
              fmt::format("TLSA lookup failed for {}: {}", name, code.empty() ? "no valid answer" : code));
}

DemandFailure tlsa_unusable(std::string_view base_domain) {
  DemandFailure failure = make("tlsa-invalid", "all-tlsa-records-unusable", "4.7.5",
                               fmt::format("no TLSA record of {} is usable for mail", base_domain));
  failure.report_only = true;
  return failure;
}

DemandFailure sts_unknown(const Requirement& requirement) {
  return make("sts-policy-fetch-error", "policy-cache-unreadable", "4.7.0",
              fmt::format("the MTA-STS policies this relay had cached cannot be read, and {} may have one",
                          requirement.policy_domain));
}

DemandFailure dane_required(const Requirement& requirement, const Demand& demand, std::string_view why) {
  return make(
      "dane-required", "no-secure-tlsa", "4.7.5",
      fmt::format("DANE required by {}, but {}: {}", asker(requirement, demand), requirement.mx_host, why));
}

DemandFailure mx_not_authenticated(const Requirement& requirement, bool for_now) {
  return make(
      "validation-failure", "mx-not-authenticated", for_now ? "4.7.10" : "5.7.10",
      fmt::format("REQUIRETLS: neither DNSSEC nor an enforced MTA-STS policy vouches for mail host {} of {}",
                  requirement.mx_host, requirement.policy_domain));
}

DemandFailure no_starttls(const Requirement& requirement, const Demand& demand, const SessionFacts& session) {
  const std::string who = asker(requirement, demand);
  const std::string& host = requirement.mx_host;
  switch (session.starttls) {
    case StartTls::not_offered:
      return make("starttls-not-supported", "starttls-not-offered", status_for(demand, "4.7.4"),
                  fmt::format("TLS required by {}, not offered by {}", who, host));
    case StartTls::refused: {
      const std::string reply = text::printable(session.starttls_reply, 200);
      const bool for_now = reply.starts_with('4');  // 454: REQUIRETLS may wait for it
      return make("starttls-not-supported", reply, for_now ? "4.7.4" : status_for(demand, "4.7.4"),
                  fmt::format("TLS required by {}, {} answered STARTTLS with {}", who, host, reply));
    }
    case StartTls::handshake_failed: {
      const std::string error = text::printable(session.handshake_error, 200);
      return make("validation-failure", error.empty() ? "handshake-failed" : error, "4.7.5",
                  fmt::format("TLS required by {}, handshake with {} failed: {}", who, host, error));
    }
    case StartTls::not_tried:
    case StartTls::established: break;
  }
  return make("validation-failure", "starttls-not-tried", "4.7.5",
              fmt::format("TLS required by {}, not tried with {}", who, host));
}

DemandFailure old_version(const Requirement& requirement, const Demand& demand, TlsVersion used) {
  return make("validation-failure", "protocol-version", status_for(demand, "4.7.5"),
              fmt::format("{} required by {}, {} speaks {}", name_of(demand.minimum),
                          asker(requirement, demand), requirement.mx_host, name_of(used)));
}

DemandFailure weak_tls(const Requirement& requirement, const Demand& demand, const std::string& weakness) {
  return make("validation-failure", "weak-tls", status_for(demand, "4.7.5"),
              fmt::format("strong TLS required by {}, the session with {} has {}", asker(requirement, demand),
                          requirement.mx_host, weakness));
}

DemandFailure no_certificate(const Requirement& requirement, const Demand& demand) {
  return about_certificate(requirement, demand, "certificate-not-trusted", "no-certificate",
                           "none was shown");
}

DemandFailure certificate_expired(const Requirement& requirement, const Demand& demand,
                                  const CertificateFacts& certificate) {
  return about_certificate(
      requirement, demand, "certificate-expired", "X509_V_ERR_CERT_HAS_EXPIRED",
      fmt::format("expired (its own last day is {})", to_utc_day(certificate.leaf_expires)));
}

DemandFailure certificate_not_trusted(const Requirement& requirement, const Demand& demand,
                                      std::string_view token) {
  return about_certificate(requirement, demand, "certificate-not-trusted", token, token);
}

DemandFailure name_mismatch(const Requirement& requirement, const Demand& demand, std::string_view wanted) {
  return about_certificate(requirement, demand, "certificate-host-mismatch", "X509_V_ERR_HOSTNAME_MISMATCH",
                           fmt::format("it does not name {}", wanted));
}

DemandFailure no_tlsa_match(const Requirement& requirement, const Demand& demand) {
  return about_certificate(requirement, demand, "tlsa-invalid", "no-tlsa-record-matched",
                           "no TLSA record matches it");
}

DemandFailure pin_mismatch(const Requirement& requirement, const Demand& demand, std::string_view shown) {
  return about_certificate(requirement, demand, "validation-failure", "pin-mismatch",
                           fmt::format("its key {} is not pinned", shown));
}

DemandFailure no_requiretls(const Requirement& requirement) {
  return make("validation-failure", "requiretls-not-offered", "5.7.30",
              fmt::format("REQUIRETLS support required, not offered by {}", requirement.mx_host));
}

}  // namespace sealpost::failures
