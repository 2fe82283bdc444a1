// SPDX-License-Identifier: Apache-2.0
//
// Base64 may be folded anywhere: in values of tags (RFC 6376 §3.2) and in bodies (RFC 2045 §6.8).
#pragma once

#include <string>
#include <string_view>

namespace sealpost {

inline std::string without_blanks(std::string_view folded) {
  std::string plain;
  plain.reserve(folded.size());
  for (const char c : folded) {
    if (c != '\r' && c != '\n' && c != ' ' && c != '\t') plain += c;
  }
  return plain;
}

}  // namespace sealpost
