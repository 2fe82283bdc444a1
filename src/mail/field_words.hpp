// SPDX-License-Identifier: Apache-2.0
//
// What fields of addresses are made of (RFC 5322 §3.2.3, §3.2.2), as far as two readers of them must agree.
#pragma once

#include <string_view>

namespace sealpost {

// What blanks part from its neighbours: no special.
constexpr bool is_word(char c) noexcept {
  return std::string_view("@.,;:<>()[]").find(c) == std::string_view::npos;
}

// Blanks, and the ends of lines that a field is folded at.
constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace sealpost
