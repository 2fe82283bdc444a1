// SPDX-License-Identifier: Apache-2.0
#include "mail/mime_text.hpp"

#include "base/text.hpp"
#include "mail/header.hpp"

namespace sealpost {
namespace {

constexpr std::size_t wanted_line = 78;  // RFC 5322 §2.1.1
constexpr std::size_t longest_line = 998;
constexpr std::size_t encoded_line = 76;  // RFC 2045 §6.7

// Takes the next line off `text`, without its end: CRLF, a lone LF, or a lone CR.
std::string_view take_line(std::string_view& text) noexcept {
  const std::size_t end = text.find_first_of("\r\n");
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(line.size());
  if (text.starts_with("\r\n"))
    text.remove_prefix(2);
  else if (!text.empty())
    text.remove_prefix(1);
  return line;
}

}  // namespace

std::string folded_field(std::string_view name, std::string_view value) {
  const std::string plain = text::printable(unfold(value, longest_line), longest_line - 100);
  std::string out(name);
  out += ':';
  std::size_t line_start = 0;
  for (const std::string_view word : text::split(plain, ' ')) {
    if (out.size() - line_start + 1 + word.size() > wanted_line && out.back() != ':') {
      out += "\r\n";
      line_start = out.size();
    }
    out += ' ';
    out += word;
  }
  return out + "\r\n";
}

std::string with_crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  while (!text.empty()) {
    out += take_line(text);
    out += "\r\n";
  }
  return out;
}

bool needs_encoding(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.size() > longest_line) return true;
    for (const char c : line)
      if (static_cast<unsigned char>(c) >= 0x80 || c == '\0') return true;
  }
  return false;
}

std::string quoted_printable(std::string_view text) {
  constexpr std::string_view hex_letters = "0123456789ABCDEF";
  std::string out;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    std::size_t line_start = out.size();
    for (std::size_t i = 0; i < line.size(); ++i) {
      const char c = line[i];
      const bool blank_at_end = (c == ' ' || c == '\t') && i + 1 == line.size();
      const bool plain = ((c > 0x20 && c < 0x7f && c != '=') || c == ' ' || c == '\t') && !blank_at_end;
      if (out.size() - line_start + (plain ? 1 : 3) > encoded_line - 1) {  // room for the soft break
        out += "=\r\n";
        line_start = out.size();
      }
      if (plain) {
        out += c;
      } else {
        out += '=';
        out += hex_letters[static_cast<unsigned char>(c) >> 4];
        out += hex_letters[static_cast<unsigned char>(c) & 15];
      }
    }
    out += "\r\n";
  }
  return out;
}

}  // namespace sealpost
