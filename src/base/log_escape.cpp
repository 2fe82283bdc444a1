// SPDX-License-Identifier: Apache-2.0
#include "base/log_escape.hpp"

#include <array>
#include <cstdint>

#include "base/text.hpp"

namespace sealpost::log {
namespace {

constexpr char hex_letters[] = "0123456789abcdef";
constexpr std::string_view cut_mark = "...";

constexpr std::array<bool, 256> table_of(bool blank, std::string_view except) {
  std::array<bool, 256> table{};
  for (int c = blank ? 0x20 : 0x21; c < 0x7f; ++c) table[static_cast<std::size_t>(c)] = true;
  for (const char c : except) table[static_cast<unsigned char>(c)] = false;
  return table;
}
constexpr auto bare_in_text = table_of(false, "=\"\\");
constexpr auto plain_in_quotes = table_of(true, "\"\\");

bool is_in(const std::array<bool, 256>& table, char c) noexcept {
  return table[static_cast<unsigned char>(c)];
}

// Length of the leading part that may be copied as it is.
std::size_t run_of(const std::array<bool, 256>& table, std::string_view value) noexcept {
  std::size_t length = 0;
  while (length < value.size() && is_in(table, value[length])) ++length;
  return length;
}

char short_escape(char c) noexcept {
  switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
  }
}

void append_unit(std::string& out, std::uint32_t unit) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += hex_letters[unit >> shift & 15];
}

}  // namespace

void append_text_value(std::string& out, std::string_view value) {
  const bool cut = value.size() > value_cap;
  value = value.substr(0, value_cap);
  if (!cut && !value.empty() && run_of(bare_in_text, value) == value.size()) {
    out += value;
    return;
  }
  out += '"';
  while (!value.empty()) {
    const std::size_t run = run_of(plain_in_quotes, value);
    out += value.substr(0, run);
    value.remove_prefix(run);
    if (value.empty()) break;
    const char c = value.front();
    value.remove_prefix(1);
    out += '\\';
    if (const char letter = short_escape(c); letter != 0) {
      out += letter;
    } else {
      out += 'x';
      out += hex_letters[static_cast<unsigned char>(c) >> 4];
      out += hex_letters[static_cast<unsigned char>(c) & 15];
    }
  }
  if (cut) out += cut_mark;
  out += '"';
}

void append_json_string(std::string& out, std::string_view value) {
  const bool cut = value.size() > value_cap;
  value = value.substr(0, value_cap);
  out += '"';
  while (!value.empty()) {
    const std::size_t run = run_of(plain_in_quotes, value);
    out += value.substr(0, run);
    value.remove_prefix(run);
    if (value.empty()) break;
    if (const char letter = short_escape(value.front()); letter != 0) {
      out += '\\';
      out += letter;
      value.remove_prefix(1);
      continue;
    }
    const text::Utf8Unit next = text::decode_utf8(value);
    value.remove_prefix(next.length);
    if (next.code < 0x10000) {
      append_unit(out, next.code);
    } else {
      append_unit(out, 0xd800 + ((next.code - 0x10000) >> 10));
      append_unit(out, 0xdc00 + ((next.code - 0x10000) & 0x3ff));
    }
  }
  if (cut) out += cut_mark;
  out += '"';
}

}  // namespace sealpost::log
