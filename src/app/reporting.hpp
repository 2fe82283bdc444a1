// SPDX-License-Identifier: Apache-2.0
//
// The report sender of the running relay: signing keys, HTTPS client, resolver and outbox put together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/dkim_setup.hpp"
#include "app/own_mail.hpp"
#include "base/health.hpp"
#include "config/config.hpp"
#include "dns/resolver_proxy.hpp"
#include "event/event_loop.hpp"
#include "http/curl_client.hpp"
#include "queue/dispatcher.hpp"
#include "spool/spool.hpp"
#include "tlsrpt/sending/sender.hpp"

namespace sealpost::app {

class Reporting {
 public:
  // Lives on `loop`; all that is passed outlives it.
  Reporting(event::EventLoop& loop, const Config& config, dns::CachingResolver& resolver,
            tlsrpt::StoreAccess& store, http::CurlClient::Trust trust, spool::Spool& spool,
            queue::Dispatcher& dispatcher, const DkimSetup& dkim, Health& health);

  // Plans and sends for ever.
  event::Task<void> run();
  // From now on, at start and after a reload; looks in the background whether they are published and says what is wrong.
  void use_keys(const Config& config, const DkimSetup& dkim);
  tlsrpt::Sender& sender() noexcept { return *sender_; }

 private:
  event::Task<void> check(DkimSetup dkim);

  dns::ResolverProxy resolver_;
  http::CurlClient http_;
  OwnMail outbox_;
  std::unique_ptr<tlsrpt::Sender> sender_;
  event::TaskScope checks_;
};

}  // namespace sealpost::app
