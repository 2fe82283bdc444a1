// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <algorithm>
#include <array>

namespace sealpost::text {
namespace {

constexpr std::string_view base64_letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view hex_letters = "0123456789abcdef";

constexpr std::array<std::int8_t, 256> reverse(std::string_view letters) {
  std::array<std::int8_t, 256> table{};
  for (auto& entry : table) entry = -1;
  for (std::size_t i = 0; i < letters.size(); ++i)
    table[static_cast<unsigned char>(letters[i])] = static_cast<std::int8_t>(i);
  return table;
}

constexpr auto base64_values = reverse(base64_letters);

int hex_value(char c) noexcept {
  c = lower(c);
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = lower(c);
  return out;
}

bool iequals(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && istarts_with(a, b);
}

bool istarts_with(std::string_view s, std::string_view prefix) noexcept {
  if (s.size() < prefix.size()) return false;
  for (std::size_t i = 0; i < prefix.size(); ++i)
    if (lower(s[i]) != lower(prefix[i])) return false;
  return true;
}

std::string_view trim(std::string_view s, std::string_view set) noexcept {
  const std::size_t first = s.find_first_not_of(set);
  if (first == s.npos) return s.substr(0, 0);
  return s.substr(first, s.find_last_not_of(set) - first + 1);
}

std::vector<std::string_view> split(std::string_view s, char by) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = s.find(by);
    parts.push_back(s.substr(0, at));
    if (at == s.npos) return parts;
    s.remove_prefix(at + 1);
  }
}

std::optional<std::uint64_t> parse_u64(std::string_view digits) noexcept {
  if (digits.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    if (__builtin_mul_overflow(value, 10, &value)) return std::nullopt;
    if (__builtin_add_overflow(value, static_cast<std::uint64_t>(c - '0'), &value)) return std::nullopt;
  }
  return value;
}

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out += hex_letters[byte >> 4];
    out += hex_letters[byte & 15];
  }
  return out;
}

std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::vector<std::uint8_t> out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return out;
}

std::string base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t block = 0;
    for (std::size_t k = 0; k < 3; ++k)
      block = block << 8 | (k < have ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += k <= have ? base64_letters[block >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

// Strict (RFC 4648 §3): padded, no blanks, no bits left over, so that two texts never mean the same octets.
std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  text.remove_suffix(padding);
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const int value = base64_values[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out += static_cast<char>(bits >> held & 0xff);
  }
  if ((bits & ((1U << held) - 1)) != 0) return std::nullopt;
  return out;
}

Utf8Unit decode_utf8(std::string_view s) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned first = at(0);
  std::size_t length = 0;
  std::uint32_t code = 0, least = 0;
  if (first < 0x80) return {first, 1, true};
  if (first >= 0xc2 && first < 0xe0)
    length = 2, code = first & 0x1f, least = 0x80;
  else if (first >= 0xe0 && first < 0xf0)
    length = 3, code = first & 0x0f, least = 0x800;
  else if (first >= 0xf0 && first < 0xf5)
    length = 4, code = first & 0x07, least = 0x10000;
  else
    return {};
  if (s.size() < length) return {};
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (at(i) & 0x3fU);
  }
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
  return {code, length, true};
}

bool is_utf8(std::string_view s) noexcept {
  while (!s.empty()) {
    const Utf8Unit unit = decode_utf8(s);
    if (!unit.well_formed) return false;
    s.remove_prefix(unit.length);
  }
  return true;
}

std::string printable(std::string_view remote, std::size_t most) {
  constexpr std::string_view ellipsis = "...";
  std::string out;
  std::size_t fits = 0;  // length of `out` that leaves room for the ellipsis
  for (const char c : remote) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += hex_letters[byte >> 4];
      out += hex_letters[byte & 15];
    }
    if (out.size() > most) {
      out.resize(fits);
      return out.append(ellipsis.substr(0, most - fits));
    }
    if (out.size() + ellipsis.size() <= most) fits = out.size();
  }
  return out;
}

}  // namespace sealpost::text
