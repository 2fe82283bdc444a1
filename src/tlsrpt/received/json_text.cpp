// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/received/json_text.hpp"

#include <cstdint>

namespace sealpost::tlsrpt {
namespace {

enum class Encoding : std::uint8_t { utf8, utf16_little, utf16_big };

Encoding encoding_of(std::string_view octets) noexcept {
  if (octets.starts_with("\xff\xfe")) return Encoding::utf16_little;
  if (octets.starts_with("\xfe\xff")) return Encoding::utf16_big;
  if (octets.size() >= 2 && octets[1] == '\0' && octets[0] != '\0') return Encoding::utf16_little;
  if (octets.size() >= 2 && octets[0] == '\0' && octets[1] != '\0') return Encoding::utf16_big;
  return Encoding::utf8;
}

std::uint32_t unit_at(std::string_view octets, std::size_t at, Encoding encoding) noexcept {
  const auto first = static_cast<unsigned char>(octets[at]),
             second = static_cast<unsigned char>(octets[at + 1]);
  return encoding == Encoding::utf16_little ? static_cast<std::uint32_t>(second << 8 | first)
                                            : static_cast<std::uint32_t>(first << 8 | second);
}

void append(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t octet) { out += static_cast<char>(octet); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

bool is_blank(std::uint32_t code) noexcept {
  return code == ' ' || code == '\t' || code == '\r' || code == '\n';
}

}  // namespace

bool is_json(std::string_view octets) noexcept {
  const Encoding encoding = encoding_of(octets);
  if (encoding == Encoding::utf8) {
    if (octets.starts_with("\xef\xbb\xbf")) octets.remove_prefix(3);
    const auto first = octets.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && octets[first] == '{';
  }
  for (std::size_t at = 0; at + 1 < octets.size(); at += 2) {
    const std::uint32_t code = unit_at(octets, at, encoding);
    if (is_blank(code) || (at == 0 && code == 0xfeff)) continue;
    return code == '{';
  }
  return false;
}

Expected<JsonText> json_text(std::string_view octets) {
  const Encoding encoding = encoding_of(octets);
  JsonText json;
  if (encoding == Encoding::utf8) {
    json.text = octets;
    return json;
  }
  json.note = "is written in UTF-16 (RFC 8259 8.1 asks for UTF-8)";
  json.text.reserve(octets.size());
  if (octets.size() % 2 != 0) return Error(Errc::invalid, "UTF-16 that ends within a character");
  for (std::size_t at = 0; at < octets.size(); at += 2) {
    std::uint32_t code = unit_at(octets, at, encoding);
    if (at == 0 && code == 0xfeff) continue;
    if (code >= 0xd800 && code < 0xe000) {  // RFC 2781 §2.2
      const std::uint32_t low = at + 3 < octets.size() ? unit_at(octets, at + 2, encoding) : 0;
      if (code >= 0xdc00 || low < 0xdc00 || low >= 0xe000)
        return Error(Errc::invalid, "octet " + std::to_string(at) + ": half a UTF-16 character");
      code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
      at += 2;
    }
    append(json.text, code);
  }
  return json;
}

}  // namespace sealpost::tlsrpt
