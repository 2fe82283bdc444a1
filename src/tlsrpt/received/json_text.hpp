// SPDX-License-Identifier: Apache-2.0
//
// JSON that is not written in UTF-8 (RFC 8259 §8.1 asks for it): UTF-16 is told by its mark or by the zero beside the first
// brace, and becomes UTF-8. Pure.
#pragma once

#include <string>
#include <string_view>

#include "sealpost/expected.hpp"

namespace sealpost::tlsrpt {

// It begins with a brace, in UTF-8 or UTF-16, marked or not, blanks before it left aside.
bool is_json(std::string_view octets) noexcept;

struct JsonText {
  std::string text;  // UTF-8, of octets that claim to be it; a byte order mark of UTF-8 is still there
  std::string note;  // when it was something else
};
// Errc::invalid: half a character.
Expected<JsonText> json_text(std::string_view octets);

}  // namespace sealpost::tlsrpt
