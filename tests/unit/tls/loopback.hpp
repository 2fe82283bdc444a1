// SPDX-License-Identifier: Apache-2.0
//
// Two ends of one TCP connection on loopback, both on the test's loop, and a TLS peer that allows itself
// anything.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/openssl_handles.hpp"
#include "certificates.hpp"
#include "event/event_loop.hpp"
#include "event/run.hpp"
#include "event/stream.hpp"
#include "tls/secured.hpp"

namespace sealpost::test {

inline constexpr Duration patience = std::chrono::seconds(5);  // with a peer on loopback

struct Ends {
  std::unique_ptr<event::Stream> client;
  std::unique_ptr<event::Stream> server;
};
Ends loopback(event::EventLoop& loop);

struct PeerOptions {
  PeerOptions() = default;
  int oldest = TLS1_2_VERSION;
  int newest = TLS1_3_VERSION;
  std::string ciphers = "ALL:@SECLEVEL=0";
  std::string groups;
};
// A server as lax as OpenSSL can be; `chain` follows the leaf.
SslContextPtr lax_server(const Issued& leaf, const std::vector<const Issued*>& chain,
                         const PeerOptions& options = {});
SslContextPtr lax_client(const PeerOptions& options = {});
// The handshake of a session that is ready for it.
event::Task<Expected<tls::Secured>> session_shakes(std::unique_ptr<event::Stream> plain, SslPtr ssl,
                                                   Duration limit = patience);
// The peer's side of a handshake, in the role its context has. `alpn` in wire format, `name` for SNI, for
// clients.
event::Task<Expected<tls::Secured>> peer_shakes(std::unique_ptr<event::Stream> plain, SSL_CTX& context,
                                                Duration limit = std::chrono::seconds(5),
                                                std::string name = {}, std::string alpn = {});

// Runs both until both are done.
std::pair<Expected<tls::Secured>, Expected<tls::Secured>> run_both(
    event::Loop& loop, event::Task<Expected<tls::Secured>> client,
    event::Task<Expected<tls::Secured>> server);

// Sends `text` whole, then reads `count` octets.
event::Task<Expected<void>> send_text(event::Stream& stream, std::string text);
event::Task<Expected<std::string>> read_text(event::Stream& stream, std::size_t count);

}  // namespace sealpost::test
