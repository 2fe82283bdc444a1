// SPDX-License-Identifier: Apache-2.0
//
// TLSA records as SMTP uses them (RFC 7672 §3.1, RFC 6698 §2): value, text form, and which are usable.
// Matching against a certificate chain is left to OpenSSL's own verifier (src/tls).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sealpost {

struct TlsaRecord {
  TlsaRecord() = default;
  TlsaRecord(std::uint8_t usage_, std::uint8_t selector_, std::uint8_t matching_,
             std::vector<std::uint8_t> data_)
      : usage(usage_), selector(selector_), matching(matching_), data(std::move(data_)) {}
  std::uint8_t usage = 0;
  std::uint8_t selector = 0;
  std::uint8_t matching = 0;
  std::vector<std::uint8_t> data;
  bool operator==(const TlsaRecord&) const = default;
};

// Usable for SMTP: usage 2 or 3, selector 0 or 1, matching type 0, 1 or 2, digest of the right length, some
// data (RFC 7672 §3.1.3: PKIX usages are unusable). Full(0) data is parsed by src/tls, which may still find
// it unusable.
bool usable_for_smtp(const TlsaRecord& record) noexcept;
// "3 1 1 0A1B..." upper-case hex without blanks, as TLS-RPT's policy-string wants it (RFC 8460 §4.4).
std::string to_text(const TlsaRecord& record);
// Identifies a set of records whatever their order: what DaneChain::records_digest says was
// checked.
std::string tlsa_digest(std::span<const TlsaRecord> records);

}  // namespace sealpost
