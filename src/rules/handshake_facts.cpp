// SPDX-License-Identifier: Apache-2.0
#include "sealpost/handshake_facts.hpp"

namespace sealpost {

std::string_view name_of(TlsVersion version) noexcept {
  switch (version) {
    case TlsVersion::none: return "none";
    case TlsVersion::tls1_0: return "TLSv1";
    case TlsVersion::tls1_1: return "TLSv1.1";
    case TlsVersion::tls1_2: return "TLSv1.2";
    case TlsVersion::tls1_3: return "TLSv1.3";
  }
  return "unknown";
}

// By the registry's name of the suite, which is what is recorded as evidence too. The same list as the profile that an
// enforcing handshake offers (tls/profile.cpp); a test holds the two together.
std::string weakness_of(const HandshakeFacts& facts) {
  const std::string_view suite = facts.cipher;
  if (facts.version < TlsVersion::tls1_2) return std::string(name_of(facts.version));
  if (facts.group.starts_with("ffdhe")) return "finite-field key exchange (" + facts.group + ")";
  if (facts.version >= TlsVersion::tls1_3) {
    const bool known = (suite.starts_with("TLS_AES_") && !suite.ends_with("_CCM_8_SHA256")) ||
                       suite == "TLS_CHACHA20_POLY1305_SHA256";
    return known ? std::string() : "cipher suite '" + facts.cipher + "'";
  }
  std::string_view rest = suite;
  const bool ephemeral = rest.starts_with("TLS_ECDHE_RSA_WITH_") || rest.starts_with("TLS_ECDHE_ECDSA_WITH_");
  if (suite.starts_with("TLS_RSA_WITH_")) return "static RSA key exchange (" + facts.cipher + ")";
  if (suite.starts_with("TLS_DHE_")) return "finite-field key exchange (" + facts.cipher + ")";
  if (ephemeral) rest.remove_prefix(rest.find("_WITH_") + 6);
  const bool cipher =
      (rest.starts_with("AES_") && !rest.ends_with("_CCM_8")) || rest == "CHACHA20_POLY1305_SHA256";
  if (!ephemeral || !cipher) return "cipher suite '" + facts.cipher + "'";
  if (facts.legacy_renegotiation) return "no secure renegotiation (RFC 5746)";
  return {};
}

}  // namespace sealpost
