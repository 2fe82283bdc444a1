// SPDX-License-Identifier: Apache-2.0
#include "tls/channel_bindings.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <string_view>

namespace sealpost::tls {
namespace {

constexpr std::string_view exporter_label = "EXPORTER-Channel-Binding";
constexpr std::size_t exporter_octets = 32;

std::string exporter_of(SSL& ssl) {
  if (SSL_version(&ssl) < TLS1_3_VERSION && SSL_get_extms_support(&ssl) != 1) return {};
  std::array<unsigned char, exporter_octets> out{};
  // In TLS 1.2 an empty context, of which RFC 9266 §4.2 speaks, is another thing than none; GnuTLS, Go and the servers
  // that have it give none. In TLS 1.3 there is no difference.
  if (SSL_export_keying_material(&ssl, out.data(), out.size(), exporter_label.data(), exporter_label.size(),
                                 nullptr, 0, 0) != 1) {
    ERR_clear_error();
    return {};
  }
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

// The hash of the certificate's own signature, but for MD5 and SHA-1, in whose place SHA-256 stands.
std::string end_point_of(X509* certificate) {
  int digest = NID_undef;
  if (!certificate || X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr) != 1) {
    ERR_clear_error();
    return {};
  }
  if (digest == NID_md5 || digest == NID_sha1) digest = NID_sha256;
  const EVP_MD* hash = digest == NID_undef ? nullptr : EVP_get_digestbynid(digest);
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  if (!hash || X509_digest(certificate, hash, out.data(), &size) != 1) {
    ERR_clear_error();
    return {};
  }
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::string end_point_in_ticket(SSL& ssl) {
  void* data = nullptr;
  std::size_t size = 0;
  SSL_SESSION* session = SSL_get_session(&ssl);
  if (session == nullptr || SSL_SESSION_get0_ticket_appdata(session, &data, &size) != 1) return {};
  return {static_cast<const char*>(data), size};
}

// Before a ticket is sealed. Of a session that was resumed it holds the value already.
int put_end_point(SSL* ssl, void*) noexcept {
  if (SSL_session_reused(ssl) == 1) return 1;
  const std::string end_point = end_point_of(SSL_get_certificate(ssl));
  return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), end_point.data(), end_point.size());
}

}  // namespace

void keep_end_point_in_tickets(ssl_ctx_st& context) {
  SSL_CTX_set_session_ticket_cb(&context, put_end_point, nullptr, nullptr);
}

ChannelBindings channel_bindings(ssl_st& ssl) {
  ChannelBindings bindings;
  bindings.exporter = exporter_of(ssl);
  bindings.server_end_point =
      SSL_session_reused(&ssl) == 1 ? end_point_in_ticket(ssl) : end_point_of(SSL_get_certificate(&ssl));
  return bindings;
}

ChannelBindings client_channel_bindings(ssl_st& ssl) {
  ChannelBindings bindings;
  bindings.exporter = exporter_of(ssl);
  bindings.server_end_point = end_point_of(SSL_get0_peer_certificate(&ssl));
  return bindings;
}

}  // namespace sealpost::tls
