// SPDX-License-Identifier: Apache-2.0
//
// The name that a client asks for (SNI, RFC 6066 §3), read from its ClientHello before a session is resumed: OpenSSL reads it
// later, when it is too late to say that a session is of another name. Allocates nothing.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace sealpost::tls {

class ServerName {
 public:
  ServerName() = default;
  // `extension`: its octets, as they came. What is malformed is no name here, and ends the handshake in OpenSSL.
  explicit ServerName(std::string_view extension) noexcept;
  // ASCII letters in lower case, without a last dot; printable ASCII, 255 octets at most. Empty: none.
  std::string_view view() const noexcept { return {octets_.data(), size_}; }

 private:
  std::array<char, 255> octets_{};
  std::size_t size_ = 0;
};

}  // namespace sealpost::tls
