// SPDX-License-Identifier: Apache-2.0
//
// What a client says in an ordinary dialogue.
#pragma once

#include <doctest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "server_fixture.hpp"

namespace sealpost::test {

inline constexpr std::string_view hello = "EHLO client.example.net\r\n";
inline constexpr std::string_view mail = "MAIL FROM:<a@example.net>\r\n";
inline constexpr std::string_view rcpt = "RCPT TO:<b@example.org>\r\n";
inline constexpr std::string_view message = "DATA\r\nSubject: x\r\n\r\nhi\r\n.\r\n";

inline std::string join(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (const auto part : parts) all += part;
  return all;
}

inline std::string after_hello(SessionFixture& fixture, std::string_view input) {
  const std::string replies = codes(fixture.talk(join({hello, input})));
  REQUIRE(replies.starts_with("220 250"));
  return replies.size() > 8 ? replies.substr(8) : "";
}

}  // namespace sealpost::test
