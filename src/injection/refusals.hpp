// SPDX-License-Identifier: Apache-2.0
//
// What both kinds of request have to say of what is wrong with them.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "injection/request.hpp"

namespace sealpost::injection {

inline constexpr int unprocessable = 422, bad_request = 400;

inline Mistake wrong(std::string at, std::string what, std::string remedy = {}) {
  return Mistake(unprocessable, std::move(at), std::move(what), std::move(remedy));
}

inline Mistake too_long(const WishLimits& limits) {
  return Mistake(413, "",
                 "the message is longer than the " + std::to_string(limits.message) +
                     " octets that are taken (limits.message_size)");
}

inline std::string too_many_recipients(const WishLimits& limits) {
  return "there are more recipients than the " + std::to_string(limits.recipients) +
         " that one message may have (limits.recipients)";
}

inline Mistake no_time(int status, std::string at, std::string_view written) {
  return Mistake(
      status, std::move(at),
      "'" + text::printable(written, 40) + "' is no time of RFC 3339, such as 2026-12-24T08:00:00+01:00");
}

// A line end in it would begin a header field of its own.
inline bool has_controls(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

}  // namespace sealpost::injection
