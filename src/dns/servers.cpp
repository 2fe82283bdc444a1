// SPDX-License-Identifier: Apache-2.0
#include "dns/servers.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/text.hpp"

namespace sealpost::dns {

namespace {

constexpr std::uint16_t dns_port = 53;
constexpr std::size_t most_system_servers = 3;
constexpr std::streamsize most_file_octets = 65536;

}  // namespace

std::optional<TrustAd> parse_trust_ad(std::string_view text) {
  if (text == "loopback") return TrustAd::loopback;
  if (text == "always") return TrustAd::always;
  if (text == "never") return TrustAd::never;
  return std::nullopt;
}

bool trusts_ad(TrustAd trust, const std::vector<Endpoint>& servers) noexcept {
  switch (trust) {
    case TrustAd::always: return true;
    case TrustAd::never: return false;
    case TrustAd::loopback:
      return std::ranges::all_of(servers, [](const Endpoint& server) {
        return server.address.is_loopback() && server.address != IpAddress::v4({127, 0, 0, 11});
      });
  }
  return false;
}

std::optional<Endpoint> parse_server(std::string_view text) {
  if (const auto address = IpAddress::parse(text)) return Endpoint(*address, dns_port);
  return Endpoint::parse(text);
}

std::vector<Endpoint> parse_resolv_conf(std::string_view text) {
  std::vector<Endpoint> servers;
  for (std::string_view line : text::split(text, '\n')) {
    line = text::trim(line, " \t\r");
    constexpr std::string_view keyword = "nameserver";
    if (!line.starts_with(keyword) || servers.size() == most_system_servers) continue;
    line.remove_prefix(keyword.size());
    if (line.empty() || (line.front() != ' ' && line.front() != '\t')) continue;
    line = text::trim(line);
    line = line.substr(0, line.find_first_of(" \t#;"));
    if (const auto address = IpAddress::parse(line)) servers.emplace_back(*address, dns_port);
  }
  return servers;
}

std::vector<Endpoint> system_servers(const std::string& path) {
  std::string text(most_file_octets, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), most_file_octets);
  text.resize(static_cast<std::size_t>(file.gcount()));
  auto servers = parse_resolv_conf(text);
  if (servers.empty()) servers.emplace_back(IpAddress::v4({127, 0, 0, 1}), dns_port);
  return servers;
}

}  // namespace sealpost::dns
