// SPDX-License-Identifier: Apache-2.0
//
// The server of tls_server.hpp on OpenSSL. One per thread and strength: relaying takes what beats clear text,
// submission wants better (RFC 8314 §4.1).
#pragma once

#include <cstdint>
#include <memory>

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

 private:
  struct Contexts;
  static Expected<std::shared_ptr<const Contexts>> make_contexts(
      std::shared_ptr<const ServerCertificates> certificates, const ServerOptions& options);
  static int choose_certificate(SSL* ssl, int* alert, void* contexts) noexcept;
  OpensslServer(std::shared_ptr<const Contexts> contexts, ServerOptions options);

  std::shared_ptr<const Contexts> contexts_;  // of handshakes that begin; each keeps its own
  ServerOptions options_;
};

}  // namespace sealpost::tls
