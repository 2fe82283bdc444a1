// SPDX-License-Identifier: Apache-2.0
//
// A message to the relay of this machine by SMTP, as any client would hand it in.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sealpost/clock.hpp"
#include "sealpost/ip_address.hpp"
#include "sealpost/requirement.hpp"

namespace sealpost::cli {

struct Handover {
  std::string hostname;  // of EHLO
  std::string sender;
  std::vector<std::string> recipients;
  std::string message;             // CRLF
  std::string notify, ret, envid;  // of RFC 3461; empty: none
  TlsNeed tls = TlsNeed::none;
  std::optional<SystemTime> not_before;  // when it is to be sent
};

struct HandoverResult {
  int exit_code = 0;  // of sysexits.h; 0 after the 250 only, which means that the message is on disk
  std::string words;  // what the relay said, or what went wrong and whether anything was sent
};

// To the first of `listeners` that answers. A relay that is being restarted is waited for, twenty seconds. All recipients or
// none: one that is refused ends it.
HandoverResult hand_over(const std::vector<Endpoint>& listeners, const Handover& mail);

// SMTP between standard input and output and the relay, until one of them ends (sendmail -bs).
HandoverResult talk(const std::vector<Endpoint>& listeners);

}  // namespace sealpost::cli
