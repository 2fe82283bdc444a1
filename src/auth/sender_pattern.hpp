// SPDX-License-Identifier: Apache-2.0
//
// As whom an account may send, as operators write it: "anna@example.org", or "@example.org" for every address of that
// domain, and of none below it. What is sent is held against it by intake/sender_rights. Pure.
#pragma once

#include <string>
#include <string_view>

#include "sealpost/expected.hpp"

namespace sealpost::auth {

// As it is kept: lower case, domains in A-labels. Errc::invalid says what is wrong.
Expected<std::string> parse_sender_pattern(std::string_view typed);

}  // namespace sealpost::auth
