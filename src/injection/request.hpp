// SPDX-License-Identifier: Apache-2.0
//
// What a program asks for when it hands in a message by HTTP (docs/injection.md): as JSON, from which a message is made
// (compose.hpp), or as a message with its envelope in the query. Pure, and for octets of strangers: bounded, and nothing that
// could end a line gets into a header (T-23).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "injection/mistake.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"
#include "sealpost/requirement.hpp"

namespace sealpost::injection {

struct Wish {
  Wish() = default;
  std::string sender;                   // reverse-path, checked
  std::vector<std::string> recipients;  // at least one, checked, each once
  std::vector<std::string> places;      // of each, where it stood: "/to/0"
  std::string message;                  // header first; lines of JSON's message end in CRLF
  TlsNeed tls = TlsNeed::none;
  std::optional<SystemTime> send_at;  // as it was said
  std::string send_at_place = "/send_at";
};

struct WishLimits {
  WishLimits() = default;
  std::size_t recipients = 1000;
  std::size_t message = 50u << 20;  // octets
};

Expected<Wish, Mistake> read_json_wish(std::string_view body, const WishLimits& limits);
// `query` as it came, without its '?'. Who is not named in it stands in the message: its author, and To, Cc and Bcc.
Expected<Wish, Mistake> read_message_wish(std::string_view query, std::string message,
                                          const WishLimits& limits);

}  // namespace sealpost::injection
