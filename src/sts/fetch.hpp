// SPDX-License-Identifier: Apache-2.0
//
// Fetching an MTA-STS policy file (RFC 8461 §3.2, §3.3): which host, which addresses, what counts as an answer. The
// HTTPS itself is src/http, when to fetch is service.hpp.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "dns/resolver.hpp"
#include "event/semaphore.hpp"
#include "http/client.hpp"
#include "sts/policy_fetcher.hpp"

namespace sealpost::sts {

struct FetchSettings {
  FetchSettings() = default;
  std::vector<Network> allow_destinations;  // beyond global unicast (T-20)
  std::uint16_t port = 443;                 // nothing else outside tests (T-14)
  Duration limit = std::chrono::seconds(60);
  std::size_t at_once = 32;
  std::size_t per_address = 4;  // of these; one address may serve the policies of thousands of domains (T-19)
};

class HttpsPolicyFetcher final : public PolicyFetcher {
 public:
  // All on one loop; resolver and client must outlive this, this its tasks.
  HttpsPolicyFetcher(event::Loop& loop, dns::Resolver& resolver, http::Client& client,
                     FetchSettings settings);
  event::Task<Expected<std::string, FetchFailure>> fetch(std::string policy_domain) override;

 private:
  using Addresses = Expected<std::vector<IpAddress>, FetchFailure>;
  event::Task<Addresses> addresses_of(std::string host);
  std::shared_ptr<event::Semaphore> queue_for(const IpAddress& address);

  event::Loop& loop_;
  dns::Resolver& resolver_;
  http::Client& client_;
  FetchSettings settings_;
  event::Semaphore slots_;
  std::map<IpAddress, std::weak_ptr<event::Semaphore>> queues_;
};

// S20, S21: only 200 is success, and only text/plain, whatever its parameters.
Expected<std::string, FetchFailure> judge_response(http::Response response);
FetchFailure failure_from(const http::Failure& failure);

}  // namespace sealpost::sts
