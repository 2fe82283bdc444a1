// SPDX-License-Identifier: Apache-2.0
#include "app/sts_runtime.hpp"

#include "sts/cache.hpp"
#include "sts/cached_service.hpp"
#include "sts/fetch.hpp"
#include "sts/off.hpp"

namespace sealpost::app {
namespace {

sts::FetchSettings fetch_settings(const Config& config) {
  sts::FetchSettings settings;
  settings.allow_destinations = config.delivery.routing.allow_destinations;
  settings.limit = config.policy_fetch_limit;
  return settings;
}

// Owns what the service works with; destroyed in the order that its parts need.
class StsRuntime final : public sts::StsService {
 public:
  StsRuntime(event::EventLoop& loop, const Config& config, dns::CachingResolver& resolver,
             event::BlockingPool& pool, http::CurlClient::Trust trust, std::unique_ptr<sts::StsCache> cache,
             Health& health)
      : cache_(std::move(cache)),
        client_(loop, std::move(trust)),
        fetcher_(loop, resolver, client_, fetch_settings(config)),
        service_(loop, resolver, fetcher_, *cache_, pool, sts::StsSettings(), &health) {
    service_.start();
  }

  event::Task<StsState> state_for(event::Loop& home, std::string domain, Duration hold) override {
    return service_.state_for(home, std::move(domain), hold);
  }
  event::Task<StsState> recheck(event::Loop& home, std::string domain) override {
    return service_.recheck(home, std::move(domain));
  }
  event::Task<StsState> refresh(event::Loop& home, std::string domain) override {
    return service_.refresh(home, std::move(domain));
  }
  event::Task<std::vector<Entry>> entries(event::Loop& home, std::string filter) override {
    return service_.entries(home, std::move(filter));
  }
  std::uint64_t version() const noexcept override { return service_.version(); }
  const Counters* counters() const noexcept override { return service_.counters(); }
  void on_change(std::function<void(const std::string&)> changed) override {
    service_.on_change(std::move(changed));
  }

 private:
  std::unique_ptr<sts::StsCache> cache_;
  http::CurlClient client_;
  sts::HttpsPolicyFetcher fetcher_;
  sts::CachedStsService service_;
};

}  // namespace

Expected<std::unique_ptr<sts::StsService>> make_sts_service(event::EventLoop& loop, const Config& config,
                                                            dns::CachingResolver& resolver,
                                                            event::BlockingPool& pool,
                                                            http::CurlClient::Trust trust, Health& health) {
  if (!config.delivery.mta_sts) return std::unique_ptr<sts::StsService>(std::make_unique<sts::StsOff>());
  auto cache = sts::StsCache::open(config.data_dir, &health);
  if (!cache) return cache.error();
  return std::unique_ptr<sts::StsService>(std::make_unique<StsRuntime>(
      loop, config, resolver, pool, std::move(trust), std::move(*cache), health));
}

}  // namespace sealpost::app
