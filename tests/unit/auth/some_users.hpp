// SPDX-License-Identifier: Apache-2.0
//
// Accounts for tests, with as few rounds of SCRAM as there may be.
#pragma once

#include <string>
#include <string_view>

#include "auth/password.hpp"
#include "auth/user_store.hpp"

namespace sealpost::test {

inline auth::User some_user(std::string name, std::string_view password) {
  const auth::Secret secret(password);
  auth::User user;
  user.name = std::move(name);
  user.credentials.hash = auth::hash_password(secret).value_or("");
  user.credentials.scram = auth::scram_keys(secret, "a salt of 16 oct", auth::least_scram_iterations);
  return user;
}

}  // namespace sealpost::test
