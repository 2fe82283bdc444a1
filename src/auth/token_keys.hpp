// SPDX-License-Identifier: Apache-2.0
//
// The public keys of an issuer of tokens: a JWK set (RFC 7517) with RSA (RFC 7518 §6.3), P-256 (§6.2) and Ed25519 (RFC 8037)
// keys. Keys for anything else, and secrets, are not taken. Read whole or not at all; never changed afterwards. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/openssl_handles.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::auth {

// The kind of a key says how it signs, and nothing that comes with a token does (RFC 8725 §3.1).
enum class TokenAlgorithm : std::uint8_t { rs256, es256, eddsa };

constexpr std::size_t longest_key_set = 256 * 1024;  // octets
constexpr std::size_t most_token_keys = 64;

class TokenKeys {
 public:
  struct Key {
    Key() = default;
    std::string id;  // empty: it has none
    TokenAlgorithm algorithm = TokenAlgorithm::rs256;
    EvpKeyPtr key;
  };
  // Errc::invalid: no set, or one without a key that can be used here; says which and why.
  static Expected<TokenKeys> parse(std::string_view text);

  const std::vector<Key>& all() const noexcept { return keys_; }
  // The one key of this kind and name; an empty name: the only one of this kind. Null: there is none, or more than one.
  const Key* find(TokenAlgorithm algorithm, std::string_view id) const noexcept;

 private:
  std::vector<Key> keys_;
};

// Is `signature` that of `text` by this key? As JWS has it (RFC 7518 §3.3, §3.4; RFC 8037 §3.1).
bool is_signed_by(const TokenKeys::Key& key, std::string_view text, std::string_view signature);

// base64url without padding, and with no bits beside what they stand for (RFC 7515 §2). Nothing: it is none.
std::optional<std::string> from_base64url(std::string_view text);

}  // namespace sealpost::auth
