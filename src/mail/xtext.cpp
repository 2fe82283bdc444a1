// SPDX-License-Identifier: Apache-2.0
#include "mail/xtext.hpp"

namespace sealpost {
namespace {

constexpr std::string_view hex_letters = "0123456789ABCDEF";

bool is_xchar(char c) noexcept { return c > 0x20 && c < 0x7f && c != '+' && c != '='; }

}  // namespace

std::string to_xtext(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_xchar(c)) {
      out += c;
      continue;
    }
    out += '+';
    out += hex_letters[static_cast<unsigned char>(c) >> 4];
    out += hex_letters[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::optional<std::string> from_xtext(std::string_view xtext) {
  std::string out;
  for (std::size_t i = 0; i < xtext.size(); ++i) {
    if (xtext[i] != '+') {
      if (!is_xchar(xtext[i])) return std::nullopt;
      out += xtext[i];
      continue;
    }
    if (i + 2 >= xtext.size()) return std::nullopt;
    const std::size_t high = hex_letters.find(xtext[i + 1]), low = hex_letters.find(xtext[i + 2]);
    if (high == hex_letters.npos || low == hex_letters.npos) return std::nullopt;
    const std::size_t code = high << 4 | low;
    if (code < 0x20 || code > 0x7e) return std::nullopt;
    out += static_cast<char>(code);
    i += 2;
  }
  return out;
}

}  // namespace sealpost
