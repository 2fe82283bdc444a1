// SPDX-License-Identifier: Apache-2.0
#include "base/digest.hpp"

#include <openssl/evp.h>

#include <stdexcept>

#include "base/openssl_handles.hpp"
#include "base/text.hpp"

namespace sealpost {
namespace {

[[noreturn]] void unavailable() { throw std::runtime_error("OpenSSL cannot compute SHA-256 on this host"); }

// Fetched once: a lookup by name at every call costs more than the digest of a short text.
const EVP_MD* algorithm() {
  static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return fetched != nullptr ? fetched : EVP_sha256();
}

EVP_MD_CTX* context() {
  thread_local const EvpDigestContextPtr mine(EVP_MD_CTX_new());
  if (!mine) unavailable();
  return mine.get();
}

}  // namespace

Sha256 sha256(std::string_view bytes) {
  Sha256 out;
  unsigned length = 0;
  EVP_MD_CTX* digest = context();
  if (EVP_DigestInit_ex2(digest, algorithm(), nullptr) != 1 ||
      EVP_DigestUpdate(digest, bytes.data(), bytes.size()) != 1 ||
      EVP_DigestFinal_ex(digest, out.data(), &length) != 1 || length != out.size())
    unavailable();
  return out;
}

std::string sha256_hex(std::string_view bytes) { return text::hex(sha256(bytes)); }

}  // namespace sealpost
