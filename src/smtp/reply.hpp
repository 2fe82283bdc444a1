// SPDX-License-Identifier: Apache-2.0
//
// An SMTP reply (RFC 5321 §4.2) with its enhanced status code (RFC 2034, RFC 3463). A value: 4yz and 5yz are
// not errors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sealpost::smtp {

struct EnhancedStatus {
  std::uint8_t klass = 0;  // 2, 4, 5; 0: none was given
  std::uint16_t subject = 0;
  std::uint16_t detail = 0;
  std::string to_string() const;  // "5.7.1"
  bool operator==(const EnhancedStatus&) const = default;
};

struct Reply {
  std::uint16_t code = 0;
  EnhancedStatus status;           // derived x.0.0 when the peer gave none or one of another class (N14)
  bool enhanced = false;           // the peer gave the status itself
  std::vector<std::string> lines;  // text without code and enhanced code, printable
  bool positive() const noexcept { return code >= 200 && code < 300; }
  bool intermediate() const noexcept { return code >= 300 && code < 400; }
  bool transient() const noexcept { return code >= 400 && code < 500; }
  bool permanent() const noexcept { return code >= 500 && code < 600; }
  std::string to_string() const;  // "550 5.1.1 no such user", lines joined by a space, printable, one line
};

}  // namespace sealpost::smtp
