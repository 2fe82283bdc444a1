// SPDX-License-Identifier: Apache-2.0
//
// The own domains of the running relay: what the configuration says of them, and the resolver and HTTPS client that look at
// what they publish. Its cache of policies has no part in it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admin/domain_command.hpp"
#include "app/in_force.hpp"
#include "dns/resolver_proxy.hpp"
#include "event/event_loop.hpp"
#include "http/curl_client.hpp"
#include "publishing/own_domain.hpp"
#include "sts/fetch.hpp"
#include "tls/trust_store.hpp"

namespace sealpost::app {

// Domains whose keys sign ([dkim]), and that of tls_rpt.contact. In this order, each once, at most ten.
std::vector<std::string> own_domains(const Config& config);

class OwnDomains {
 public:
  // Lives on `loop`; the resolver outlives it.
  OwnDomains(event::EventLoop& loop, std::function<InForcePtr()> in_force, dns::CachingResolver& resolver,
             http::CurlClient::Trust trust);
  admin::DomainAccess access();

 private:
  publishing::OwnDomain known_of(const std::string& domain, std::vector<IpAddress> senders) const;

  event::EventLoop& loop_;
  std::function<InForcePtr()> in_force_;
  dns::ResolverProxy resolver_;
  http::CurlClient http_;
  sts::HttpsPolicyFetcher fetcher_;
};

}  // namespace sealpost::app
