// SPDX-License-Identifier: Apache-2.0
//
// The one message of PLAIN (RFC 4616 §2). Pure.
#pragma once

#include <string>
#include <string_view>

#include "auth/secret.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::auth {

struct PlainMessage {
  std::string authorization;  // as whom to act; empty: as oneself
  std::string name;
  Secret password;
};
// Errc::invalid: not two NULs, not UTF-8, no name or no password; says nothing of what was in it.
Expected<PlainMessage> parse_plain(std::string_view message);

}  // namespace sealpost::auth
