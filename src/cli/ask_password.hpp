// SPDX-License-Identifier: Apache-2.0
//
// Passwords from people and from programs. What was typed is nowhere but in the answer.
#pragma once

#include <string>

#include "auth/secret.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::cli {

// At the terminal, twice, without showing it. Errc::not_found: standard input is none; Errc::closed: given up;
// Errc::invalid: not the same twice.
Expected<auth::Secret> ask_password(const std::string& for_whom);
// The first line of standard input. Errc::io or too_long.
Expected<auth::Secret> read_password();

}  // namespace sealpost::cli
