// SPDX-License-Identifier: Apache-2.0
//
// What a server offers in its reply to EHLO (RFC 5321 §4.1.1.1). Forgotten and asked for again inside TLS
// (RFC 3207 §4.2, T-04).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/reply.hpp"

namespace sealpost::smtp {

struct Extensions {
  bool esmtp = false;  // false: HELO only
  bool starttls = false, pipelining = false, size = false, eight_bit_mime = false, dsn = false;
  bool smtputf8 = false, chunking = false, binarymime = false, requiretls = false, enhanced_status = false;
  bool future_release = false, xtls = false;                         // RFC 4865; ours (docs/intake.md)
  std::uint64_t size_limit = 0;                                      // 0: none stated
  std::optional<std::uint32_t> mail_max, rcpt_max, rcpt_domain_max;  // LIMITS (RFC 9422)
  std::vector<std::string> auth;                                     // mechanisms, in capitals; at most 32
  std::string server_name;  // first word of the reply, printable, for receiving-mx-helo
};

// A keyword is there as if it had not been said, but for STARTTLS: what is configured must not lower what TLS is asked for.
void leave_out(Extensions& extensions, std::string_view keyword);

// From a positive reply to EHLO. Keywords nobody knows, and parameters that break their grammar, offer
// nothing.
Extensions read_ehlo(const Reply& reply);
// From a positive reply to HELO.
Extensions read_helo(const Reply& reply);

}  // namespace sealpost::smtp
