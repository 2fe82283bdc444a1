// SPDX-License-Identifier: Apache-2.0
#include "sealpost/ip_address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/text.hpp"

namespace sealpost {
namespace {

constexpr std::size_t longest_text = 45;  // "ffff:...:255.255.255.255"

struct Range {
  std::array<std::uint8_t, 16> base;
  unsigned prefix;
};

// IANA IPv4 Special-Purpose Address Registry, what is not globally reachable unicast, and multicast.
constexpr Range special_v4[] = {
    {{0}, 8},              // "this network" (RFC 791)
    {{10}, 8},             // private (RFC 1918)
    {{100, 64}, 10},       // carrier NAT (RFC 6598)
    {{127}, 8},            // loopback
    {{169, 254}, 16},      // link-local, cloud metadata services (RFC 3927)
    {{172, 16}, 12},       // private
    {{192, 0, 0}, 24},     // IETF protocol assignments (RFC 6890)
    {{192, 0, 2}, 24},     // documentation (RFC 5737)
    {{192, 88, 99}, 24},   // 6to4 relay anycast, withdrawn (RFC 7526)
    {{192, 168}, 16},      // private
    {{198, 18}, 15},       // benchmarks (RFC 2544)
    {{198, 51, 100}, 24},  // documentation
    {{203, 0, 113}, 24},   // documentation
    {{224}, 4},            // multicast
    {{240}, 4},            // reserved, and the limited broadcast address
};

// Only 2000::/3 is handed out as global unicast, so everything outside it is special without being listed:
// ::/128, ::1, 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64), 100::/64, 5f00::/16, fc00::/7, fe80::/10, ff00::/8.
constexpr Range global_unicast_v6 = {{0x20}, 3};
constexpr Range special_v6[] = {
    {{0x20, 0x01}, 23},              // IETF protocol assignments, with Teredo 2001::/32 and ORCHID (RFC 2928)
    {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation (RFC 3849)
    {{0x20, 0x02}, 16},              // 6to4: hides an IPv4 address (RFC 3056)
    {{0x3f, 0xff}, 20},              // documentation (RFC 9637)
};

bool same_prefix(const std::uint8_t* a, const std::uint8_t* b, unsigned bits) noexcept {
  const unsigned whole = bits / 8;
  if (std::memcmp(a, b, whole) != 0) return false;
  const unsigned rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return ((a[whole] ^ b[whole]) & mask) == 0;
}

bool in(const Range& range, const std::array<std::uint8_t, 16>& bytes) noexcept {
  return same_prefix(range.base.data(), bytes.data(), range.prefix);
}

// RFC 5952: lower case, no leading zeros, the first longest run of at least two zero groups as "::".
std::string v6_text(const std::array<std::uint8_t, 16>& bytes) {
  std::array<unsigned, 8> group{};
  for (std::size_t i = 0; i < 8; ++i) group[i] = static_cast<unsigned>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  std::size_t run_at = 8, run_length = 1;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t end = i;
    while (end < 8 && group[end] == 0) ++end;
    if (end - i > run_length) run_at = i, run_length = end - i;
    if (end > i) i = end - 1;
  }
  std::string out;
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == run_at) {
      out += "::";
      i += run_length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    fmt::format_to(std::back_inserter(out), "{:x}", group[i]);
  }
  return out;
}

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  if (text.empty() || text.size() > 5) return std::nullopt;
  const auto value = text::parse_u64(text);
  if (!value || *value > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*value);
}

}  // namespace

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> bytes) noexcept {
  IpAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes) noexcept {
  constexpr Range mapped = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};
  if (in(mapped, bytes)) return v4({bytes[12], bytes[13], bytes[14], bytes[15]});
  IpAddress address;
  address.family_ = Family::v6;
  address.bytes_ = bytes;
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.empty() || text.size() > longest_text || text.find('\0') != text.npos) return std::nullopt;
  char copy[longest_text + 1];
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  if (std::array<std::uint8_t, 4> four; inet_pton(AF_INET, copy, four.data()) == 1) return v4(four);
  if (std::array<std::uint8_t, 16> sixteen; inet_pton(AF_INET6, copy, sixteen.data()) == 1)
    return v6(sixteen);
  return std::nullopt;
}

std::span<const std::uint8_t> IpAddress::bytes() const noexcept {
  return {bytes_.data(), is_v4() ? 4U : 16U};
}

std::string IpAddress::to_string() const {
  if (!is_v4()) return v6_text(bytes_);
  return fmt::format("{}.{}.{}.{}", bytes_[0], bytes_[1], bytes_[2], bytes_[3]);
}

std::string IpAddress::to_smtp_literal() const { return (is_v4() ? "[" : "[IPv6:") + to_string() + "]"; }

bool IpAddress::is_special() const noexcept {
  const auto matches = [this](const Range& range) { return in(range, bytes_); };
  if (is_v4()) return std::any_of(std::begin(special_v4), std::end(special_v4), matches);
  return !in(global_unicast_v6, bytes_) || std::any_of(std::begin(special_v6), std::end(special_v6), matches);
}

bool IpAddress::is_loopback() const noexcept {
  if (is_v4()) return bytes_[0] == 127;
  std::array<std::uint8_t, 16> one{};
  one[15] = 1;
  return bytes_ == one;
}

std::optional<Network> Network::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view address_text = text.substr(0, slash);
  const auto base = IpAddress::parse(address_text);
  if (!base) return std::nullopt;
  const bool written_as_v6 = address_text.find(':') != address_text.npos;
  const unsigned longest = base->is_v4() ? 32 : 128;
  unsigned prefix = longest;
  if (slash != text.npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto value = digits.size() <= 3 ? text::parse_u64(digits) : std::nullopt;
    if (!value || *value > 128) return std::nullopt;
    prefix = static_cast<unsigned>(*value);
    if (written_as_v6 && base->is_v4()) {  // ::ffff:10.0.0.0/104 is 10.0.0.0/8
      if (prefix < 96) return std::nullopt;
      prefix -= 96;
    }
    if (prefix > longest) return std::nullopt;
  }
  for (unsigned bit = prefix; bit < longest; ++bit)
    if ((base->bytes()[bit / 8] >> (7 - bit % 8) & 1) != 0) return std::nullopt;
  return Network(*base, prefix);
}

bool Network::contains(const IpAddress& address) const noexcept {
  return address.family() == base_.family() &&
         same_prefix(address.bytes().data(), base_.bytes().data(), prefix_);
}

std::string Network::to_string() const { return fmt::format("{}/{}", base_.to_string(), prefix_); }

bool may_contact(const IpAddress& address, const std::vector<Network>& listed) noexcept {
  return !address.is_special() ||
         std::ranges::any_of(listed, [&](const Network& network) { return network.contains(address); });
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  // IPv6 needs its brackets, IPv4 has none: "::1:25" would be ambiguous.
  if (bracketed != (host.find(':') != host.npos)) return std::nullopt;
  const auto address = IpAddress::parse(host);
  const auto port = parse_port(text.substr(colon + 1));
  if (!address || !port) return std::nullopt;
  return Endpoint(*address, *port);
}

std::string Endpoint::to_string() const {
  if (address.is_v4()) return fmt::format("{}:{}", address.to_string(), port);
  return fmt::format("[{}]:{}", address.to_string(), port);
}

}  // namespace sealpost
