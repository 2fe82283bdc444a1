// SPDX-License-Identifier: Apache-2.0
//
// Where MTA-STS policy text comes from: HTTPS (fetch.hpp), or a script in tests and simulation.
#pragma once

#include <string>

#include "event/task.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::sts {

// In the words of a TLS report (RFC 8460 §4.3).
struct FetchFailure {
  FetchFailure(std::string type_, std::string reason_, std::string detail_)
      : type(std::move(type_)), reason(std::move(reason_)), detail(std::move(detail_)) {}
  std::string type;    // "sts-policy-fetch-error", "sts-webpki-invalid" or "sts-policy-invalid"
  std::string reason;  // token for failure-reason-code: "http-status-404", "X509_V_ERR_CERT_HAS_EXPIRED"
  std::string detail;  // for people, printable
  bool ours = false;   // a want of this relay: nothing was learned of the domain, and it passes
};

class PolicyFetcher {
 public:
  virtual ~PolicyFetcher() = default;
  // The body served for the domain, at most sts_body_cap octets, not yet parsed. Ends within a minute or so.
  virtual event::Task<Expected<std::string, FetchFailure>> fetch(std::string policy_domain) = 0;
};

}  // namespace sealpost::sts
