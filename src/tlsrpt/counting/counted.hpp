// SPDX-License-Identifier: Apache-2.0
//
// From a session to what is counted: one entry per policy (RFC 8460 §4.2, §4.3). STS and DANE side by side,
// each with its own verdict; no-policy-found only when neither exists (R8). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tlsrpt/counting/recorder.hpp"

namespace sealpost::tlsrpt {

struct FailureDetail {
  std::string result_type;
  std::string sending_ip, mx_host, mx_helo, receiving_ip;  // empty: unknown, left out of the report (R13)
  std::string reason_code;
  auto operator<=>(const FailureDetail&) const = default;
};

// Which summary a session belongs to (R12).
struct PolicyKey {
  std::string day;     // UTC, 2026-01-31
  std::string domain;  // the domain reported to
  std::string type;    // "sts", "tlsa", "no-policy-found"
  std::string policy_domain;
  std::vector<std::string> policy_string;
  std::vector<std::string> mx_hosts;  // sts: the patterns
  auto operator<=>(const PolicyKey&) const = default;
};

struct CountedEntry {
  PolicyKey key;
  bool success = false;  // the session complied with this policy
  bool session = true;   // false: the failure had no session of its own and only adds its detail
  std::vector<FailureDetail> failures;
};

// Many sessions as one: what a batch adds to each summary.
struct PolicyTally {
  std::uint64_t success = 0, failure = 0;
  std::map<FailureDetail, std::uint64_t> failures;
};
using Tally = std::map<PolicyKey, PolicyTally>;
void fold(Tally& tally, CountedEntry entry);

// At most one entry per policy; a session adds at most one to each summary (R7).
std::vector<CountedEntry> count_session(const SessionRecord& record);

}  // namespace sealpost::tlsrpt
