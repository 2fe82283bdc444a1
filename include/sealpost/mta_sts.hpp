// SPDX-License-Identifier: Apache-2.0
//
// MTA-STS text: the TXT record and the policy file (RFC 8461 §3.1, §3.2), and MX matching (§4.1). Pure:
// src/sts/fetch gets the text, src/sts/cache keeps it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/expected.hpp"

namespace sealpost {

struct MtaStsRecord {
  std::string id;  // 1-32 letters and digits; compared byte-wise, without order
};

struct StsRecordSet {
  enum class Kind : std::uint8_t { none, valid, invalid };  // invalid: several, or one that does not parse
  Kind kind = Kind::none;
  MtaStsRecord record;
  std::string why;  // for invalid
};
// `texts`: the TXT RRset at _mta-sts.<domain>, each record's strings joined (S1-S5).
StsRecordSet parse_sts_records(const std::vector<std::string>& texts);

enum class StsMode : std::uint8_t { none, testing, enforce };
std::string_view name_of(StsMode mode) noexcept;

struct MtaStsPolicy {
  StsMode mode = StsMode::none;
  std::chrono::seconds max_age{0};  // clamped to 31557600
  std::vector<std::string> mx;      // lower case, as written otherwise: "mx.example" or "*.example"
  std::vector<std::string> lines;   // the text as received, for TLS-RPT policy-string
};
// Errc::invalid with a token for failure-reason-code ("missing-max_age") before the first ':' of detail.
Expected<MtaStsPolicy> parse_sts_policy(std::string_view body);

// RFC 8461 §4.1: equal, or "*.suffix" with exactly one more left-most label. Case-insensitive, no trailing dot.
bool mx_matches(std::string_view pattern, std::string_view mx_host) noexcept;

constexpr std::size_t sts_body_cap = 65536;  // octets (RFC 8461 §3.3)

}  // namespace sealpost
