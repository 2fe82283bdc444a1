// SPDX-License-Identifier: Apache-2.0
//
// The server of tls_server.hpp on OpenSSL. One per thread and strength: relaying takes what beats clear text,
// submission wants better (RFC 8314 §4.1).
#pragma once

#include <cstdint>
#include <memory>

#include "tls/profile.hpp"
#include "tls/server_identity.hpp"
#include "tls/tls_server.hpp"

namespace sealpost::tls {

enum class Service : std::uint8_t { mail, pages };  // whose protocols a client may name (ALPN, T-06)

struct ServerOptions {
  ServerOptions() = default;
  Strength strength = Strength::opportunistic;
  TlsVersion minimum = TlsVersion::tls1_2;
  Service service = Service::mail;
};

class OpensslServer final : public Server {
 public:
  static Expected<std::unique_ptr<OpensslServer>> create(std::shared_ptr<const ServerIdentity> identity,
                                                         ServerOptions options);

  // New handshakes present this; those under way and sessions keep what they began with. On an error nothing
  // has changed (T-52). On the server's own thread.
  Expected<void> replace(std::shared_ptr<const ServerIdentity> identity);

  event::Task<Expected<Secured>> accept(std::unique_ptr<event::Stream> plain, Duration limit) override;

 private:
  OpensslServer(SslContextPtr context, ServerOptions options)
      : context_(std::move(context)), options_(options) {}

  SslContextPtr context_;
  ServerOptions options_;
};

}  // namespace sealpost::tls
