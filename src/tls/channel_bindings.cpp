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

}  // namespace

ChannelBindings channel_bindings(ssl_st& ssl) {
  ChannelBindings bindings;
  bindings.exporter = exporter_of(ssl);
  bindings.server_end_point = end_point_of(SSL_get_certificate(&ssl));
  return bindings;
}

ChannelBindings client_channel_bindings(ssl_st& ssl) {
  ChannelBindings bindings;
  bindings.exporter = exporter_of(ssl);
  bindings.server_end_point = end_point_of(SSL_get0_peer_certificate(&ssl));
  return bindings;
}

}  // namespace sealpost::tls
