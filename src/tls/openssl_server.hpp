// SPDX-License-Identifier: Apache-2.0
//
// The server of tls_server.hpp on OpenSSL. One per thread and strength: relaying takes what beats clear text,
// submission wants better (RFC 8314 §4.1).
#pragma once

#include <cstdint>
#include <memory>

#include "tls/client_certificate.hpp"
#include "tls/profile.hpp"
#include "tls/server_certificates.hpp"
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
  static Expected<std::unique_ptr<OpensslServer>> create(
      std::shared_ptr<const ServerCertificates> certificates, ServerOptions options);
  ~OpensslServer() override;

  // New handshakes present these; those under way and sessions keep what they began with. On an error nothing
  // has changed (T-52). On the server's own thread.
  Expected<void> replace(std::shared_ptr<const ServerCertificates> certificates);

  // A client that asks for a name gets a certificate that has it; by the kinds of signature it can verify, ECDSA before RSA.
  event::Task<Expected<Secured>> accept(std::unique_ptr<event::Stream> plain, Duration limit) override;
  // The same, and the client is asked for a certificate; null: it is not.
  event::Task<Expected<Secured>> accept(std::unique_ptr<event::Stream> plain, Duration limit,
                                        std::shared_ptr<const ClientAuthorities> authorities);

 private:
  struct Contexts;
  static Expected<std::shared_ptr<const Contexts>> make_contexts(
      std::shared_ptr<const ServerCertificates> certificates, const ServerOptions& options);
  static int choose_certificate(SSL* ssl, int* alert, void* contexts) noexcept;
  OpensslServer(std::shared_ptr<const Contexts> contexts, ServerOptions options);

  std::shared_ptr<const Contexts> contexts_;  // of handshakes that begin; each keeps its own
  ServerOptions options_;
};

// The server of a listener that asks its clients for certificates, on the server of its thread.
class AskingServer final : public Server {
 public:
  AskingServer(std::shared_ptr<OpensslServer> server, std::shared_ptr<const ClientAuthorities> authorities)
      : server_(std::move(server)), authorities_(std::move(authorities)) {}
  event::Task<Expected<Secured>> accept(std::unique_ptr<event::Stream> plain, Duration limit) override {
    return server_->accept(std::move(plain), limit, authorities_);
  }

 private:
  std::shared_ptr<OpensslServer> server_;
  std::shared_ptr<const ClientAuthorities> authorities_;
};

}  // namespace sealpost::tls
