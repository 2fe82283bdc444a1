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

struct DemandResult {
  Source source = Source::opportunistic;
  Force force = Force::enforce;
  std::string origin;
  std::vector<DemandFailure> failures;  // empty: satisfied. The first is the one that counts for TLS-RPT
  bool satisfied() const noexcept { return failures.empty(); }
  bool refuses() const noexcept;  // enforcing, and some failure is more than a report
};

enum class Verdict : std::uint8_t { deliver, deliver_and_report, refuse };

struct Judgement {
  Verdict verdict = Verdict::refuse;
  std::vector<DemandResult> results;  // one per demand, in order
  // Who decided a refusal: the first demand that refuses. Null: nobody.
  const DemandResult* decisive() const noexcept;
};

// `now` counts: a certificate that was good at the handshake may have expired since, on a connection kept
// open or a session resumed (S43, T-07).
Judgement judge(const Requirement& requirement, const SessionFacts& facts, SystemTime now);

// Does one of the certificate's DNS-IDs match the reference name? "*" only as the whole left-most label of
// the certificate's name, standing for exactly one label, with at least two labels after it (RFC 9525 §6.3,
// RFC 8461 §4.1). IDN in A-labels, any case. An IP address never matches.
bool names_match(const std::vector<std::string>& dns_names, std::string_view reference) noexcept;
// Does one of them name the domain itself or a host directly under it? (partner rules, names = domain)
bool names_domain(const std::vector<std::string>& dns_names, std::string_view domain) noexcept;

}  // namespace sealpost
