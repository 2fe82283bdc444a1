// SPDX-License-Identifier: Apache-2.0
//
// Access tokens that are JWTs (RFC 7519, RFC 9068), verified here with the issuer's public keys: nobody is asked. As RFC 8725 has it:
// the algorithm is the key's, issuer and audience must be ours, and a token without an end is none. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/token_keys.hpp"
#include "sealpost/believed.hpp"

namespace sealpost::auth {

constexpr std::size_t longest_token = 8192;  // octets

struct TokenRules {
  TokenRules() = default;
  std::string issuer;                  // "iss", octet by octet
  std::vector<std::string> audiences;  // of "aud" one must be
  std::string account_claim = "email";
  std::string scope;  // of "scope" or "scp"; empty: none is asked for
  std::shared_ptr<const TokenKeys> keys;
};

enum class TokenFault : std::uint8_t {
  none,
  invalid,       // no token of ours, or not now
  insufficient,  // a good one, without the scope
};

struct TokenVerdict {
  TokenVerdict() = default;
  TokenFault fault = TokenFault::invalid;
  std::string account;  // prepared, when there is no fault
  std::string why;      // for our log: nothing of what was in it
};
TokenVerdict verify_token(std::string_view token, const TokenRules& rules, const Believed& time);

}  // namespace sealpost::auth
