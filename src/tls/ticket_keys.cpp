// SPDX-License-Identifier: Apache-2.0
#include "tls/ticket_keys.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <new>

namespace sealpost::tls {
namespace {

constexpr int refused = -1, unknown = 0, good = 1, good_but_replace = 2;  // as OpenSSL wants to hear them

int index_in_contexts() noexcept {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

bool key_mac(EVP_MAC_CTX& mac, std::array<unsigned char, 32>& key) noexcept {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.data(), key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, static_cast<char*>(digest), 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(&mac, static_cast<const OSSL_PARAM*>(parameters)) == 1;
}

template <std::size_t size>
void make_random(std::array<unsigned char, size>& octets) {
  if (RAND_priv_bytes(octets.data(), static_cast<int>(octets.size())) != 1) throw std::bad_alloc();
}

}  // namespace

TicketKeys::TicketKeys() {
  rotate();
  rotate();  // a former one that never sealed anything
}

TicketKeys::~TicketKeys() {
  OPENSSL_cleanse(&current_, sizeof current_);
  OPENSSL_cleanse(&former_, sizeof former_);
}

void TicketKeys::rotate() {
  Secret next;
  make_random(next.name);
  make_random(next.cipher);
  make_random(next.mac);
  {
    const std::lock_guard lock(mutex_);
    former_ = current_;
    current_ = next;
  }
  OPENSSL_cleanse(&next, sizeof next);
}

bool TicketKeys::serve(SSL_CTX& context) {
  return SSL_CTX_set_ex_data(&context, index_in_contexts(), this) == 1 &&
         SSL_CTX_set_tlsext_ticket_key_evp_cb(&context, use) == 1;
}

int TicketKeys::use(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                    EVP_MAC_CTX* mac, int seal) noexcept {
  auto* keys = static_cast<TicketKeys*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), index_in_contexts()));
  if (keys == nullptr) return refused;
  return seal != 0 ? keys->seal(name, iv, *cipher, *mac) : keys->open(name, iv, *cipher, *mac);
}

int TicketKeys::seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX& cipher,
                     EVP_MAC_CTX& mac) noexcept {
  const int octets = EVP_CIPHER_get_iv_length(EVP_aes_256_cbc());
  if (RAND_bytes(iv, octets) != 1) return refused;
  const std::lock_guard lock(mutex_);
  std::copy(current_.name.begin(), current_.name.end(), name);
  const bool ready =
      EVP_EncryptInit_ex2(&cipher, EVP_aes_256_cbc(), current_.cipher.data(), iv, nullptr) == 1 &&
      key_mac(mac, current_.mac);
  return ready ? good : refused;
}

int TicketKeys::open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX& cipher,
                     EVP_MAC_CTX& mac) noexcept {
  const std::lock_guard lock(mutex_);
  const auto is = [name](const Secret& secret) {
    return std::equal(secret.name.begin(), secret.name.end(), name);
  };
  if (!is(current_) && !is(former_)) return unknown;
  Secret& secret = is(current_) ? current_ : former_;
  const bool ready = key_mac(mac, secret.mac) &&
                     EVP_DecryptInit_ex2(&cipher, EVP_aes_256_cbc(), secret.cipher.data(), iv, nullptr) == 1;
  if (!ready) return refused;
  return &secret == &current_ ? good : good_but_replace;
}

}  // namespace sealpost::tls
