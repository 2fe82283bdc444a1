// SPDX-License-Identifier: Apache-2.0
#include "base/wipe.hpp"

#include <openssl/crypto.h>

namespace sealpost {

void wipe(std::string& octets) noexcept {
  octets.resize(octets.capacity());  // its own room: nothing is allocated
  OPENSSL_cleanse(octets.data(), octets.size());
  octets.clear();
}

void wipe(std::span<char> octets) noexcept { OPENSSL_cleanse(octets.data(), octets.size()); }

}  // namespace sealpost
