// SPDX-License-Identifier: Apache-2.0
//
// What happened between us and one MX host up to the point where MAIL could be sent: recorded facts, no
// opinion. Verification never aborts a handshake; judge() (verdict.hpp) reads these facts afterwards, so that
// testing mode, reports and several policies at once work. A value: kept with resumable TLS sessions and in
// evidence.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sealpost/clock.hpp"

namespace sealpost {

enum class TlsVersion : std::uint16_t {
  none = 0,
  tls1_0 = 0x0301,
  tls1_1 = 0x0302,
  tls1_2 = 0x0303,
  tls1_3 = 0x0304
};
std::string_view name_of(TlsVersion version) noexcept;  // "TLSv1.3"

// Result of verifying the chain against one kind of anchor, names left out. `code` is an X509_V_ERR_* number,
// 0 = ok; `token` its symbol ("X509_V_ERR_CERT_HAS_EXPIRED"), empty when ok.
struct ChainResult {
  int code = 0;
  int depth = 0;  // where it failed, or the depth of the anchor
  std::string token;
  bool ok() const noexcept { return code == 0; }
};

// What came of the TLSA records given to the handshake.
struct DaneChain {
  ChainResult chain;               // ok: some record matched and its rules hold (names left out)
  std::uint8_t matched_usage = 0;  // 2 or 3 when ok
  std::string records_digest;      // tlsa_digest() of the records that were checked
  bool expired = false;            // usage 2: failed because of dates
};

// The presented certificate and what verification said, fixed at the full handshake. Shared by sessions
// resumed from it: a resumed handshake carries no certificate to check, so `chain_expires` is compared with
// the clock again.
struct CertificateFacts {
  std::string subject;  // one line, escaped
  std::string issuer;
  std::vector<std::string>
      dns_names;            // SAN DNS-IDs of the leaf, lower case; those with NUL or non-LDH are left out
  std::string common_name;  // only for DANE-TA name checks (RFC 7672 §3.2.3); empty when unusable
  SystemTime not_before{};
  SystemTime leaf_expires{};       // notAfter of the leaf
  SystemTime chain_expires{};      // earliest notAfter of the verified chains (WebPKI, DANE usage 2)
  std::string certificate_sha256;  // lower-case hex
  std::string spki_sha256;         // lower-case hex, leaf
  ChainResult webpki;              // against [tls] trust: purpose serverAuth, dates, constraints; no names
  std::optional<DaneChain> dane;   // when there were usable TLSA records
};

struct HandshakeFacts {
  TlsVersion version = TlsVersion::none;
  std::string cipher;  // IANA name, TLS_AES_256_GCM_SHA384
  std::string group;   // X25519; empty when unknown
  bool resumed = false;
  bool legacy_renegotiation = false;                    // TLS 1.2 without RFC 5746
  std::shared_ptr<const CertificateFacts> certificate;  // null: anonymous
};

// What a handshake that an enforcing demand asked for would not have agreed to (RFC 9325, RFC 10015): "" when it is
// strong; else in words, for the end of a sentence. Whoever made the connection may have offered more than this demand
// would have: the strength is a fact of the session, never of who dialled (T-07). A suite nobody knows is weak.
std::string weakness_of(const HandshakeFacts& facts);

enum class StartTls : std::uint8_t {
  not_offered,       // EHLO (or HELO) without STARTTLS
  refused,           // offered, answered 4yz or 5yz
  handshake_failed,  // 220, then an alert, a loss, a timeout or injected bytes
  established,
  not_tried,  // the requirement and configuration left it out
};

struct SessionFacts {
  std::string mx_host;  // as in the MX RDATA, lower case
  StartTls starttls = StartTls::not_tried;
  std::string starttls_reply;      // for refused: "454 4.7.0 ..." printable
  std::string handshake_error;     // for handshake_failed: reason token, printable
  HandshakeFacts tls;              // when established
  bool offers_requiretls = false;  // EHLO after STARTTLS (RFC 8689)
};

}  // namespace sealpost
