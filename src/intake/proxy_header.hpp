// SPDX-License-Identifier: Apache-2.0
//
// The header of the PROXY protocol, versions 1 and 2: what a load balancer says, before anything else, about the client
// it speaks for (haproxy's proxy-protocol.txt, §2.1 and §2.2). Pure and bounded; intake/introduction reads it.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "sealpost/expected.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::intake {

inline constexpr std::size_t proxy_header_cap =
    2048;  // with what version 2 may append; version 1 has at most 107

struct ProxiedClient {
  Endpoint peer, local;  // of the connection that the proxy took
};
struct ProxyHeader {
  std::size_t wanted = 0;  // octets that must be read next, never beyond the header; 0: it is whole
  // Nothing: the proxy speaks for itself or for nobody it can name (LOCAL, UNKNOWN, another kind of socket).
  std::optional<ProxiedClient> client;
};
// Of the octets read so far, which hold nothing but header. Errc::invalid: there is none, or a broken one; the connection
// must be closed without a word, for what follows cannot be told from it.
Expected<ProxyHeader> read_proxy_header(std::string_view octets);

}  // namespace sealpost::intake
