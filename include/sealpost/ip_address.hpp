// SPDX-License-Identifier: Apache-2.0
//
// IP addresses and networks: parsing, canonical text, and which addresses a stranger may make us connect to.
// Plain values, no I/O. IPv4-mapped IPv6 addresses (::ffff:a.b.c.d) are normalised to IPv4 on every way in.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sealpost {

class IpAddress {
 public:
  enum class Family : std::uint8_t { v4, v6 };

  IpAddress() noexcept = default;  // 0.0.0.0
  static IpAddress v4(std::array<std::uint8_t, 4> bytes) noexcept;
  static IpAddress v6(const std::array<std::uint8_t, 16>& bytes) noexcept;  // mapped addresses become v4
  // Dotted decimal without leading zeros, or any RFC 4291 text form; no zone, no brackets.
  static std::optional<IpAddress> parse(std::string_view text);

  Family family() const noexcept { return family_; }
  bool is_v4() const noexcept { return family_ == Family::v4; }
  // 4 or 16 octets, network order; valid as long as *this.
  std::span<const std::uint8_t> bytes() const noexcept;
  std::string to_string() const;        // dotted decimal, or RFC 5952
  std::string to_smtp_literal() const;  // [192.0.2.1] or [IPv6:2001:db8::1] (RFC 5321 §4.1.3)

  // True for addresses in the IANA special-purpose tables that are not globally reachable unicast, for
  // multicast, and for the transition prefixes that can hide such an address (T-20): 6to4, NAT64, Teredo.
  bool is_special() const noexcept;
  bool is_loopback() const noexcept;

  auto operator<=>(const IpAddress&) const = default;

 private:
  Family family_ = Family::v4;
  std::array<std::uint8_t, 16> bytes_{};  // v4 in the first four
};

class Network {
 public:
  // "192.0.2.0/24", "2001:db8::/32", or a bare address (full length). Host bits must be zero.
  static std::optional<Network> parse(std::string_view text);
  Network(IpAddress base, unsigned prefix) : base_(base), prefix_(prefix) {}
  bool contains(const IpAddress& address) const noexcept;
  std::string to_string() const;
  bool operator==(const Network&) const = default;

 private:
  IpAddress base_;
  unsigned prefix_;
};

// May a stranger's record make us connect there? Global unicast, and what the operator listed beyond it (T-20, T-39).
bool may_contact(const IpAddress& address, const std::vector<Network>& listed) noexcept;

struct Endpoint {
  Endpoint() = default;
  Endpoint(IpAddress address_, std::uint16_t port_) : address(address_), port(port_) {}
  // "127.0.0.1:25" or "[::1]:25".
  static std::optional<Endpoint> parse(std::string_view text);
  std::string to_string() const;
  IpAddress address;
  std::uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};

}  // namespace sealpost
