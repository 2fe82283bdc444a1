// SPDX-License-Identifier: Apache-2.0
#include "tls/profile.hpp"

#include <openssl/err.h>

namespace sealpost::tls {

namespace {

// TLS 1.2 suites; 1.3 has only good ones. RFC 9325 §4.1 and §4.2: no NULL, export, RC4, nothing under 112
// bits. RFC 10015 deprecates static RSA and finite-field key exchange; refusing them to a host that gets
// clear text otherwise would protect nobody (RFC 7435 §3), so they come last at the opportunistic level and
// only there.
constexpr const char* strong_suites =
    "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!AESCCM8:!aNULL:!eNULL:!PSK:!SRP:!aDSS:@SECLEVEL=2";
constexpr const char* submission_suites =
    "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!eNULL:!PSK:!SRP:!aDSS:@SECLEVEL=2";
constexpr const char* opportunistic_suites =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:kRSA+AESGCM:kRSA+AES:"
    "!AESCCM8:!aNULL:!eNULL:!PSK:!SRP:!aDSS:@SECLEVEL=1";

// Where the library knows ML-KEM (3.5), it is preferred, but the first flight carries the X25519 share alone:
// a ClientHello of more than one segment hangs some servers.
constexpr const char* post_quantum_groups = "X25519MLKEM768:*X25519:P-256:P-384:P-521";

const char* suites_of(Strength strength) noexcept {
  switch (strength) {
    case Strength::opportunistic: return opportunistic_suites;
    case Strength::strong: return strong_suites;
    case Strength::submission: return submission_suites;
  }
  return strong_suites;
}

bool set_groups(SSL_CTX& context) noexcept {
  if (SSL_CTX_set1_groups_list(&context, post_quantum_groups) == 1) return true;
  ERR_clear_error();
  return SSL_CTX_set1_groups_list(&context, classical_groups) == 1;
}

}  // namespace

bool apply_profile(SSL_CTX& context, Strength strength) noexcept {
  std::uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;  // RFC 9325 §3.3, §3.5
  // Many mail hosts close without close_notify after QUIT. An SMTP dialogue marks its own end, so this is an
  // end of stream like another, and no reason to distrust the session's ticket.
  options |= SSL_OP_IGNORE_UNEXPECTED_EOF;
  // A server without RFC 5746 is old, not renegotiating with us: still better than clear text.
  if (strength == Strength::opportunistic) options |= SSL_OP_LEGACY_SERVER_CONNECT;
  SSL_CTX_set_options(&context, options);
  // Read ahead: one system call per record instead of two. Released buffers: 16 KiB less per idle connection.
  SSL_CTX_set_read_ahead(&context, 1);
  SSL_CTX_set_mode(&context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  return SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(&context, suites_of(strength)) == 1 && set_groups(context);
}

}  // namespace sealpost::tls
