// SPDX-License-Identifier: Apache-2.0
//
// What a client says in OAUTHBEARER (RFC 7628 §3.1) and in XOAUTH2, of which there is no RFC (Google describes it), and what
// it is told when its token is no good. Pure.
#pragma once

#include <string>
#include <string_view>

#include "auth/secret.hpp"
#include "auth/token.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::auth {

struct BearerMessage {
  std::string authorization;  // as whom to act; empty: as whom the token says
  Secret token;
};
// Errc::invalid: not what the grammar says, or a binding to the channel, which OAUTHBEARER has not; says nothing of what
// was in it.
Expected<BearerMessage> parse_oauthbearer(std::string_view message);
Expected<BearerMessage> parse_xoauth2(std::string_view message);

// The JSON for a challenge (RFC 7628 §3.2.2), which the client answers before it hears of its failure.
std::string bearer_failure(TokenFault fault, const std::string& scope);

}  // namespace sealpost::auth
