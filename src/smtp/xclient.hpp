// SPDX-License-Identifier: Apache-2.0
//
// XCLIENT, with which a filter or proxy in front of this relay says whose commands follow (Postfix's XCLIENT_README). Pure and
// bounded by the line.
//
//   XCLIENT ADDR=192.0.2.7 PORT=4711 PROTO=ESMTP HELO=client.example.net NAME=client.example.net
//
// Values are xtext. [UNAVAILABLE] and [TEMPUNAVAIL] say that the one who speaks does not know. NAME, a name from DNS, is
// read and not believed: nothing here goes by names. What is not offered (LOGIN, DESTADDR, DESTPORT) is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sealpost/expected.hpp"
#include "sealpost/ip_address.hpp"
#include "smtp/server_reply.hpp"

namespace sealpost::smtp {

inline constexpr std::string_view xclient_attributes = "NAME ADDR PORT PROTO HELO";  // in the reply to EHLO

struct XclientCommand {
  bool names_client = false;         // ADDR was said
  std::optional<IpAddress> address;  // of the client; empty: not known
  std::uint16_t port = 0;            // 0: not known
  std::string helo;                  // as helo_name() keeps it; empty: not said
};
// On an error the reply that refuses it.
Expected<XclientCommand, ServerReply> parse_xclient(std::string_view argument);

}  // namespace sealpost::smtp
