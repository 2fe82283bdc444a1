// SPDX-License-Identifier: Apache-2.0
//
// An issuer of tokens for tests: a key of each kind, its JWK, and tokens that say what they are told to.
#pragma once

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <vector>

#include "auth/token.hpp"
#include "base/openssl_handles.hpp"
#include "base/text.hpp"

namespace sealpost::auth::test {

inline std::string base64url(std::string_view octets) {
  std::string text = text::base64(octets);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

class TokenIssuer {
 public:
  explicit TokenIssuer(TokenAlgorithm algorithm, unsigned rsa_bits = 2048) : algorithm_(algorithm) {
    switch (algorithm) {
      case TokenAlgorithm::rs256: key_.reset(EVP_RSA_gen(rsa_bits)); break;
      case TokenAlgorithm::es256: key_.reset(EVP_EC_gen("P-256")); break;
      case TokenAlgorithm::eddsa: key_.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); break;
    }
  }
  std::string name() const {
    return algorithm_ == TokenAlgorithm::rs256   ? "RS256"
           : algorithm_ == TokenAlgorithm::es256 ? "ES256"
                                                 : "EdDSA";
  }
  std::string number(const char* what, std::size_t octets = 0) const {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), what, &number);
    const std::size_t size = octets != 0 ? octets : static_cast<std::size_t>(BN_num_bytes(number));
    std::string bytes(size, '\0');
    BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size));
    BN_free(number);
    return base64url(bytes);
  }
  // `more`: further members, each with a comma before it.
  std::string jwk(const std::string& id, const std::string& more = {}) const {
    const std::string tail = (id.empty() ? "" : ",\"kid\":\"" + id + "\"") + more + "}";
    switch (algorithm_) {
      case TokenAlgorithm::rs256:
        return R"({"kty":"RSA","n":")" + number(OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
               number(OSSL_PKEY_PARAM_RSA_E) + "\"" + tail;
      case TokenAlgorithm::es256:
        return R"({"kty":"EC","crv":"P-256","x":")" + number(OSSL_PKEY_PARAM_EC_PUB_X, 32) + R"(","y":")" +
               number(OSSL_PKEY_PARAM_EC_PUB_Y, 32) + "\"" + tail;
      case TokenAlgorithm::eddsa: break;
    }
    std::string octets(32, '\0');
    std::size_t size = octets.size();
    EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(octets.data()), &size);
    return R"({"kty":"OKP","crv":"Ed25519","x":")" + base64url(octets) + "\"" + tail;
  }
  std::string sign(const std::string& text) const {
    const EVP_MD* digest = algorithm_ == TokenAlgorithm::eddsa ? nullptr : EVP_sha256();
    const EvpDigestContextPtr context(EVP_MD_CTX_new());
    EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get());
    std::string signature(1024, '\0');
    std::size_t size = signature.size();
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    signature.resize(size);
    return algorithm_ == TokenAlgorithm::es256 ? raw(signature) : signature;
  }
  std::string token(const std::string& claims, const std::string& header) const {
    const std::string text = base64url(header) + "." + base64url(claims);
    return text + "." + base64url(sign(text));
  }
  std::string token(const std::string& claims) const {
    return token(claims, "{\"alg\":\"" + name() + "\",\"kid\":\"one\"}");
  }

 private:
  static std::string raw(const std::string& der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    std::string octets(64, '\0');
    auto* into = reinterpret_cast<unsigned char*>(octets.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), into, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), into + 32, 32);
    ECDSA_SIG_free(pair);
    return octets;
  }
  TokenAlgorithm algorithm_;
  EvpKeyPtr key_;
};

inline std::string key_set(const std::vector<std::string>& keys) {
  std::string all;
  for (const std::string& key : keys) all += (all.empty() ? "" : ",") + key;
  return "{\"keys\":[" + all + "]}";
}

inline std::shared_ptr<const TokenRules> token_rules(const std::string& set) {
  auto rules = std::make_shared<TokenRules>();
  rules->issuer = "https://login.example";
  rules->audiences = {"sealpost", "https://mail.example"};
  rules->scope = "smtp.send";
  auto keys = TokenKeys::parse(set);
  if (keys) rules->keys = std::make_shared<const TokenKeys>(std::move(*keys));
  return rules;
}

// SimLoop::default_start and an hour more.
inline std::string good_claims(const std::string& account = "anna@example.org") {
  return R"({"iss":"https://login.example","aud":"sealpost","exp":1767574800,"nbf":1767571200,"scope":"openid smtp.send","email":")" +
         account + "\"}";
}

}  // namespace sealpost::auth::test
