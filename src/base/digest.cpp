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

struct Sha256Stream::Impl {
  EvpDigestContextPtr context{EVP_MD_CTX_new()};
};

Sha256Stream::Sha256Stream() : impl_(std::make_unique<Impl>()) {
  if (!impl_->context || EVP_DigestInit_ex2(impl_->context.get(), algorithm(), nullptr) != 1) unavailable();
}
Sha256Stream::~Sha256Stream() = default;

void Sha256Stream::add(std::string_view bytes) {
  if (EVP_DigestUpdate(impl_->context.get(), bytes.data(), bytes.size()) != 1) unavailable();
}

std::string Sha256Stream::finish_hex() {
  Sha256 out;
  unsigned length = 0;
  if (EVP_DigestFinal_ex(impl_->context.get(), out.data(), &length) != 1 || length != out.size())
    unavailable();
  return text::hex(out);
}

std::string sha256_octets(std::string_view bytes) {
  const Sha256 digest = sha256(bytes);
  return {digest.begin(), digest.end()};
}

std::string sha256_hex(std::string_view bytes) { return text::hex(sha256(bytes)); }

}  // namespace sealpost
