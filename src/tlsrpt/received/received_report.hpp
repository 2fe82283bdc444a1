// SPDX-License-Identifier: Apache-2.0
//
// A TLS report that somebody sent to us (RFC 8460 §4.4), read with suspicion. What senders are known to get wrong is
// taken with a note; what would make the numbers a guess is refused, saying where. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tlsrpt/counting/store.hpp"

namespace sealpost::tlsrpt {

struct ReceivedFailure {
  FailureDetail detail;
  std::string information;  // additional-information
  std::uint64_t count = 0;
  auto operator<=>(const ReceivedFailure&) const = default;
};

struct ReceivedPolicy {
  std::string domain, type;
  std::vector<std::string> policy_string, mx_hosts;
  std::uint64_t success = 0, failure = 0;
  std::vector<ReceivedFailure> failures;
};

struct ReceivedReport {
  std::string organization, report_id, contact;
  std::string domain;  // all policy domains, sorted, one blank between: what the report is about
  SystemTime begins{}, ends{};
  std::string day;                 // UTC day in the middle of the range
  std::vector<std::string> notes;  // what is not as RFC 8460 asks, and where
  std::vector<ReceivedPolicy> policies;
};

inline constexpr std::size_t most_report_octets = 10u << 20;

// `text` is JSON; `domain` stands for a policy domain that is missing (empty: unknown), as the mail around the report or the
// name of its file has it. Errc::invalid, Errc::too_long.
Expected<ReceivedReport> parse_received_report(std::string_view text, const std::string& domain = {});

// Text of strangers for tables and terminals: well-formed UTF-8 kept; control characters, line and paragraph separators,
// invisible and direction-changing characters become "?"; cut at `most` octets.
std::string clean_text(std::string_view remote, std::size_t most);

}  // namespace sealpost::tlsrpt
