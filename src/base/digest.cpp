// SPDX-License-Identifier: Apache-2.0
#include "base/digest.hpp"

#include <openssl/evp.h>

#include <stdexcept>

#include "base/text.hpp"

namespace sealpost {

Sha256 sha256(std::string_view bytes) {
  Sha256 out;
  unsigned length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), out.data(), &length, EVP_sha256(), nullptr) != 1 ||
      length != out.size())
    throw std::runtime_error("OpenSSL cannot compute SHA-256 on this host");
  return out;
}

std::string sha256_hex(std::string_view bytes) { return text::hex(sha256(bytes)); }

}  // namespace sealpost
