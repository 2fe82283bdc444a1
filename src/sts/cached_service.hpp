// SPDX-License-Identifier: Apache-2.0
//
// StsService over a resolver, a fetcher and the cache on disk. One run (record, then fetch if it is due) per domain at a
// time, however many ask; whoever asks for a cached policy gets it at once and the run goes on behind. Lives on the
// resolver loop. The rules are cited in cached_service.cpp and domain.cpp.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "dns/resolver.hpp"
#include "event/blocking_pool.hpp"
#include "event/semaphore.hpp"
#include "event/wait.hpp"
#include "sts/cache.hpp"
#include "sts/domain.hpp"
#include "sts/outstanding.hpp"
#include "sts/policy_fetcher.hpp"
#include "sts/service.hpp"
#include "sts/states.hpp"

namespace sealpost::sts {

class CachedStsService final : public StsService {
 public:
  // All must outlive this, and this its callers; its destructor waits for what it began on the pool. `loop` is where
  // resolver and fetcher live.
  CachedStsService(event::Loop& loop, dns::Resolver& resolver, PolicyFetcher& fetcher, StsCache& cache,
                   event::BlockingPool& pool, const StsSettings& settings = {}, Health* health = nullptr);
  ~CachedStsService() override;

  // Begins refreshing ahead of time; any thread.
  void start();

  event::Task<StsState> state_for(event::Loop& home, std::string policy_domain, Duration hold) override;
  event::Task<StsState> recheck(event::Loop& home, std::string policy_domain) override;
  event::Task<StsState> refresh(event::Loop& home, std::string policy_domain) override;
  event::Task<std::vector<Entry>> entries(event::Loop& home, std::string domain_filter) override;
  std::uint64_t version() const noexcept override { return version_.load(std::memory_order_acquire); }
  void on_change(std::function<void(const std::string&)> changed) override {
    on_change_ = std::move(changed);
  }

  const Counters* counters() const noexcept override { return &counters_; }

 private:
  using DomainPtr = std::shared_ptr<StsDomain>;
  struct Slot {
    DomainPtr domain;
    std::list<std::string>::iterator place;  // in by_use_
  };

  SystemTime earliest() const noexcept {
    return loop_.believed().earliest;
  }  // in doubt a policy holds (T-50)
  event::Task<StsState> state_here(std::string domain, Duration hold);
  event::Task<StsState> run_here(std::string domain, StsReason reason);
  event::Task<std::vector<Entry>> entries_here(std::string filter);

  event::Task<DomainPtr> domain_of(std::string name);
  DomainPtr slot_for(const std::string& name);
  void make_room();
  event::Task<void> load(DomainPtr domain);

  std::shared_ptr<StsRun> begin(const DomainPtr& domain, StsReason reason);
  event::Task<void> run(DomainPtr domain, std::shared_ptr<StsRun> run);
  event::Task<void> look_at_record(DomainPtr domain, StsReason reason);
  event::Task<void> fetch(DomainPtr domain);
  event::Task<void> adopt(DomainPtr domain, std::string id, std::string body, MtaStsPolicy policy);
  event::Task<void> fail(DomainPtr domain, std::string id, FetchFailure failure);
  event::Task<void> drop(DomainPtr domain);
  event::Task<void> note(StsEntry entry);
  event::Task<Expected<void>> finished(std::shared_ptr<StsRun> run);
  StsState state_now(StsDomain& domain);
  void touch(StsDomain& domain);
  void publish(const StsDomain& domain);
  void doubt(const StsDomain& domain);
  void announce(StsDomain& domain);

  event::Task<void> judge_cache(bool complete);
  void unsure();
  void sure();

  event::Task<void> refresh_forever();
  event::Task<bool> refresh_due(StsEntry entry);
  event::Task<void> refresh_one(DomainPtr domain, std::shared_ptr<StsRun> run,
                                event::Semaphore::Permit permit);

  event::Loop& loop_;
  dns::Resolver& resolver_;
  PolicyFetcher& fetcher_;
  StsCache& cache_;
  Outstanding in_cache_;  // pool threads at work in cache_
  event::BlockingPool& pool_;
  const StsSettings settings_;
  Health* health_;
  std::optional<SteadyTime> unsure_since_;  // when it was found that the cache may lack policies
  StsStates states_;
  Counters counters_;
  std::atomic<std::uint64_t> version_{1};
  std::function<void(const std::string&)> on_change_;
  std::unordered_map<std::string, Slot> domains_;
  std::list<std::string> by_use_;  // the most recently used first
  std::size_t running_ = 0;
  event::Semaphore refresh_slots_;
  event::TaskScope scope_;
};

}  // namespace sealpost::sts
