// SPDX-License-Identifier: Apache-2.0
//
// Small text functions that are not in the standard library. ASCII only, locale never consulted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sealpost::text {

char lower(char c) noexcept;
std::string lower(std::string_view s);
bool iequals(std::string_view a, std::string_view b) noexcept;
bool istarts_with(std::string_view s, std::string_view prefix) noexcept;
std::string_view trim(std::string_view s, std::string_view set = " \t") noexcept;
std::vector<std::string_view> split(std::string_view s, char by);          // "a,,b" gives three parts
std::optional<std::uint64_t> parse_u64(std::string_view digits) noexcept;  // digits only, no sign, checked
std::string hex(std::span<const std::uint8_t> bytes);                      // lower case
std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text);
std::string base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);
// One UTF-8 sequence from the front of a text that is not empty (RFC 3629: no overlong form, surrogate, or
// value past U+10FFFF). What is none: U+FFFD and one octet, well_formed false.
struct Utf8Unit {
  std::uint32_t code = 0xfffd;
  std::size_t length = 1;
  bool well_formed = false;
};
Utf8Unit decode_utf8(std::string_view s) noexcept;
bool is_utf8(std::string_view s) noexcept;
// Remote text for people: printable ASCII kept, everything else as \xHH, cut with "..." so that it has at
// most `most` octets.
std::string printable(std::string_view remote, std::size_t most = 512);

}  // namespace sealpost::text
