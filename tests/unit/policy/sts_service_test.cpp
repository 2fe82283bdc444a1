// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include <map>

#include "../dns/table_resolver.hpp"
#include "dns/caching_resolver.hpp"
#include "event/event_loop.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "policy/cached_sts_service.hpp"
#include "scratch_directory.hpp"

using namespace sealpost;
using namespace sealpost::policy;
using namespace std::chrono_literals;
using Kind = StsState::Kind;

namespace {

std::string policy_text(const char* mode, int max_age, const std::string& mx = "mx.b.test") {
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
    const auto found = texts.find(domain);
    if (found == texts.end())
      co_return FetchFailure("sts-policy-fetch-error", "http-status-404", "not there");
    co_return found->second;
  }
  std::map<std::string, std::string> texts;
  std::map<std::string, int> asked;
  Duration delay{};
  int at_once = 0, most_at_once = 0;

 private:
  event::Loop& loop_;
};

// One relay: the disk outlives it, everything else is lost at restart().
struct World {
  test::ScratchDirectory directory;
  event::SimLoop loop;
  dns::test::TableResolver table{loop};
  ScriptedFetcher fetcher{loop};
  event::InlinePool pool;
  StsSettings settings;
  std::unique_ptr<dns::CachingResolver> resolver;
  std::unique_ptr<StsCache> cache;
  std::unique_ptr<CachedStsService> service;

  World() { restart(); }
  void restart() {
    service.reset();
    cache.reset();
    resolver = std::make_unique<dns::CachingResolver>(loop, table);
    cache = StsCache::open(directory.path(), loop.wall()).value();
    service = std::make_unique<CachedStsService>(loop, *resolver, fetcher, *cache, pool, settings);
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

}  // namespace

TEST_CASE("S26: on first contact the policy is fetched before the mail goes") {
  World world;
  world.publish("1", policy_text("enforce", week));
  world.fetcher.delay = 3s;
  const StsState state = world.ask();
  CHECK(state.kind == Kind::policy);
  CHECK(state.id == "1");
  CHECK(state.policy->mode == StsMode::enforce);
  CHECK(state.policy->mx == std::vector<std::string>{"mx.b.test"});
  CHECK(state.expires == world.loop.wall() + std::chrono::seconds(week));
  CHECK(state.failure_type.empty());
}

TEST_CASE("S26: a slow policy host holds first mail only so long, and later mail not again") {
  World world;
  world.publish("1", policy_text("enforce", week));
  world.fetcher.delay = 30s;
  const SteadyTime before = world.loop.now();
  CHECK(world.ask().kind == Kind::none);
  CHECK(world.loop.now() - before == 10s);
  CHECK(world.ask().kind == Kind::none);
  CHECK(world.loop.now() - before == 10s);
  world.loop.advance(20s);
  CHECK(world.enforced());
  CHECK(world.fetches() == 1);
}

TEST_CASE("a cached policy adds no wait, and while it holds no change of loop") {
  World world;
  world.publish("1", policy_text("enforce", week));
  world.ask();
  world.table.delay(5s);
  world.fetcher.delay = 5s;
  for (int i = 0; i < 50; ++i) {
    const SteadyTime before = world.loop.now();
    CHECK(world.enforced());
    CHECK(world.loop.now() == before);
    world.loop.advance(1min);
  }
  CHECK(world.fetches() == 1);
  CHECK(world.table.count("_mta-sts.b.test", dns::RrType::txt) <= 11);  // every 300 s, its TTL
}

TEST_CASE("no record, a broken record, several: no policy, and no fetch (S4)") {
  World world;
  CHECK(world.ask().kind == Kind::none);
  world.table.text("_mta-sts.two.test", {"v=STSv1; id=1;", "v=STSv1; id=2;"});
  CHECK(world.ask("two.test").kind == Kind::none);
  world.table.text("_mta-sts.broken.test", {"v=STSv1; id=2024-01-01;"});
  CHECK(world.ask("broken.test").kind == Kind::none);
  world.table.text("_mta-sts.other.test", {"unrelated", "v=STSv1; id=9"});
  world.fetcher.texts["other.test"] = policy_text("enforce", week);
  CHECK(world.enforced("other.test"));
  CHECK(world.fetcher.asked.size() == 1);
}

TEST_CASE("S25: literals and what is no host name have no policy; the parent's is never looked at (STS-16)") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.ask("[192.0.2.1]").kind == Kind::none);
  CHECK(world.ask("192.0.2.1").kind == Kind::none);
  CHECK(world.ask("").kind == Kind::none);
  CHECK(world.table.asked.empty());
  CHECK(world.ask("sub.b.test").kind == Kind::none);
  CHECK(world.table.asked == std::vector{std::pair(std::string("_mta-sts.sub.b.test"), dns::RrType::txt)});
  CHECK(world.enforced("B.Test"));
}

TEST_CASE(
    "STS-10, S24: a failed fetch without a cache delivers, with one enforces, with an expired one delivers") {
  World world;
  world.record("1");
  StsState state = world.ask();
  CHECK(state.kind == Kind::fetch_failed);
  CHECK(state.id == "1");
  CHECK(state.failure_type == "sts-policy-fetch-error");
  CHECK(state.failure_reason == "http-status-404");

  world.loop.advance(6min);
  world.publish("1", policy_text("enforce", 3600));
  CHECK(world.enforced());
  world.no_policy_host();
  world.record("2");
  world.loop.advance(10min);
  world.ask_and_settle();
  state = world.ask();
  CHECK(state.kind == Kind::policy);
  CHECK(state.id == "1");
  CHECK(state.failure_reason == "http-status-404");  // S44: reportable while the cached policy rules

  world.loop.advance(1h);
  state = world.ask();
  CHECK(state.kind == Kind::fetch_failed);
  CHECK(state.id == "2");
}

TEST_CASE("an invalid policy text is a failed fetch of its own type; the cached policy stays (T-13, S17)") {
  World world;
  world.publish("1", "version: STSv1\nmode: enforce\nmax_age: 86400\n");
  StsState state = world.ask();
  CHECK(state.kind == Kind::fetch_failed);
  CHECK(state.failure_type == "sts-policy-invalid");
  CHECK_FALSE(state.failure_reason.empty());
  CHECK(state.failure_reason.find(' ') == std::string::npos);
  world.loop.advance(6min);
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.publish("2", "<html>maintenance</html>");
  world.loop.advance(6min);
  world.ask_and_settle();
  state = world.ask();
  CHECK(state.kind == Kind::policy);
  CHECK(state.id == "1");
  CHECK(state.failure_type == "sts-policy-invalid");
}

TEST_CASE("S8: a DNS error is not \"no record\": mail goes on, and the record is asked for again soon") {
  World world;
  world.fetcher.texts["b.test"] = policy_text("enforce", week);
  world.record_fails();
  CHECK(world.ask().kind == Kind::none);
  world.record("1");
  world.loop.advance(31s);
  CHECK(world.enforced());
}

TEST_CASE("S7, T-12: a record that is gone or fails weakens no cached policy") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.no_record();
  world.loop.advance(2h);
  world.ask_and_settle();
  CHECK(world.enforced());
  world.record_fails();
  world.loop.advance(2h);
  world.ask_and_settle();
  CHECK(world.enforced());
  world.table.text("_mta-sts.b.test", {"v=STSv1; id=not!valid"});
  world.loop.advance(2h);
  world.ask_and_settle();
  CHECK(world.enforced());
  CHECK(world.fetches() == 1);
}

TEST_CASE("STS-11, S28: an unchanged id does not extend the policy's life") {
  World world;
  world.publish("1", policy_text("enforce", 3600));
  CHECK(world.enforced());
  const SystemTime expires = world.ask().expires;
  for (int i = 0; i < 59; ++i) {
    world.loop.advance(1min);
    world.ask_and_settle();
  }
  CHECK(world.ask().expires == expires);
  CHECK(world.fetches() == 1);
  world.no_policy_host();
  world.loop.advance(2min);
  CHECK_FALSE(world.enforced());
}

TEST_CASE(
    "STS-11, S29: a new id is fetched; a failing refetch keeps the old policy, a good one replaces it at "
    "once") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.record("2");
  world.no_policy_host();
  world.loop.advance(6min);
  world.ask_and_settle();
  CHECK(world.enforced());
  CHECK(world.ask().id == "1");
  world.fetcher.texts["b.test"] = policy_text("testing", week, "mx2.b.test");
  world.loop.advance(6min);
  world.ask_and_settle();
  const StsState state = world.ask();
  CHECK(state.id == "2");
  CHECK(state.policy->mode == StsMode::testing);
  CHECK(state.failure_type.empty());
}

TEST_CASE("STS-12, S23: five minutes between fetches of one failing id; another id is fetched at once") {
  World world;
  world.record("1");
  for (int i = 0; i < 40; ++i) {
    world.ask_and_settle();
    world.loop.advance(14s);
  }
  CHECK(world.fetches() == 2);  // in ten minutes
  world.record("2");
  world.recheck();
  CHECK(world.fetches() == 3);
  world.recheck();
  CHECK(world.fetches() == 3);
}

TEST_CASE("S31: a fetched `none` ends enforcement at once, and is forgotten once the record is gone") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.publish("2", "version: STSv1\nmode: none\nmax_age: 86400\n");
  world.loop.advance(6min);
  world.ask_and_settle();
  const StsState state = world.ask();
  CHECK(state.kind == Kind::none);
  CHECK(state.failure_type.empty());
  CHECK(world.entry().mode == "none");
  world.no_record();
  world.no_policy_host();
  world.loop.advance(6min);
  world.ask_and_settle();
  CHECK(world.ask().kind == Kind::none);
  CHECK(event::run_until_done(world.loop, world.service->entries(world.loop, "b.test")).empty());
}

TEST_CASE("S15: max_age 0 rules the attempt it was fetched for, and no later one without a fetch") {
  World world;
  world.publish("1", policy_text("enforce", 0));
  CHECK(world.enforced());
  world.no_policy_host();
  world.loop.advance(11s);
  CHECK_FALSE(world.enforced());
}

TEST_CASE(
    "T-12: record and policy host blocked for the whole life: enforced to its last second, and not one "
    "longer") {
  World world;
  world.service->start();
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  const SystemTime expires = world.ask().expires;
  world.record_fails();
  world.no_policy_host();
  while (world.loop.wall() + 1h < expires) {
    world.loop.advance(1h);
    CHECK(world.enforced());
  }
  world.loop.advance(expires - world.loop.wall() - 1s);
  CHECK(world.enforced());
  CHECK(world.entry().failure_streak > 3);
  CHECK(world.service->counters().alerts == 1);
  world.loop.advance(1s);
  CHECK_FALSE(world.enforced());
}

TEST_CASE("STS-12, T-12, S30: refreshed about daily with jitter, ahead of expiry, whatever the record says") {
  World world;
  world.service->start();
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  const SystemTime first = world.ask().expires;
  world.no_record();
  world.loop.advance(10 * 24h);
  CHECK(world.fetches() >= 9);
  CHECK(world.fetches() <= 13);
  const StsState state = world.ask();
  CHECK(state.kind == Kind::policy);
  CHECK(state.expires > first + 2 * 24h);
  CHECK(world.entry().next_refresh > world.loop.wall());
}

TEST_CASE("S30: a short-lived policy is refreshed at half its life, so that it never lapses") {
  World world;
  world.service->start();
  world.publish("1", policy_text("enforce", 3600));
  CHECK(world.enforced());
  for (int i = 0; i < 200; ++i) {
    world.loop.advance(7min);
    CHECK(world.enforced());
  }
}

TEST_CASE(
    "T-12, RFC 8461 §10.2: the alert comes at the third failure, not for `none`, and ends with a success") {
  World world;
  world.service->start();
  world.publish("1", policy_text("enforce", week));
  world.publish("1", "version: STSv1\nmode: none\nmax_age: 604800\n", "none.test");
  world.ask();
  world.ask("none.test");
  world.no_policy_host();
  world.no_policy_host("none.test");
  world.loop.advance(27h);
  CHECK(world.service->counters().alerts == 1);
  CHECK(world.entry().failure_streak >= 3);
  CHECK(world.entry().last_failure == "http-status-404");
  world.fetcher.texts["b.test"] = policy_text("enforce", week);
  world.loop.advance(2h);
  CHECK(world.entry().failure_streak == 0);
  CHECK(world.ask().failure_type.empty());
  CHECK(world.service->counters().alerts == 1);
}

TEST_CASE("T-15: after a policy failure the record is looked at anew, whatever DNS remembers") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.publish("2", policy_text("enforce", week, "new.b.test"));
  world.loop.advance(10s);  // far within the record's TTL
  const StsState state = world.recheck();
  CHECK(state.id == "2");
  CHECK(state.policy->mx == std::vector<std::string>{"new.b.test"});
}

TEST_CASE("T-15: a policy changed without a new id is fetched again, at most hourly") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.fetcher.texts["b.test"] = policy_text("enforce", week, "new.b.test");
  CHECK(world.recheck().policy->mx == std::vector<std::string>{"mx.b.test"});
  CHECK(world.fetches() == 1);
  world.loop.advance(61min);
  CHECK(world.recheck().policy->mx == std::vector<std::string>{"new.b.test"});
  for (int i = 0; i < 10; ++i) {
    world.loop.advance(1min);
    world.recheck();
  }
  CHECK(world.fetches() == 2);
}

TEST_CASE("`sts refresh` fetches now, back-off or not") {
  World world;
  world.record("1");
  CHECK(world.ask().kind == Kind::fetch_failed);
  world.fetcher.texts["b.test"] = policy_text("enforce", week);
  const StsState state = event::run_until_done(world.loop, world.service->refresh(world.loop, "b.test"));
  CHECK(state.kind == Kind::policy);
  CHECK(world.fetches() == 2);
  CHECK(world.enforced());
}

TEST_CASE("scene 11, S27: a restart forgets nothing, with record and policy host gone") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.no_record();
  world.no_policy_host();
  world.restart();
  const SteadyTime before = world.loop.now();
  CHECK(world.enforced());
  CHECK(world.loop.now() == before);
  world.record_fails();
  world.restart();
  CHECK(world.enforced());
}

TEST_CASE("D-24: the database lost: still enforced, and fetched anew before the first delivery") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  world.service.reset();
  world.cache.reset();
  for (const char* name : {"sts.db", "sts.db-wal", "sts.db-shm"}) world.directory.remove(name);
  world.restart();
  world.fetcher.texts["b.test"] = policy_text("enforce", week, "new.b.test");
  world.fetcher.delay = 2s;
  const StsState state = world.ask();
  CHECK(world.fetches() == 2);
  CHECK(state.policy->mx == std::vector<std::string>{"new.b.test"});

  world.service.reset();
  world.cache.reset();
  for (const char* name : {"sts.db", "sts.db-wal", "sts.db-shm"}) world.directory.remove(name);
  world.restart();
  world.no_record();
  world.no_policy_host();
  CHECK(world.enforced());  // blocked: what was known rules on
  CHECK(world.fetches() == 3);
}

TEST_CASE("D-24: a policy is on disk before it is used") {
  World world;
  world.publish("1", policy_text("enforce", week));
  CHECK(world.enforced());
  test::ScratchDirectory elsewhere;  // what a power cut would leave now
  elsewhere.write("sts-policies.log", world.directory.read("sts-policies.log"));
  auto cache = StsCache::open(elsewhere.path(), world.loop.wall());
  REQUIRE(cache);
  CHECK((*cache)->load("b.test", world.loop.wall())->has_value());
}

TEST_CASE("T-19: one fetch per domain, however many ask") {
  World world;
  world.publish("1", policy_text("enforce", week));
  world.fetcher.delay = 5s;
  std::vector<StsState> states;
  event::TaskScope scope(world.loop);
  auto one = [&]() -> event::Task<void> {
    auto state = co_await world.service->state_for(world.loop, "b.test", 10s);
    states.push_back(std::move(state));
  };
  for (int i = 0; i < 100; ++i) scope.spawn(one());
  world.loop.advance(8s);
  CHECK(states.size() == 100);
  for (const StsState& state : states) CHECK(state.kind == Kind::policy);
  CHECK(world.fetches() == 1);
}

TEST_CASE("domains looked at at once and kept in memory are bounded") {
  World world;
  world.settings.runs = 5;
  world.settings.in_memory = 10;
  world.restart();
  world.fetcher.delay = 60s;
  std::size_t answered = 0;
  event::TaskScope scope(world.loop);
  auto one = [&](std::string domain) -> event::Task<void> {
    auto state = co_await world.service->state_for(world.loop, domain, 10s);
    answered += state.kind == Kind::none ? 1u : 0u;
  };
  for (int i = 0; i < 50; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".test";
    world.publish("1", policy_text("enforce", week), domain);
    scope.spawn(one(domain));
  }
  world.loop.advance(1s);
  CHECK(answered == 45);  // nobody waits for a run that cannot begin
  CHECK(world.fetcher.most_at_once == 5);
  world.loop.advance(2min);
  CHECK(answered == 50);
}

TEST_CASE("the background refresh keeps to its own share, and reaches everyone") {
  World world;
  world.settings.refreshes = 4;
  world.restart();
  for (int i = 0; i < 200; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".test";
    world.publish("1", policy_text("enforce", week), domain);
    world.ask(domain);
  }
  world.fetcher.delay = 1s;
  world.fetcher.most_at_once = 0;
  world.service->start();
  world.loop.advance(27h);
  CHECK(world.fetcher.most_at_once <= 4);
  for (int i = 0; i < 200; ++i) CHECK(world.fetches("d" + std::to_string(i) + ".test") == 2);
}

TEST_CASE("a policy unused for long is left to expire, one that expired long ago is dropped") {
  World world;
  world.service->start();
  world.publish("1", policy_text("enforce", 31557600));
  CHECK(world.enforced());
  world.loop.advance(std::chrono::hours(24 * 91));
  const int fetches = world.fetches();
  CHECK(fetches >= 85);
  world.loop.advance(std::chrono::hours(24 * 100));
  CHECK(world.fetches() <= fetches + 1);
  CHECK(world.enforced());  // it still rules
  world.loop.advance(std::chrono::hours(24 * 400));
  CHECK(event::run_until_done(world.loop, world.service->entries(world.loop, "")).empty());
}

TEST_CASE("`sts show`: cached policies and those that cannot be fetched") {
  World world;
  world.publish("1", policy_text("enforce", week));
  world.record("7", "broken.test");
  world.ask();
  world.ask("broken.test");
  auto list = event::run_until_done(world.loop, world.service->entries(world.loop, ""));
  REQUIRE(list.size() == 2);
  CHECK(list[0].domain == "b.test");
  CHECK(list[0].mode == "enforce");
  CHECK(list[0].mx == std::vector<std::string>{"mx.b.test"});
  CHECK(list[0].next_refresh > world.loop.wall() + 20h);
  CHECK(list[0].next_refresh < world.loop.wall() + 28h);
  CHECK(list[1].domain == "broken.test");
  CHECK(list[1].id == "7");
  CHECK(list[1].last_failure == "http-status-404");
  CHECK(event::run_until_done(world.loop, world.service->entries(world.loop, "*.test")).size() == 2);
  CHECK(event::run_until_done(world.loop, world.service->entries(world.loop, "B.test")).size() == 1);
}

TEST_CASE("workers on their own threads ask; the service may go while the disk is still at work") {
  test::ScratchDirectory directory;
  event::EventLoop service_loop;
  dns::test::TableResolver table(service_loop);
  ScriptedFetcher fetcher(service_loop);
  for (int i = 0; i < 40; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".test";
    table.text("_mta-sts." + domain, {"v=STSv1; id=1;"});
    fetcher.texts[domain] = policy_text("enforce", week);
  }
  event::ThreadPool pool(2, 1000);
  auto cache = StsCache::open(directory.path(), service_loop.wall()).value();
  auto service = std::make_unique<CachedStsService>(service_loop, table, fetcher, *cache, pool);
  service->start();
  std::thread server([&] { service_loop.run(); });
  std::array<int, 3> enforced{};
  std::vector<std::thread> workers;
  for (std::size_t w = 0; w < enforced.size(); ++w) {
    workers.emplace_back([&, w] {
      event::EventLoop home;
      for (int i = 0; i < 20 + 10 * static_cast<int>(w); ++i) {
        const auto state = event::run_until_done(
            home, service->state_for(home, "d" + std::to_string(i) + ".test", std::chrono::seconds(20)));
        enforced[w] += state.kind == Kind::policy ? 1 : 0;
      }
    });
  }
  workers[0].join();
  workers[1].join();
  workers[2].join();
  // Much begun and nothing waited for.
  service_loop.post([&] {
    event::TaskScope scope(service_loop);
    for (int i = 0; i < 40; ++i) {
      auto ask = [&](std::string domain) -> event::Task<void> {
        co_await service->refresh(service_loop, domain);
      };
      scope.spawn(ask("d" + std::to_string(i) + ".test"));
    }
  });
  service_loop.stop();
  server.join();
  service.reset();
  cache.reset();
  CHECK(enforced == std::array<int, 3>{20, 30, 40});
}
