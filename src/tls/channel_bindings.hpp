// SPDX-License-Identifier: Apache-2.0
//
// What a SASL mechanism can tie itself to, so that its messages are worth nothing on another connection (RFC 5056).
#pragma once

#include <string>

struct ssl_st;      // OpenSSL's SSL
struct ssl_ctx_st;  // and SSL_CTX

namespace sealpost::tls {

struct ChannelBindings {
  ChannelBindings() = default;
  // tls-exporter, 32 octets (RFC 9266). Empty: TLS 1.2 without the extended master secret, where it would not be unique.
  std::string exporter;
  // tls-server-end-point: the hash of the server's certificate (RFC 5929 §4). Empty: its signature names no hash (Ed25519), for
  // which the RFC says nothing.
  std::string server_end_point;
};

// Of an established connection, on which we are the server, or the client: then the certificate is the peer's. A server that has
// several certificates shows none when a session is resumed, and the client remembers which it was: so does the ticket, if
// keep_end_point_in_tickets() was called for the context that handshakes begin with.
ChannelBindings channel_bindings(ssl_st& ssl);
void keep_end_point_in_tickets(ssl_ctx_st& context);
ChannelBindings client_channel_bindings(ssl_st& ssl);

}  // namespace sealpost::tls
