// SPDX-License-Identifier: Apache-2.0
//
// The client's side of SCRAM (RFC 5802 §5), for tests.
#pragma once

#include <string>
#include <string_view>

#include "auth/scram.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"

namespace sealpost::test {

struct ScramClient {
  std::string header = "n,,";  // with what is bound behind it: `bound`
  std::string bound = {};
  std::string name = "anna";
  std::string password = "secret";
  std::string nonce = "fyko+d2lbbFgONRv9qkxdawL";

  std::string first_bare() const { return "n=" + name + ",r=" + nonce; }
  std::string first() const { return header + first_bare(); }
  // What follows `challenge`; the server's answer must be `expected`.
  std::string final(const std::string& challenge) {
    const auto salt_at = challenge.find(",s=") + 3, count_at = challenge.find(",i=");
    const auto salt = text::from_base64(challenge.substr(salt_at, count_at - salt_at)).value_or("");
    const auto rounds = text::parse_u64(challenge.substr(count_at + 3)).value_or(1);
    const auth::Secret secret{std::string_view(password)};
    const auth::ScramKeys keys = auth::scram_keys(secret, salt, static_cast<std::uint32_t>(rounds));
    const std::string server_nonce = challenge.substr(2, challenge.find(",s=") - 2);
    const std::string without_proof = "c=" + text::base64(header + bound) + ",r=" + server_nonce;
    const std::string message = first_bare() + "," + challenge + "," + without_proof;
    expected = "v=" + text::base64(auth::hmac_sha256(keys.server_key, message));
    // ClientKey is not kept by the server: worked out from the salted password, by OpenSSL's own hand.
    std::string proof = client_key(secret, salt, static_cast<std::uint32_t>(rounds));
    const std::string signature = auth::hmac_sha256(keys.stored_key, message);
    for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<char>(proof[i] ^ signature[i]);
    return without_proof + ",p=" + text::base64(proof);
  }
  std::string expected = {};

 private:
  static std::string client_key(const auth::Secret& password, const std::string& salt, std::uint32_t rounds) {
    // Hi(): PBKDF2 with one block is HMAC iterated (RFC 5802 §2.2).
    std::string u = auth::hmac_sha256(password.view(), salt + std::string("\0\0\0\1", 4)), all = u;
    for (std::uint32_t i = 1; i < rounds; ++i) {
      u = auth::hmac_sha256(password.view(), u);
      for (std::size_t k = 0; k < all.size(); ++k) all[k] = static_cast<char>(all[k] ^ u[k]);
    }
    return auth::hmac_sha256(all, "Client Key");
  }
};

}  // namespace sealpost::test
