// SPDX-License-Identifier: Apache-2.0
#include "dns/name.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace sealpost::dns {

namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_name_octet(char c) noexcept { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_'; }

}  // namespace

std::optional<std::string> normal_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > name_octets) return std::nullopt;
  std::string name = text::lower(text);
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return std::nullopt;
      label = 0;
    } else {
      if (!is_name_octet(c) || ++label > label_octets) return std::nullopt;
    }
  }
  if (label == 0) return std::nullopt;
  return name;
}

bool is_mail_domain(std::string_view name) noexcept {
  if (name.empty()) return false;
  if (!std::ranges::all_of(name, [](char c) { return c == '.' || is_name_octet(c); })) return false;
  const std::string_view last = name.substr(name.rfind('.') + 1);  // npos + 1 is 0
  return !std::ranges::all_of(last, is_digit);
}

}  // namespace sealpost::dns
