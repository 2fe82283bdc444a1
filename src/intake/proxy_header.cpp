// SPDX-License-Identifier: Apache-2.0
#include "intake/proxy_header.hpp"

#include <array>
#include <cstdint>

#include "base/text.hpp"

namespace sealpost::intake {
namespace {

constexpr std::string_view signature("\r\n\r\n\0\r\nQUIT\n", 12);  // of version 2
constexpr std::string_view word = "PROXY ";                        // of version 1
constexpr std::size_t line_cap = 107;
constexpr std::size_t fixed = 16;  // octets of version 2 before the addresses
constexpr std::size_t v4_octets = 12, v6_octets = 36;
constexpr unsigned char local_command = 0x20, proxy_command = 0x21, tcp4 = 0x11, tcp6 = 0x21;

Error invalid(const char* what) { return Error(Errc::invalid, what); }

ProxyHeader wants(std::size_t octets) {
  ProxyHeader header;
  header.wanted = octets;
  return header;
}

// A port as version 1 writes it: digits, no zero in front.
std::optional<std::uint16_t> port_of(std::string_view digits) {
  if (digits.size() > 5 || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
  const auto number = text::parse_u64(digits);
  if (!number || *number > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

std::optional<Endpoint> endpoint_of(std::string_view address, std::string_view port, bool v6) {
  if ((address.find(':') != address.npos) != v6) return std::nullopt;
  const auto parsed = IpAddress::parse(address);
  const auto number = port_of(port);
  if (!parsed || !number) return std::nullopt;
  return Endpoint(*parsed, *number);
}

// "PROXY TCP4 client server port port", without its CRLF.
Expected<ProxyHeader> read_line(std::string_view line) {
  const auto words = text::split(line, ' ');
  ProxyHeader header;
  if (words.size() >= 2 && words[1] == "UNKNOWN") return header;
  if (words.size() != 6 || (words[1] != "TCP4" && words[1] != "TCP6"))
    return invalid("unknown form of version 1");
  const bool v6 = words[1] == "TCP6";
  const auto peer = endpoint_of(words[2], words[4], v6), local = endpoint_of(words[3], words[5], v6);
  if (!peer || !local) return invalid("an address or port of version 1 is none");
  header.client = ProxiedClient{*peer, *local};
  return header;
}

Expected<ProxyHeader> read_version_1(std::string_view octets) {
  if (!octets.ends_with("\r\n")) {
    if (octets.size() >= line_cap) return invalid("version 1 has no end within 107 octets");
    return wants(1);  // its length is not known: no octet of what follows may be taken
  }
  const std::string_view line = octets.substr(0, octets.size() - 2);
  if (line.find_first_of("\r\n") != line.npos) return invalid("a line end within version 1");
  return read_line(line);
}

unsigned char at(std::string_view octets, std::size_t index) {
  return static_cast<unsigned char>(octets[index]);
}

// Four or sixteen octets at `address`, two at `port`.
Endpoint binary_endpoint(std::string_view octets, std::size_t address, std::size_t size, std::size_t port) {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < size; ++i) bytes[i] = at(octets, address + i);
  const auto number = static_cast<std::uint16_t>(at(octets, port) << 8 | at(octets, port + 1));
  if (size == 16) return Endpoint(IpAddress::v6(bytes), number);
  return Endpoint(IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]}), number);
}

Expected<ProxyHeader> read_version_2(std::string_view octets) {
  if (octets.size() < fixed) return wants(fixed - octets.size());
  const unsigned char command = at(octets, 12), family = at(octets, 13);
  const std::size_t length = static_cast<std::size_t>(at(octets, 14)) << 8 | at(octets, 15);
  if (command != local_command && command != proxy_command) return invalid("unknown version or command");
  if (fixed + length > proxy_header_cap) return invalid("longer than 2048 octets");
  if (octets.size() < fixed + length) return wants(fixed + length - octets.size());
  ProxyHeader header;
  if (command == local_command || (family != tcp4 && family != tcp6)) return header;
  const std::size_t size = family == tcp4 ? 4 : 16;
  if (length < (family == tcp4 ? v4_octets : v6_octets)) return invalid("too short for its addresses");
  header.client = ProxiedClient{binary_endpoint(octets, fixed, size, fixed + 2 * size),
                                binary_endpoint(octets, fixed + size, size, fixed + 2 * size + 2)};
  return header;
}

}  // namespace

Expected<ProxyHeader> read_proxy_header(std::string_view octets) {
  if (octets.size() < signature.size()) {
    // Both versions are longer than the signature, so that many octets are always the header's.
    if (signature.starts_with(octets) || octets.starts_with(word) || word.starts_with(octets))
      return wants(signature.size() - octets.size());
    return invalid("no header of the PROXY protocol");
  }
  if (octets.starts_with(signature)) return read_version_2(octets);
  if (octets.starts_with(word)) return read_version_1(octets);
  return invalid("no header of the PROXY protocol");
}

}  // namespace sealpost::intake
