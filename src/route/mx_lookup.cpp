// SPDX-License-Identifier: Apache-2.0
#include "route/mx_lookup.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "dns/host_addresses.hpp"
#include "dns/name.hpp"
#include "mail/address.hpp"

namespace sealpost::delivery {

namespace {

// Aliases behind them are followed before anybody counts (dns::QueryBudget): with eight each they stay within it (T-40).
constexpr std::size_t most_prefetched = 3;

using dns::Answer;
using dns::AnswerPtr;
using dns::RrType;

constexpr std::size_t most_hosts = 10;      // T-40
constexpr std::size_t most_endpoints = 16;  // of one host
constexpr std::uint16_t smtp_port = 25;

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto number = text::parse_u64(text);
  if (!number || *number == 0 || *number > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

// A domain name as DNS wants it, from configuration or a recipient. A recipient's may have a '_' in it, which is no
// letter of a host name: whether there is such a domain is for DNS to say.
std::optional<std::string> parse_domain(std::string_view text) {
  const auto labels = to_a_labels(text);
  auto name = dns::normal_name(labels ? std::string_view(*labels) : text);
  return name && dns::is_mail_domain(*name) ? std::move(name) : std::nullopt;
}

// An MX exchange we can go to: a name that can be asked for, or, against the letter of RFC 1035 §3.3.9 but
// found in the wild, an IPv4 address (RFC 7672 §2.1.1 expects them too).
bool usable_exchange(const std::string& exchange, const RoutingSettings& settings) {
  if (IpAddress::parse(exchange)) return settings.mx_address_literals;
  return dns::normal_name(exchange).has_value();
}

bool is_own_name(const RoutingSettings& settings, const std::string& name) {
  return std::ranges::find(settings.own_names, name) != settings.own_names.end();
}

RouteFailure loops_back(const std::string& domain) {
  return {"5.4.6", "mail for " + domain + " loops back to this relay"};
}

// Sorted by preference, equal ones in random order (RFC 5321 §5.1), each name once, at its best preference.
std::vector<MxHost> ordered(const Answer& answer, const RoutingSettings& settings,
                            const RandomSource& random) {
  struct Draw {
    MxHost host;
    std::uint32_t lot;
  };
  std::vector<Draw> draws;
  for (const dns::Mx& mx : answer.mx) {
    if (mx.exchange.empty() || !usable_exchange(mx.exchange, settings)) continue;
    Draw draw{MxHost(), random()};
    draw.host.name = mx.exchange;
    draw.host.preference = mx.preference;
    draws.push_back(std::move(draw));
  }
  std::ranges::sort(draws, [](const Draw& a, const Draw& b) {
    return std::pair(a.host.preference, a.lot) < std::pair(b.host.preference, b.lot);
  });
  std::vector<MxHost> hosts;
  for (Draw& draw : draws) {
    const auto same = [&](const MxHost& host) { return host.name == draw.host.name; };
    if (std::ranges::none_of(hosts, same)) hosts.push_back(std::move(draw.host));
  }
  return hosts;
}

// Ourselves by name, and all that is not better, dropped (RFC 5321 §5.1, M21). By address: leads_to_us().
void drop_from_self(std::vector<MxHost>& hosts, const RoutingSettings& settings) {
  const auto self =
      std::ranges::find_if(hosts, [&](const MxHost& host) { return is_own_name(settings, host.name); });
  if (self == hosts.end()) return;
  const std::uint16_t preference = self->preference;
  std::erase_if(hosts, [preference](const MxHost& host) { return host.preference >= preference; });
}

std::variant<MxSet, RouteFailure> choose_hosts(const NextHop& next_hop, const Answer& answer,
                                               const RoutingSettings& settings, const RandomSource& random) {
  MxSet set;
  set.dnssec = answer.dnssec;
  set.expanded = answer.canonical;
  // RFC 7505 §3: a lone "." says that the domain takes no mail. Beside other hosts it is ignored (M23).
  if (std::ranges::all_of(answer.mx, [](const dns::Mx& mx) { return mx.exchange.empty(); }))
    return RouteFailure("5.1.10", next_hop.domain + " accepts no mail (null MX)");
  set.hosts = ordered(answer, settings, random);
  if (set.hosts.empty()) return RouteFailure("5.4.4", "no MX record of " + next_hop.domain + " names a host");
  drop_from_self(set.hosts, settings);
  if (set.hosts.empty()) return loops_back(next_hop.domain);
  if (set.hosts.size() > most_hosts) set.hosts.resize(most_hosts);
  return set;
}

// No MX records: the domain itself is the host (RFC 5321 §5.1). It keeps its own name when it is an alias, so
// that MTA-STS matching (S33) and the choice of the TLSA base domain (D10) see the name that was asked for.
std::variant<MxSet, RouteFailure> domain_itself(const NextHop& next_hop, dns::Dnssec dnssec,
                                                std::string expanded, const RoutingSettings& settings) {
  if (is_own_name(settings, next_hop.domain) && next_hop.port == smtp_port)
    return loops_back(next_hop.domain);
  MxSet set;
  set.implicit = true;
  set.dnssec = dnssec;
  set.expanded = std::move(expanded);
  MxHost host;
  host.name = next_hop.domain;
  set.hosts.push_back(std::move(host));
  return set;
}

bool is_own_address(const RoutingSettings& settings, const IpAddress& address, std::uint16_t port) {
  return port == smtp_port &&
         std::ranges::find(settings.own_addresses, address) != settings.own_addresses.end();
}

// Addresses into endpoints: our own and forbidden ones are told apart and left out (T-20, T-39).
void admit(const std::vector<IpAddress>& addresses, const std::string& host, std::uint16_t port,
           const RoutingSettings& settings, HostAddresses& into) {
  std::string refused;
  for (const IpAddress& address : addresses) {
    if (is_own_address(settings, address, port)) {
      into.is_self = true;
    } else if (!may_contact(address, settings.allow_destinations)) {
      refused = address.to_string();
    } else if (into.endpoints.size() < most_endpoints) {
      into.endpoints.emplace_back(address, port);
    }
  }
  if (into.is_self) {
    into.endpoints.clear();
    into.status = "5.4.6";
    into.why = host + " is this relay itself";
  } else if (into.endpoints.empty()) {
    into.status = "5.4.4";
    into.why = host + " has only addresses that mail must not be sent to, such as " + refused +
               "; a relay that is meant to names their network in delivery.allow_destinations";
  }
}

// Of the kinds that may be used: what it has of the other one nobody has asked.
std::string no_address(const RoutingSettings& settings) {
  if (settings.ipv4 && settings.ipv6) return " has no address";
  return settings.ipv4 ? " has no IPv4 address, and IPv6 is switched off here (delivery.ipv6 = false)"
                       : " has no IPv6 address, and IPv4 is switched off here (delivery.ipv4 = false)";
}

void explain_absence(const std::string& host, const dns::HostAddresses& found,
                     const RoutingSettings& settings, HostAddresses& into) {
  if (found.status == dns::Status::failed) {
    into.status = "4.4.3";
    into.why = "address lookup for " + host + " failed: " + found.why;
  } else {
    into.absent = true;
    into.status = "5.4.4";
    into.why = host + (found.status == dns::Status::nxdomain ? " does not exist" : no_address(settings));
  }
}

}  // namespace

std::optional<NextHop> NextHop::parse(std::string_view text) {
  NextHop hop;
  std::string_view host = text;
  bool port_given = false;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    hop.use_mx = false;
    host = text.substr(1, close - 1);
    text.remove_prefix(close + 1);
    if (!text.empty() && !text.starts_with(':')) return std::nullopt;
    port_given = !text.empty();
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    text.remove_prefix(colon);
    port_given = true;
  }
  if (port_given) {
    const auto port = parse_port(text.substr(1));
    if (!port) return std::nullopt;
    hop.port = *port;
  }
  // An address where the operator wrote one: in brackets, or with a port. A recipient's domain is never an
  // address.
  if (const auto address = IpAddress::parse(host); address && (port_given || !hop.use_mx)) {
    hop.use_mx = false;
    hop.domain = address->to_string();
    return hop;
  }
  auto domain = parse_domain(host);
  if (!domain) return std::nullopt;
  hop.domain = std::move(*domain);
  return hop;
}

std::string NextHop::to_string() const {
  if (!use_mx) return "[" + domain + "]:" + std::to_string(port);
  return port == smtp_port ? domain : domain + ":" + std::to_string(port);
}

event::Task<std::variant<MxSet, RouteFailure>> find_mx(dns::Resolver& resolver, NextHop next_hop,
                                                       const RoutingSettings& settings, RandomSource random) {
  // The operator named the host: no record chose it, so no link of the choice is insecure.
  if (!next_hop.use_mx) co_return domain_itself(next_hop, dns::Dnssec::secure, next_hop.domain, settings);

  const AnswerPtr answer = co_await resolver.query(next_hop.domain, RrType::mx);
  // What a resolver says of signatures counts when it is known to check them, for REQUIRETLS as for DANE (T-10).
  const dns::Dnssec signedness =
      resolver.dane_mode() == dns::DaneMode::on ? answer->dnssec : dns::Dnssec::insecure;
  switch (answer->status) {
    case dns::Status::failed:
      co_return RouteFailure("4.4.3", "MX lookup for " + next_hop.domain + " failed: " + answer->why);
    case dns::Status::nxdomain:
      co_return RouteFailure("5.1.2", "domain " + next_hop.domain + " not found", true);
    case dns::Status::no_data: co_return domain_itself(next_hop, signedness, answer->canonical, settings);
    case dns::Status::found: break;
  }
  auto chosen = choose_hosts(next_hop, *answer, settings, random);
  if (auto* set = std::get_if<MxSet>(&chosen)) {
    set->dnssec = signedness;
    std::size_t begun = 0;
    for (const MxHost& host : set->hosts) {  // those that will be looked at first, all at the same time
      if (host.preference != set->hosts.front().preference || begun++ == most_prefetched) break;
      if (settings.ipv6) resolver.prefetch(host.name, RrType::aaaa);
      if (settings.ipv4) resolver.prefetch(host.name, RrType::a);
    }
  }
  co_return chosen;
}

event::Task<HostAddresses> resolve_host(dns::Resolver& resolver, std::string host, std::uint16_t port,
                                        const RoutingSettings& settings) {
  HostAddresses result;
  result.canonical = host;
  if (const auto literal = IpAddress::parse(host)) {
    const std::vector<IpAddress> alone{*literal};
    admit(alone, host, port, settings, result);
    co_return result;
  }
  const dns::Families families(settings.ipv6, settings.ipv4);
  const dns::HostAddresses found = co_await dns::look_up_addresses(resolver, host, families);
  result.secure = found.secure;
  result.canonical = found.canonical;
  if (found.status == dns::Status::found) {
    admit(found.addresses, host, port, settings, result);
  } else {
    explain_absence(host, found, settings, result);
  }
  co_return result;
}

event::Task<bool> leads_to_us(dns::Resolver& resolver, const MxSet& mx, std::uint16_t preference,
                              std::uint16_t port, const RoutingSettings& settings) {
  if (settings.own_addresses.empty() || port != smtp_port) co_return false;
  for (const MxHost& host : mx.hosts) {
    if (host.preference > preference) continue;
    const HostAddresses addresses = co_await resolve_host(resolver, host.name, port, settings);
    if (addresses.is_self) co_return true;
  }
  co_return false;
}

}  // namespace sealpost::delivery
