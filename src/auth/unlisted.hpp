// SPDX-License-Identifier: Apache-2.0
//
// Accounts that others vouch for, a Dovecot or an issuer of tokens, and that have no row in users.db (ADR 54). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "auth/user_store.hpp"

namespace sealpost::auth {

struct Unlisted {
  enum class May : std::uint8_t {
    nothing,      // who is not in users.db is not let in
    own_address,  // send as the address that the account's name is; a name that is none lets nobody in
    anybody,      // send as anybody
  };
  Unlisted() = default;
  May may = May::own_address;
  Limits limits;
};

// As it would stand in users.db, without credentials. `name` is prepared. Nothing: it is not let in.
std::optional<User> unlisted_user(const std::string& name, const Unlisted& rule);

}  // namespace sealpost::auth
