// SPDX-License-Identifier: Apache-2.0
#include "keys/remote_key.hpp"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <cstring>
#include <new>

// Methods of keys are deprecated; a provider of our own would be ten times the code (ADR 26).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace sealpost::keys {
namespace {

using SignerPtr = std::shared_ptr<const RemoteSigner>;

void free_signer(void*, void* signer, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<SignerPtr*>(signer);
}

int rsa_slot() {
  static const int slot =
      CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_RSA, 0, nullptr, nullptr, nullptr, free_signer);
  return slot;
}

int ec_slot() {
  static const int slot =
      CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_EC_KEY, 0, nullptr, nullptr, nullptr, free_signer);
  return slot;
}

int rsa_private(int size, const unsigned char* from, unsigned char* to, RSA* rsa, int padding) {
  const auto* signer = static_cast<SignerPtr*>(RSA_get_ex_data(rsa, rsa_slot()));
  if (signer == nullptr || size < 0) return -1;
  const std::string result =
      (*signer)->sign(Operation::rsa, static_cast<std::uint8_t>(padding),
                      std::string_view(reinterpret_cast<const char*>(from), static_cast<std::size_t>(size)));
  if (result.empty() || result.size() > static_cast<std::size_t>(RSA_size(rsa))) return -1;
  std::memcpy(to, result.data(), result.size());
  return static_cast<int>(result.size());
}

std::string ecdsa(EC_KEY* key, const unsigned char* digest, int size) {
  const auto* signer = static_cast<SignerPtr*>(EC_KEY_get_ex_data(key, ec_slot()));
  if (signer == nullptr || size < 0) return {};
  return (*signer)->sign(
      Operation::ecdsa, 0,
      std::string_view(reinterpret_cast<const char*>(digest), static_cast<std::size_t>(size)));
}

int ec_sign(int, const unsigned char* digest, int digest_size, unsigned char* signature, unsigned int* size,
            const BIGNUM*, const BIGNUM*, EC_KEY* key) {
  const std::string result = ecdsa(key, digest, digest_size);
  if (result.empty() || result.size() > static_cast<std::size_t>(ECDSA_size(key))) return 0;
  std::memcpy(signature, result.data(), result.size());
  *size = static_cast<unsigned int>(result.size());
  return 1;
}

ECDSA_SIG* ec_sign_sig(const unsigned char* digest, int digest_size, const BIGNUM*, const BIGNUM*,
                       EC_KEY* key) {
  const std::string result = ecdsa(key, digest, digest_size);
  const auto* der = reinterpret_cast<const unsigned char*>(result.data());
  return result.empty() ? nullptr : d2i_ECDSA_SIG(nullptr, &der, static_cast<long>(result.size()));
}

// Never freed: keys of them may live until the process ends.
RSA_METHOD* rsa_method() {
  static RSA_METHOD* const method = [] {
    RSA_METHOD* made = RSA_meth_dup(RSA_PKCS1_OpenSSL());
    if (made == nullptr) throw std::bad_alloc();
    RSA_meth_set1_name(made, "sealpost key process");
    RSA_meth_set_flags(made, RSA_FLAG_EXT_PKEY | RSA_METHOD_FLAG_NO_CHECK);
    RSA_meth_set_priv_enc(made, rsa_private);
    RSA_meth_set_priv_dec(made, nullptr);  // no key exchange of ours decrypts
    return made;
  }();
  return method;
}

EC_KEY_METHOD* ec_method() {
  static EC_KEY_METHOD* const method = [] {
    EC_KEY_METHOD* made = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    if (made == nullptr) throw std::bad_alloc();
    EC_KEY_METHOD_set_sign(made, ec_sign, nullptr, ec_sign_sig);
    return made;
  }();
  return method;
}

bool take_over(RSA* rsa, std::unique_ptr<SignerPtr>& signer) {
  if (rsa == nullptr || RSA_set_method(rsa, rsa_method()) != 1 ||
      RSA_set_ex_data(rsa, rsa_slot(), signer.get()) != 1)
    return false;
  signer.release();
  return true;
}

bool take_over(EC_KEY* key, std::unique_ptr<SignerPtr>& signer) {
  if (key == nullptr || EC_KEY_set_method(key, ec_method()) != 1 ||
      EC_KEY_set_ex_data(key, ec_slot(), signer.get()) != 1)
    return false;
  signer.release();
  return true;
}

}  // namespace

EvpKeyPtr remote_key(const std::string& public_key, std::shared_ptr<const RemoteSigner> signer) {
  const auto* der = reinterpret_cast<const unsigned char*>(public_key.data());
  const EvpKeyPtr open(d2i_PUBKEY(nullptr, &der, static_cast<long>(public_key.size())));
  EvpKeyPtr key(EVP_PKEY_new());
  if (!open || !key) return nullptr;
  auto owner = std::make_unique<SignerPtr>(std::move(signer));
  bool good = false;
  if (EVP_PKEY_is_a(open.get(), "RSA")) {
    RSA* rsa = EVP_PKEY_get1_RSA(open.get());
    good = take_over(rsa, owner) && EVP_PKEY_set1_RSA(key.get(), rsa) == 1;
    RSA_free(rsa);
  } else if (EVP_PKEY_is_a(open.get(), "EC")) {
    EC_KEY* ec = EVP_PKEY_get1_EC_KEY(open.get());
    good = take_over(ec, owner) && EVP_PKEY_set1_EC_KEY(key.get(), ec) == 1;
    EC_KEY_free(ec);
  }
  ERR_clear_error();
  return good ? std::move(key) : nullptr;
}

}  // namespace sealpost::keys

#pragma GCC diagnostic pop
