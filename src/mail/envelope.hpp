// SPDX-License-Identifier: Apache-2.0
//
// The envelope (RFC 5321 §2.3.1): reverse-path, recipients and options. Not the header. Addresses are kept as
// the client wrote them, less source route and brackets; grammar has been checked (T-23), and is again when a
// record is read back from disk (T-54).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/clock.hpp"
#include "sealpost/requirement.hpp"

namespace sealpost {

enum class BodyType : std::uint8_t {
  seven_bit,
  eight_bit_mime,
  binary,  // BINARYMIME: what follows the header is octets, not lines (RFC 3030 §3)
};
// As the parameter BODY says it: "8BITMIME".
constexpr std::string_view name_of(BodyType type) noexcept {
  return type == BodyType::binary ? "BINARYMIME" : type == BodyType::eight_bit_mime ? "8BITMIME" : "7BIT";
}
enum class MessageClass : std::uint8_t {
  normal,
  dsn,     // made by us, null reverse-path
  report,  // TLS-RPT mail: ignores STS and DANE, never counted (R21, T-44)
};

// NOTIFY of RFC 3461 §4.1, as bits of Recipient::notify.
enum Notify : std::uint8_t { notify_never = 1, notify_success = 2, notify_failure = 4, notify_delay = 8 };

struct Recipient {
  Recipient() = default;
  explicit Recipient(std::string address_) : address(std::move(address_)) {}
  std::string address;      // local-part@domain, domain in A-labels, case kept as written
  std::string original;     // ORCPT as received ("rfc822;..."), empty when absent (RFC 3461)
  std::uint8_t notify = 0;  // bits of Notify; 0: not given
};

// By what a client that asks twice is recognised (docs/injection.md): half of a SHA-256 each.
struct OnceMark {
  std::array<std::uint8_t, 16> key{};      // of the account and its Idempotency-Key
  std::array<std::uint8_t, 16> content{};  // of what was asked with it
  bool operator==(const OnceMark&) const = default;
};

struct Envelope {
  Envelope() = default;
  std::string reverse_path;  // "" is the null reverse-path
  std::vector<Recipient> recipients;
  BodyType body = BodyType::seven_bit;
  MessageClass message_class = MessageClass::normal;
  MessageFlags flags;
  std::string envid;     // ENVID, decoded; empty when absent
  std::uint8_t ret = 0;  // 0 not given, 1 FULL, 2 HDRS
  // Its client said SMTPUTF8, and a header field, of the message or of a part of it, is beyond ASCII: every hop must offer
  // the extension (RFC 6531). What addresses ask for beside that says mail/smtputf8.hpp.
  bool smtputf8 = false;
  SystemTime arrival{};
  SystemTime not_before{};    // its sender wants it sent then (RFC 4865); the epoch: at once
  std::string received_from;  // "helo ([192.0.2.1])" for Received-From-MTA and the log
  std::string account;  // who submitted it, by AUTH; "" for who may relay by network, and for our own mail
  // The first half of the SHA-256 of its Message-ID, brackets included, by which it is found again; zeros: it has none.
  std::array<std::uint8_t, 16> message_id{};
  std::shared_ptr<const OnceMark> once;  // null: its client gave no key
};
// From when on it may be tried, which is also when its lifetime begins.
inline SystemTime begins(const Envelope& envelope) noexcept {
  return std::max(envelope.arrival, envelope.not_before);
}
inline bool has_message_id(const Envelope& envelope) noexcept {
  return std::any_of(envelope.message_id.begin(), envelope.message_id.end(),
                     [](std::uint8_t octet) { return octet != 0; });
}

}  // namespace sealpost
