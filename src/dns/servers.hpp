// SPDX-License-Identifier: Apache-2.0
//
// Which resolvers to ask, and whether their AD bit means anything to us (T-10, D2).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/ip_address.hpp"

namespace sealpost::dns {

// [dns] trust_ad: whose word on DNSSEC counts. The bit is not signed, so on a path that others share it is
// theirs.
enum class TrustAd : std::uint8_t { loopback, always, never };
std::optional<TrustAd> parse_trust_ad(std::string_view text);

// True when the AD bit of every one of these servers may be believed. One that may not spoils all: its
// answers would be insecure for any name, and an attacker would only have to make us ask it. 127.0.0.11, where
// container engines answer, counts as beyond loopback: it only hands on what some other machine said.
bool trusts_ad(TrustAd trust, const std::vector<Endpoint>& servers) noexcept;

// "127.0.0.1", "::1", "192.0.2.53:5353" or "[::1]:5353"; port 53 unless given.
std::optional<Endpoint> parse_server(std::string_view text);

// The `nameserver` lines of a resolv.conf(5), at most three as the C library takes; nothing else in it is for
// us (D3: no search lists). Lines with an address we cannot use, such as one with a zone, are left out.
std::vector<Endpoint> parse_resolv_conf(std::string_view text);

// The servers of the file; 127.0.0.1 when it is absent or names none, as resolv.conf(5) says.
std::vector<Endpoint> system_servers(const std::string& path = "/etc/resolv.conf");

}  // namespace sealpost::dns
