// SPDX-License-Identifier: Apache-2.0
//
// The report sender of the running relay: signing keys, HTTPS client, resolver and outbox put together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/config.hpp"
#include "dns/resolver_proxy.hpp"
#include "event/event_loop.hpp"
#include "http/curl_client.hpp"
#include "queue/dispatcher.hpp"
#include "spool/spool.hpp"
#include "tlsrpt/sender.hpp"

namespace sealpost::app {

// The keys of [dkim], in order. Errc::invalid names the file and what would be right.
Expected<std::vector<DkimSigner>> load_dkim_keys(const Config& config);

class Reporting {
 public:
  // Lives on `loop`; all that is passed outlives it.
  Reporting(event::EventLoop& loop, const Config& config, dns::CachingResolver& resolver,
            tlsrpt::StoreAccess& store, std::shared_ptr<const tls::TrustStore> trust, spool::Spool& spool,
            queue::Dispatcher& dispatcher, std::vector<DkimSigner> signers);
  ~Reporting();

  // Checks the published keys once and says what is wrong, then plans and sends for ever.
  event::Task<void> run();
  tlsrpt::Sender& sender() noexcept { return *sender_; }

 private:
  class QueueOutbox;
  event::Task<void> check_published_keys();

  event::EventLoop& loop_;
  dns::ResolverProxy resolver_;
  http::CurlClient http_;
  std::vector<DkimSigner> signers_;
  bool send_;
  std::unique_ptr<QueueOutbox> outbox_;
  std::unique_ptr<tlsrpt::Sender> sender_;
};

}  // namespace sealpost::app
