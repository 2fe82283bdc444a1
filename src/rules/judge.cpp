// SPDX-License-Identifier: Apache-2.0
//
// judge(): recorded facts against each demand. Failures of one demand are in the order of RFC 8460 §4.3 as
// sealpost reads it: certificate first, what has no type of its own last, so that the first is the one to
// count.
#include <algorithm>

#include "base/planted.hpp"
#include "rules/failures.hpp"
#include "rules/tlsa_usage.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost {
namespace {

using Failures = std::vector<DemandFailure>;

constexpr std::string_view expired_token = "X509_V_ERR_CERT_HAS_EXPIRED";

// What OpenSSL says when no TLSA record led to an anchor: either plainly, or that the chain ends nowhere.
bool means_no_match(std::string_view token) noexcept {
  return token == "X509_V_ERR_DANE_NO_MATCH" || token == "X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT" ||
         token == "X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY" ||
         token == "X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE" ||
         token == "X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT" || token == "X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN";
}

class Judge {
 public:
  Judge(const Requirement& requirement, const SessionFacts& session, SystemTime now)
      : requirement_(requirement), session_(session), now_(now) {}

  Failures failures_of(const Demand& demand) const {
    Failures out;
    if (demand.needs_tls()) {
      if (session_.starttls == StartTls::established)
        check_session(demand, out);
      else
        out.push_back(failures::no_starttls(requirement_, demand, session_));
    }
    out.insert(out.end(), demand.unmet.begin(), demand.unmet.end());
    if (!mx_allowed(demand)) out.push_back(failures::mx_not_allowed(requirement_, demand));
    return out;
  }

 private:
  void check_session(const Demand& demand, Failures& out) const {
    if (demand.needs_authentication()) check_certificate(demand, out);
    if (session_.tls.version < demand.minimum)
      out.push_back(failures::old_version(requirement_, demand, session_.tls.version));
    else if (demand.needs_strength())
      check_strength(demand, out);
    if (demand.requiretls_offer && !session_.offers_requiretls)
      out.push_back(failures::no_requiretls(requirement_));
  }

  void check_strength(const Demand& demand, Failures& out) const {
    const std::string weakness = weakness_of(session_.tls);
    if (!weakness.empty() && !planted(Plant::lend_weak))
      out.push_back(failures::weak_tls(requirement_, demand, weakness));
  }

  void check_certificate(const Demand& demand, Failures& out) const {
    const CertificateFacts* certificate = session_.tls.certificate.get();
    if (certificate == nullptr) {
      out.push_back(failures::no_certificate(requirement_, demand));
      return;
    }
    if (demand.webpki) check_webpki(demand, *certificate, out);
    if (!demand.tlsa.empty()) check_tlsa(demand, *certificate, out);
    if (!demand.pins.empty()) check_pins(demand, *certificate, out);
  }

  // RFC 8461 §4.2: trusted, unexpired now, and for the name.
  void check_webpki(const Demand& demand, const CertificateFacts& certificate, Failures& out) const {
    const ChainResult& chain = certificate.webpki;
    if (!chain.ok())
      out.push_back(chain_failure(demand, certificate, chain));
    else if (now_ >= certificate.chain_expires)
      out.push_back(failures::certificate_expired(requirement_, demand, certificate));
    else
      check_names(demand, certificate.dns_names, out);
  }

  void check_names(const Demand& demand, const std::vector<std::string>& names, Failures& out) const {
    const auto mismatch = [&](std::string_view wanted) {
      out.push_back(failures::name_mismatch(requirement_, demand, wanted));
    };
    if (demand.match_mx_name && !names_match(names, requirement_.mx_host)) mismatch(requirement_.mx_host);
    if (demand.match_domain && !names_domain(names, requirement_.policy_domain))
      mismatch(requirement_.policy_domain);
    if (!demand.match_names.empty() && !any_matches(demand.match_names, names))
      mismatch(demand.match_names.front());
  }

  static bool any_matches(const std::vector<std::string>& references,
                          const std::vector<std::string>& names) noexcept {
    return std::any_of(references.begin(), references.end(),
                       [&](const std::string& reference) { return names_match(names, reference); });
  }

  void check_tlsa(const Demand& demand, const CertificateFacts& certificate, Failures& out) const {
    const auto& dane = certificate.dane;
    // A session that was never checked against just these records proves nothing about them.
    if (!dane || demand.tlsa_set.empty() || dane->records_digest != demand.tlsa_set) {
      out.push_back(failures::no_tlsa_match(requirement_, demand));
    } else if (!dane->chain.ok()) {
      if (dane->expired)
        out.push_back(failures::certificate_expired(requirement_, demand, certificate));
      else if (means_no_match(dane->chain.token))
        out.push_back(failures::no_tlsa_match(requirement_, demand));
      else
        out.push_back(failures::certificate_not_trusted(requirement_, demand, dane->chain.token));
    } else if (dane->matched_usage == dane_ta) {
      check_anchored(demand, certificate, out);
    } else if (dane->matched_usage != dane_ee) {
      out.push_back(failures::no_tlsa_match(requirement_, demand));
    }
  }

  // Usage 2: dates and names count; usage 3 knows neither (RFC 7672 §3.1.1, §3.1.2, §3.2.3).
  void check_anchored(const Demand& demand, const CertificateFacts& certificate, Failures& out) const {
    std::vector<std::string> names = certificate.dns_names;
    if (names.empty() && !certificate.common_name.empty()) names.push_back(certificate.common_name);
    if (now_ >= certificate.chain_expires)
      out.push_back(failures::certificate_expired(requirement_, demand, certificate));
    else if (!any_matches(demand.tlsa_names, names))
      out.push_back(failures::name_mismatch(
          requirement_, demand, demand.tlsa_names.empty() ? demand.origin : demand.tlsa_names.front()));
  }

  void check_pins(const Demand& demand, const CertificateFacts& certificate, Failures& out) const {
    const std::string& shown = certificate.spki_sha256;
    if (shown.empty() || std::find(demand.pins.begin(), demand.pins.end(), shown) == demand.pins.end())
      out.push_back(failures::pin_mismatch(requirement_, demand, shown));
  }

  DemandFailure chain_failure(const Demand& demand, const CertificateFacts& certificate,
                              const ChainResult& chain) const {
    if (chain.token == expired_token) return failures::certificate_expired(requirement_, demand, certificate);
    return failures::certificate_not_trusted(requirement_, demand, chain.token);
  }

  bool mx_allowed(const Demand& demand) const noexcept {
    const auto matches = [this](const std::string& pattern) {
      return mx_matches(pattern, requirement_.mx_host);
    };
    return demand.mx_patterns.empty() ||
           std::any_of(demand.mx_patterns.begin(), demand.mx_patterns.end(), matches);
  }

  const Requirement& requirement_;
  const SessionFacts& session_;
  SystemTime now_;
};

}  // namespace

bool DemandResult::refuses() const noexcept {
  return force == Force::enforce &&
         std::any_of(failures.begin(), failures.end(), [](const DemandFailure& f) { return !f.report_only; });
}

const DemandResult* Judgement::decisive() const noexcept {
  const auto found =
      std::find_if(results.begin(), results.end(), [](const DemandResult& r) { return r.refuses(); });
  return found == results.end() ? nullptr : &*found;
}

Judgement judge(const Requirement& requirement, const SessionFacts& facts, SystemTime now) {
  const Judge judge(requirement, facts, now);
  Judgement judgement;
  judgement.verdict = Verdict::deliver;
  for (const Demand& demand : requirement.demands) {
    DemandResult result;
    result.source = demand.source;
    result.force = demand.force;
    result.origin = demand.origin;
    result.failures = judge.failures_of(demand);
    if (result.refuses())
      judgement.verdict = Verdict::refuse;
    else if (!result.satisfied() && judgement.verdict == Verdict::deliver)
      judgement.verdict = Verdict::deliver_and_report;
    judgement.results.push_back(std::move(result));
  }
  return judgement;
}

}  // namespace sealpost
