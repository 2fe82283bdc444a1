// SPDX-License-Identifier: Apache-2.0
//
// What somebody may do on the web pages. Each may what the one before may, and more.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sealpost::auth {

enum class Role : std::uint8_t {
  viewer,      // numbers, domains and hosts; no addresses of people
  compliance,  // also messages, partners and their proofs
  operating,   // "operator": also acts
};

constexpr std::string_view name_of(Role role) noexcept {
  switch (role) {
    case Role::viewer: return "viewer";
    case Role::compliance: return "compliance";
    case Role::operating: return "operator";
  }
  return "";
}

constexpr std::optional<Role> role_of(std::string_view name) noexcept {
  for (const Role role : {Role::viewer, Role::compliance, Role::operating})
    if (name_of(role) == name) return role;
  return std::nullopt;
}

}  // namespace sealpost::auth
