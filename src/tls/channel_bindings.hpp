// SPDX-License-Identifier: Apache-2.0
//
// What a SASL mechanism can tie itself to, so that its messages are worth nothing on another connection (RFC 5056).
#pragma once

#include <string>

struct ssl_st;  // OpenSSL's SSL

namespace sealpost::tls {

struct ChannelBindings {
  ChannelBindings() = default;
  // tls-exporter, 32 octets (RFC 9266). Empty: TLS 1.2 without the extended master secret, where it would not be unique.
  std::string exporter;
  // tls-server-end-point: the hash of the server's certificate (RFC 5929 §4). Empty: its signature names no hash (Ed25519), for
  // which the RFC says nothing.
  std::string server_end_point;
};

// Of an established connection, on which we are the server, or the client: then the certificate is the peer's.
ChannelBindings channel_bindings(ssl_st& ssl);
ChannelBindings client_channel_bindings(ssl_st& ssl);

}  // namespace sealpost::tls
