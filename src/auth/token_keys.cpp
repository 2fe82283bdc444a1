// SPDX-License-Identifier: Apache-2.0
#include "auth/token_keys.hpp"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <optional>

#include "base/i_json.hpp"
#include "base/text.hpp"

namespace sealpost::auth {
namespace {

using Json = nlohmann::json;

constexpr int least_rsa_bits = 2048, most_rsa_bits = 8192;  // RFC 7518 §3.3
constexpr std::size_t coordinate_octets = 32, ed25519_octets = 32, es256_octets = 64;
constexpr std::size_t longest_key_id = 255;

using ParamBuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, FreeWith<OSSL_PARAM_BLD_free>>;
using ParamsPtr = std::unique_ptr<OSSL_PARAM, FreeWith<OSSL_PARAM_free>>;
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;
using NumberPtr = std::unique_ptr<BIGNUM, FreeWith<BN_free>>;
using EcSignaturePtr = std::unique_ptr<ECDSA_SIG, FreeWith<ECDSA_SIG_free>>;

const unsigned char* octets_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

NumberPtr number_of(std::string_view octets) {
  return NumberPtr(BN_bin2bn(octets_of(octets), static_cast<int>(octets.size()), nullptr));
}

std::string member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

EvpKeyPtr key_from(const char* type, OSSL_PARAM_BLD& builder) {
  const ParamsPtr params(OSSL_PARAM_BLD_to_param(&builder));
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* made = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return nullptr;
  EvpKeyPtr key(made);
  const KeyContextPtr check(EVP_PKEY_CTX_new(key.get(), nullptr));
  return check && EVP_PKEY_public_check(check.get()) == 1 ? std::move(key) : nullptr;
}

EvpKeyPtr rsa_key(const Json& jwk) {
  const auto modulus = from_base64url(member(jwk, "n")), exponent = from_base64url(member(jwk, "e"));
  if (!modulus || !exponent || modulus->size() > most_rsa_bits / 8 || exponent->size() > 8) return nullptr;
  const NumberPtr n = number_of(*modulus), e = number_of(*exponent);
  const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder || !BN_is_odd(e.get()) || BN_is_one(e.get()) ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1)
    return nullptr;
  EvpKeyPtr key = key_from("RSA", *builder);
  return key && EVP_PKEY_get_bits(key.get()) >= least_rsa_bits ? std::move(key) : nullptr;
}

EvpKeyPtr p256_key(const Json& jwk) {
  const auto x = from_base64url(member(jwk, "x")), y = from_base64url(member(jwk, "y"));
  if (!x || !y || x->size() != coordinate_octets || y->size() != coordinate_octets) return nullptr;
  const std::string point = '\4' + *x + *y;  // uncompressed, SEC 1
  const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) !=
          1)
    return nullptr;
  return key_from("EC", *builder);
}

EvpKeyPtr ed25519_key(const Json& jwk) {
  const auto x = from_base64url(member(jwk, "x"));
  if (!x || x->size() != ed25519_octets) return nullptr;
  return EvpKeyPtr(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets_of(*x), x->size()));
}

struct KeyKind {
  TokenAlgorithm algorithm;
  const char* name;  // of "alg"
  EvpKeyPtr (*make)(const Json&);
};

std::optional<KeyKind> kind_of_key(const Json& jwk) {
  const std::string type = member(jwk, "kty"), curve = member(jwk, "crv");
  if (type == "RSA") return KeyKind{TokenAlgorithm::rs256, "RS256", rsa_key};
  if (type == "EC" && curve == "P-256") return KeyKind{TokenAlgorithm::es256, "ES256", p256_key};
  if (type == "OKP" && curve == "Ed25519") return KeyKind{TokenAlgorithm::eddsa, "EdDSA", ed25519_key};
  return std::nullopt;
}

// RFC 7517 §4.2, §4.3, §4.4: a key that says it is for something else is not ours.
bool is_for_us(const Json& jwk, const KeyKind& wanted) {
  if (jwk.contains("use") && member(jwk, "use") != "sig") return false;
  const std::string algorithm = member(jwk, "alg");
  const bool other_name = wanted.algorithm == TokenAlgorithm::eddsa && algorithm == "Ed25519";  // RFC 9864
  if (jwk.contains("alg") && algorithm != wanted.name && !other_name) return false;
  const auto operations = jwk.find("key_ops");
  if (operations == jwk.end()) return true;
  return operations->is_array() &&
         std::find(operations->begin(), operations->end(), "verify") != operations->end();
}

std::string number_text(std::size_t index) { return "key " + std::to_string(index + 1) + " of the set "; }

// JWS writes r and s one behind the other, OpenSSL wants them in DER.
std::string der_signature(std::string_view signature) {
  if (signature.size() != es256_octets) return {};
  const EcSignaturePtr pair(ECDSA_SIG_new());
  NumberPtr r = number_of(signature.substr(0, es256_octets / 2)),
            s = number_of(signature.substr(es256_octets / 2));
  if (!pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  const int size = i2d_ECDSA_SIG(pair.get(), nullptr);
  if (size <= 0) return {};
  std::string der(static_cast<std::size_t>(size), '\0');
  auto* at = reinterpret_cast<unsigned char*>(der.data());
  i2d_ECDSA_SIG(pair.get(), &at);
  return der;
}

}  // namespace

std::optional<std::string> from_base64url(std::string_view text) {
  std::string padded;
  padded.reserve(text.size() + 3);
  for (const char c : text) {
    if (c == '+' || c == '/' || c == '=') return std::nullopt;
    padded += c == '-' ? '+' : c == '_' ? '/' : c;
  }
  while (padded.size() % 4 != 0) padded += '=';
  auto octets = text::from_base64(padded);
  // Bits that stand for nothing would be another text of the same octets.
  if (!octets || text::base64(*octets) != padded) return std::nullopt;
  return octets;
}

Expected<TokenKeys> TokenKeys::parse(std::string_view text) {
  if (text.size() > longest_key_set) return Error(Errc::invalid, "more than 256 KiB");
  JsonBounds bounds;
  bounds.depth = 8;
  bounds.values = 10'000;
  const auto json = parse_i_json(text, bounds);
  if (!json) return json.error();
  const auto keys = json->is_object() ? json->find("keys") : json->end();
  if (!json->is_object() || keys == json->end() || !keys->is_array())
    return Error(Errc::invalid, "is no JWK set (RFC 7517 5): {\"keys\": [...]}");
  if (keys->size() > most_token_keys) return Error(Errc::invalid, "holds more than 64 keys");
  TokenKeys set;
  for (std::size_t i = 0; i < keys->size(); ++i) {
    const Json& jwk = (*keys)[i];
    if (!jwk.is_object()) return Error(Errc::invalid, number_text(i) + "is no object");
    if (jwk.contains("d") || jwk.contains("k"))
      return Error(Errc::invalid, number_text(i) + "is a secret: who verifies has public keys only");
    const auto kind = kind_of_key(jwk);
    if (!kind || !is_for_us(jwk, *kind)) continue;  // RFC 7517 §5
    Key key;
    key.algorithm = kind->algorithm;
    key.id = member(jwk, "kid");
    key.key = kind->make(jwk);
    ERR_clear_error();
    if (!key.key || key.id.size() > longest_key_id)
      return Error(Errc::invalid, number_text(i) +
                                      "cannot be used: RSA has 2048 to 8192 bits, P-256 a point, "
                                      "Ed25519 32 octets, and a kid at most 255");
    if (!key.id.empty() && set.find(key.algorithm, key.id) != nullptr)
      return Error(Errc::invalid, number_text(i) + "has the kid of another");
    set.keys_.push_back(std::move(key));
  }
  if (set.keys_.empty()) return Error(Errc::invalid, "holds no key for RS256, ES256 or EdDSA");
  return set;
}

const TokenKeys::Key* TokenKeys::find(TokenAlgorithm algorithm, std::string_view id) const noexcept {
  const Key* found = nullptr;
  for (const Key& key : keys_) {
    if (key.algorithm != algorithm || (!id.empty() && key.id != id)) continue;
    if (found != nullptr) return nullptr;
    found = &key;
  }
  return found;
}

bool is_signed_by(const TokenKeys::Key& key, std::string_view text, std::string_view signature) {
  const bool ec = key.algorithm == TokenAlgorithm::es256;
  const std::string der = ec ? der_signature(signature) : std::string();
  if (ec && der.empty()) return false;
  if (ec) signature = der;
  const EVP_MD* const digest = key.algorithm == TokenAlgorithm::eddsa ? nullptr : EVP_sha256();
  const EvpDigestContextPtr context(EVP_MD_CTX_new());
  const bool good =
      context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key.key.get()) == 1 &&
      EVP_DigestVerify(context.get(), octets_of(signature), signature.size(), octets_of(text), text.size()) ==
          1;
  ERR_clear_error();
  return good;
}

}  // namespace sealpost::auth
