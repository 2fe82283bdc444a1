// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include "event/event_loop.hpp"
#include "sts_world.hpp"

using namespace sealpost;
using namespace sealpost::sts;
using namespace sealpost::sts::test;
using namespace std::chrono_literals;

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

TEST_CASE("workers on their own threads ask; the service may go while the disk is still at work") {
  sealpost::test::ScratchDirectory directory;
  event::EventLoop service_loop;
  dns::test::TableResolver table(service_loop);
  ScriptedFetcher fetcher(service_loop);
  for (int i = 0; i < 40; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".test";
    table.text("_mta-sts." + domain, {"v=STSv1; id=1;"});
    fetcher.texts[domain] = policy_text("enforce", week);
  }
  event::ThreadPool pool(2, 1000);
  auto cache = StsCache::open(directory.path()).value();
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
