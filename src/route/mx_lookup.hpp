// SPDX-License-Identifier: Apache-2.0
//
// From a next hop to the hosts to try, in order (RFC 5321 §5, RFC 7505): MX records, preference, equal ones
// shuffled, null MX, implicit MX, ourselves and everything worse dropped; and from a host to the endpoints
// that may be contacted. Security is carried along, not judged. This is the front of the room; in order:
//
//   1. NextHop::parse()    what a lane is called becomes a domain or a host
//   2. find_mx()           its MX hosts in the order to try; nx_guard.hpp: is "no such domain" to be believed now?
//   3. leads_to_us()       is one of them this relay?
//   4. resolve_host()      the addresses of one host that may be contacted
//   5. dane_lookup.hpp     its TLSA records, and whether DNSSEC vouches for the way there (RFC 7672 §2.2)
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dns/resolver.hpp"
#include "event/task.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::delivery {

// Where a lane's mail goes: a domain, looked up by MX, or a relay the operator named.
struct NextHop {
  NextHop() = default;
  std::string domain;  // lower-case A-labels; the policy domain: for a smart host, the smart host's (S25)
  std::uint16_t port = 25;
  bool use_mx = true;  // false: "[host]:port", addresses of the host itself
  auto operator<=>(const NextHop&) const = default;
  // "example.net", "smtp.example.net:587", "[smtp.example.net]:587", "192.0.2.1:25", "[2001:db8::1]:25". An
  // address alone is none: that is what a recipient's domain may look like. Empty: not a next hop.
  static std::optional<NextHop> parse(std::string_view text);
  std::string to_string() const;
};

struct MxHost {
  MxHost() = default;
  std::string name;  // as in the RDATA, lower case, no trailing dot
  std::uint16_t preference = 0;
};

struct MxSet {
  MxSet() = default;
  std::vector<MxHost> hosts;                   // in the order to try; at most 10
  dns::Dnssec dnssec = dns::Dnssec::insecure;  // of the MX RRset or its proven absence, aliases included
  bool implicit = false;                       // no MX records: the domain itself
  std::string expanded;                        // next-hop domain after CNAMEs (RFC 7672 §3.2.2)
};

// Why there is no host to try. `status` as in N15, class 4 or 5 says whether to retry.
struct RouteFailure {
  RouteFailure(std::string status_, std::string text_, bool nxdomain_ = false)
      : status(std::move(status_)), text(std::move(text_)), nxdomain(nxdomain_) {}
  std::string status;
  std::string text;       // for people: names domain and cause
  bool nxdomain = false;  // T-41 may hold it back
  bool permanent() const noexcept { return status.front() == '5'; }
};

struct RoutingSettings {
  RoutingSettings() = default;
  std::vector<std::string> own_names;       // lower case
  std::vector<IpAddress> own_addresses;     // where we listen on port 25
  std::vector<Network> allow_destinations;  // beyond global unicast (T-20, T-39)
  bool ipv6 = true, ipv4 = true;
  bool mx_address_literals =
      true;  // an MX record that names an address, against RFC 1035 §3.3.9, is one to go to
};

using RandomSource = std::function<std::uint32_t()>;

event::Task<std::variant<MxSet, RouteFailure>> find_mx(dns::Resolver& resolver, NextHop next_hop,
                                                       const RoutingSettings& settings, RandomSource random);

// One MX host's addresses, checked against T-20/T-39. The checked address is the one to connect to (T-40).
struct HostAddresses {
  HostAddresses() = default;
  std::vector<Endpoint> endpoints;  // IPv6 and IPv4 interleaved, at most 16
  bool secure = false;              // every address RRset found, and the aliases to it, were secure
  std::string canonical;            // after CNAMEs; equals the host name exactly when it is no alias
  bool absent = false;              // the name does not exist, or has no address
  bool is_self = false;             // one of our own addresses: drop this host and all that are not better
  // No endpoint: why. "4.4.3" lookup failed, "5.4.4" no address or none allowed, "5.4.6" ourselves. Empty
  // otherwise.
  std::string status, why;
};
event::Task<HostAddresses> resolve_host(dns::Resolver& resolver, std::string host, std::uint16_t port,
                                        const RoutingSettings& settings);

// Is one of the hosts of this preference or a better one this relay, by address? Then a host of this
// preference must not be used (RFC 5321 §5.1: ourselves and all that is not better is dropped). find_mx() has
// looked at names already; to look at addresses there would make mail wait for the name servers of hosts that
// are never needed.
event::Task<bool> leads_to_us(dns::Resolver& resolver, const MxSet& mx, std::uint16_t preference,
                              std::uint16_t port, const RoutingSettings& settings);

}  // namespace sealpost::delivery
