// SPDX-License-Identifier: Apache-2.0
//
// The Received header field of our hop (RFC 5321 §4.4, RFC 3848, RFC 6531 §4.3, tls clause RFC 8314 §4.3).
#pragma once

#include <string>
#include <string_view>

#include "mail/message_id.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost {

struct WithProtocol {  // M15
  WithProtocol() = default;
  bool esmtp = true;  // greeted with EHLO
  bool tls = false;   // STARTTLS or implicit
  bool auth = false;
  bool utf8 = false;  // SMTPUTF8 transaction
  bool http = false;  // it was no SMTP at all
};
std::string_view name_of(const WithProtocol& with) noexcept;  // "ESMTPSA"

struct ReceivedFacts {
  ReceivedFacts() = default;
  std::string helo;         // as the client gave it; what is no domain or literal goes into no header
  std::string client_name;  // reverse DNS name, checked forward; empty when unknown
  IpAddress client;
  bool hide_client = false;  // T-49: leave out who handed us the mail
  std::string by;            // own FQDN
  WithProtocol with;
  MessageId id;
  std::string for_address;  // set only when there is exactly one recipient (privacy)
  std::string tls_cipher;   // IANA name, empty without TLS
  std::string tls_group;    // empty when unknown
  SystemTime when{};
};
// "Received: ..." folded, every line ended by CRLF. No line is longer than 998 octets.
std::string received_header(const ReceivedFacts& facts);

}  // namespace sealpost
