// SPDX-License-Identifier: Apache-2.0
//
// What the MTA-STS record and the policy file have in common (RFC 8461 §3.1, §3.2).
#pragma once

#include <string_view>

namespace sealpost::rules {

constexpr bool is_alnum(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// Name of an extension field: a letter or digit, then up to 31 letters, digits, '_', '-', '.'.
constexpr bool is_extension_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 32 || !is_alnum(name.front())) return false;
  for (const char c : name)
    if (!is_alnum(c) && c != '_' && c != '-' && c != '.') return false;
  return true;
}

}  // namespace sealpost::rules
