// SPDX-License-Identifier: Apache-2.0
//
// What both sides of our TLS have in common: protocol versions, cipher suites, groups and modes of BCP 195
// (RFC 8996, 9325, 10015), at three strengths.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>

namespace sealpost::tls {

enum class Strength : std::uint8_t {
  opportunistic,  // whatever beats clear text: also static RSA and finite-field key exchange, smaller keys
  strong,         // somebody relies on it: ephemeral elliptic curves, 112 bits and more
  submission,     // people's own programs, and their passwords: of these only AEAD suites (RFC 8314 §4.1)
};

// Without anything post-quantum: for a second try with peers that choke on a large ClientHello.
inline constexpr const char* classical_groups = "X25519:P-256:P-384:P-521";

// False with OpenSSL's error queue filled.
bool apply_profile(SSL_CTX& context, Strength strength) noexcept;

}  // namespace sealpost::tls
