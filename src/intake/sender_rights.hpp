// SPDX-License-Identifier: Apache-2.0
//
// As whom an account may send (RFC 6409 §6.1, T-60). Pure.
#pragma once

#include <string_view>

#include "auth/authenticator.hpp"

namespace sealpost::intake {

// `address` has been parsed; "" is the null reverse-path, which belongs to nobody: only who may send as anybody may use it.
// Case does not count, in local parts either.
bool may_send_as(const auth::Account& account, std::string_view address);

}  // namespace sealpost::intake
