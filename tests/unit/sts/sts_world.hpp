// SPDX-License-Identifier: Apache-2.0
//
// A world for tests of the MTA-STS service: virtual time, a scripted zone and policy host, a disk that outlives the
// relay.
#pragma once

#include <doctest.h>

#include <map>

#include "../dns/table_resolver.hpp"
#include "dns/caching_resolver.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "scratch_directory.hpp"
#include "sts/cached_service.hpp"

namespace sealpost::sts::test {

using namespace std::chrono_literals;
using Kind = StsState::Kind;

inline std::string policy_text(const char* mode, int max_age, const std::string& mx = "mx.b.test") {
  return std::string("version: STSv1\nmode: ") + mode + "\nmx: " + mx +
         "\nmax_age: " + std::to_string(max_age) + "\n";
}
constexpr int week = 604800;

// Serves what the test says, after `delay`; counts what it is asked for.
class ScriptedFetcher final : public PolicyFetcher {
 public:
  explicit ScriptedFetcher(event::Loop& loop) noexcept : loop_(loop) {}
  event::Task<Expected<std::string, FetchFailure>> fetch(std::string domain) override {
    ++asked[domain];
    ++at_once;
    most_at_once = std::max(most_at_once, at_once);
    if (delay > Duration::zero()) co_await event::sleep_for(loop_, delay);
    --at_once;
    if (starved) {
      FetchFailure failure("sts-policy-fetch-error", "out-of-descriptors", "no descriptor");
      failure.ours = true;
      co_return failure;
    }
    const auto found = texts.find(domain);
    if (found == texts.end())
      co_return FetchFailure("sts-policy-fetch-error", "http-status-404", "not there");
    co_return found->second;
  }
  std::map<std::string, std::string> texts;
  std::map<std::string, int> asked;
  Duration delay{};
  bool starved = false;  // the relay has no descriptor for it
  int at_once = 0, most_at_once = 0;

 private:
  event::Loop& loop_;
};

// One relay: the disk outlives it, everything else is lost at restart().
struct World {
  sealpost::test::ScratchDirectory directory;
  event::SimLoop loop;
  dns::test::TableResolver table{loop};
  ScriptedFetcher fetcher{loop};
  event::InlinePool pool;
  StsSettings settings;
  Health health;
  std::unique_ptr<dns::CachingResolver> resolver;
  std::unique_ptr<StsCache> cache;
  std::unique_ptr<CachedStsService> service;

  World() { restart(); }
  void restart() {
    service.reset();
    cache.reset();
    resolver = std::make_unique<dns::CachingResolver>(loop, table);
    cache = StsCache::open(directory.path(), &health, 0ms).value();
    service = std::make_unique<CachedStsService>(loop, *resolver, fetcher, *cache, pool, settings, &health);
  }
  void publish(const std::string& id, const std::string& text, const std::string& domain = "b.test") {
    record(id, domain);
    fetcher.texts[domain] = text;
  }
  void record(const std::string& id, const std::string& domain = "b.test") {
    table.text("_mta-sts." + domain, {"v=STSv1; id=" + id + ";"});
  }
  void no_record(const std::string& domain = "b.test") {
    table.remove("_mta-sts." + domain, dns::RrType::txt);
  }
  void record_fails(const std::string& domain = "b.test") {
    table.put("_mta-sts." + domain, dns::RrType::txt, dns::Status::failed);
  }
  void no_policy_host(const std::string& domain = "b.test") { fetcher.texts.erase(domain); }

  StsState ask(const std::string& domain = "b.test") {
    return event::run_until_done(loop, service->state_for(loop, domain, 10s));
  }
  // As mail that comes now and then does: asks, and lets what was begun by it end.
  StsState ask_and_settle(const std::string& domain = "b.test") {
    const StsState state = ask(domain);
    loop.advance(1s);
    return state;
  }
  StsState recheck() { return event::run_until_done(loop, service->recheck(loop, "b.test")); }
  bool enforced(const std::string& domain = "b.test") {
    const StsState state = ask(domain);
    return state.kind == Kind::policy && state.policy->mode == StsMode::enforce;
  }
  int fetches(const std::string& domain = "b.test") { return fetcher.asked[domain]; }
  StsService::Entry entry() {
    auto list = event::run_until_done(loop, service->entries(loop, "b.test"));
    REQUIRE(list.size() == 1);
    return list.front();
  }
};

}  // namespace sealpost::sts::test
