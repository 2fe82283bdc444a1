// SPDX-License-Identifier: Apache-2.0
//
// judge(): does what happened satisfy the requirement? For every demand its own list of failures, so that one
// session yields one TLS-RPT entry per policy (RFC 8460 §4.3), and one overall verdict. Pure.
#pragma once

#include <string>
#include <vector>

#include "sealpost/handshake_facts.hpp"
#include "sealpost/requirement.hpp"

namespace sealpost {

struct DemandFailure {
  std::string result_type;  // RFC 8460 §4.3, e.g. "certificate-host-mismatch"
  std::string reason_code;  // failure-reason-code, e.g. "X509_V_ERR_HOSTNAME_MISMATCH"
  std::string status;       // enhanced code while retrying: "4.7.4" or "4.7.5", "4.7.0"
  std::string text;         // for log and DSN, names host and reason
};

struct DemandResult {
  Source source = Source::opportunistic;
  Force force = Force::enforce;
  std::string origin;
  std::vector<DemandFailure> failures;  // empty: satisfied. First is the one reported
  bool satisfied() const noexcept { return failures.empty(); }
};

enum class Verdict : std::uint8_t { deliver, deliver_and_report, refuse };

struct Judgement {
  Verdict verdict = Verdict::refuse;
  std::vector<DemandResult> results;  // one per demand, in order
  // The failure that decided a refusal: of the first enforcing demand that is not satisfied.
  const DemandResult* decisive() const noexcept;
};

Judgement judge(const Requirement& requirement, const SessionFacts& facts, SystemTime now);

// Does one of the certificate's DNS-IDs match the reference name? "*" only as the whole left-most label of the
// certificate's name, standing for exactly one label (RFC 9525 §6.3, RFC 8461 §4.1); IDN in A-labels.
bool names_match(const std::vector<std::string>& dns_names, std::string_view reference) noexcept;

}  // namespace sealpost
