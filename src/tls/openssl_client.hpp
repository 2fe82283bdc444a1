// SPDX-License-Identifier: Apache-2.0
//
// The client of tls_client.hpp on OpenSSL. One per thread; its sessions are resumed by itself alone, and only under the
// roots they were made under.
#pragma once

#include <cstddef>
#include <memory>

#include "tls/session_cache.hpp"
#include "tls/tls_client.hpp"
#include "tls/tls_stream.hpp"
#include "tls/trust_store.hpp"

namespace sealpost::tls {

class OpensslClient final : public Client {
 public:
  static constexpr std::size_t default_sessions = 1024;  // some 8 KiB each
  static Expected<std::unique_ptr<OpensslClient>> create(std::shared_ptr<const TrustStore> trust,
                                                         std::size_t sessions = default_sessions);

  event::Task<Expected<Secured>> handshake(std::unique_ptr<event::Stream> plain, ClientOptions options,
                                           Duration limit) override;

  std::size_t sessions() const noexcept { return sessions_->size(); }

 private:
  OpensslClient(std::shared_ptr<const TrustStore> trust, SslContextPtr opportunistic, SslContextPtr strong,
                std::size_t sessions);
  const TrustStore& roots(const ClientOptions& options) const noexcept {
    return options.trust ? *options.trust : *trust_;
  }
  Expected<SslPtr> prepare(const ClientOptions& options, const SessionCache::Entry* offered) const;
  std::shared_ptr<const CertificateFacts> examine(SSL& ssl, const ClientOptions& options,
                                                  SystemTime now) const;

  std::shared_ptr<const TrustStore> trust_;
  SslContextPtr opportunistic_;
  SslContextPtr strong_;
  std::shared_ptr<SessionCache> sessions_;
};

}  // namespace sealpost::tls
