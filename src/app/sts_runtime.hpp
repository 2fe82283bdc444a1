// SPDX-License-Identifier: Apache-2.0
//
// MTA-STS of the running relay: HTTPS client, fetcher, cache and service on the resolver loop.
#pragma once

#include <memory>

#include "base/health.hpp"
#include "config/config.hpp"
#include "dns/caching_resolver.hpp"
#include "event/blocking_pool.hpp"
#include "event/event_loop.hpp"
#include "http/curl_client.hpp"
#include "sts/service.hpp"

namespace sealpost::app {

// What is passed outlives the service. With [mta_sts] enabled = false: a service that knows no policy.
Expected<std::unique_ptr<sts::StsService>> make_sts_service(event::EventLoop& loop, const Config& config,
                                                            dns::CachingResolver& resolver,
                                                            event::BlockingPool& pool,
                                                            http::CurlClient::Trust trust, Health& health);

}  // namespace sealpost::app
