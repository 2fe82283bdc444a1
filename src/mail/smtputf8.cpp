// SPDX-License-Identifier: Apache-2.0
#include "mail/smtputf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/text.hpp"

namespace sealpost {
namespace {

// QCHAR of RFC 6533 §3.
bool is_qchar(char c) noexcept { return c > 0x20 && c < 0x7f && c != '+' && c != '=' && c != '\\'; }

// "\x{HEX}" off the front of `text`: a code point, in upper case and without zeros in front. Octets; 0: it is none.
std::size_t embedded(std::string_view text) noexcept {
  constexpr std::string_view opening = "\\x{";
  constexpr std::size_t most_digits = 6;
  if (!text.starts_with(opening)) return 0;
  const std::size_t end = text.find('}');
  if (end == text.npos) return 0;
  const std::string_view digits = text.substr(opening.size(), end - opening.size());
  if (digits.size() < 2 || digits.size() > most_digits ||
      digits.find_first_not_of("0123456789ABCDEF") != digits.npos)
    return 0;
  std::uint32_t code = 0;
  for (const char c : digits)
    code = code << 4 | static_cast<std::uint32_t>(c <= '9' ? c - '0' : c - 'A' + 10);
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (surrogate || code > 0x10ffff || (digits.size() > 2 && digits.front() == '0')) return 0;
  return opening.size() + digits.size() + 1;
}

}  // namespace

bool is_ascii(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool needs_smtputf8(const Envelope& envelope, const Recipient& recipient) noexcept {
  return envelope.smtputf8 || !is_ascii(envelope.reverse_path) || !is_ascii(recipient.address);
}

std::string to_utf8_xtext(std::string_view address) {
  std::string out;
  while (!address.empty()) {
    const text::Utf8Unit unit = text::decode_utf8(address);
    if (unit.code < 0x80 && is_qchar(address.front()))
      out += address.front();
    else
      fmt::format_to(std::back_inserter(out), "\\x{{{:02X}}}", unit.code);
    address.remove_prefix(unit.length);
  }
  return out;
}

bool is_utf8_xtext(std::string_view text, bool raw) noexcept {
  if (text.empty()) return false;
  while (!text.empty()) {
    std::size_t taken = is_qchar(text.front()) ? 1 : embedded(text);
    if (taken == 0 && raw && static_cast<unsigned char>(text.front()) >= 0x80) {
      const text::Utf8Unit unit = text::decode_utf8(text);
      if (unit.well_formed) taken = unit.length;
    }
    if (taken == 0) return false;
    text.remove_prefix(taken);
  }
  return true;
}

// What is encoded already stays as it is: only octets beyond ASCII are left to do.
std::string ascii_original(std::string_view original) {
  std::string out;
  while (!original.empty()) {
    const text::Utf8Unit unit = text::decode_utf8(original);
    if (static_cast<unsigned char>(original.front()) < 0x80)
      out += original.front();
    else
      fmt::format_to(std::back_inserter(out), "\\x{{{:X}}}", unit.code);
    original.remove_prefix(unit.length);
  }
  return out;
}

}  // namespace sealpost
