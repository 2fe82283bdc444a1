// SPDX-License-Identifier: Apache-2.0
#include "dns/caching_resolver.hpp"

#include <doctest.h>

#include <thread>

#include "dns/resolver_proxy.hpp"
#include "event/event_loop.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "table_resolver.hpp"

using namespace sealpost;
using namespace sealpost::dns;
using namespace sealpost::dns::test;
using namespace std::chrono_literals;

namespace {

struct CachingWorld {
  sealpost::event::SimLoop loop;
  TableResolver table{loop};
  CachingResolver resolver{loop, table};
  AnswerPtr ask(std::string name, RrType type) {
    return sealpost::event::run_until_done(loop, resolver.query(std::move(name), type));
  }
  AnswerPtr ask_fresh(std::string name, RrType type) {
    return sealpost::event::run_until_done(loop, resolver.query_fresh(std::move(name), type));
  }
};

sealpost::event::Task<void> keep(Resolver& resolver, std::string name, std::vector<AnswerPtr>& into) {
  auto answer = co_await resolver.query(std::move(name), RrType::a);
  into.push_back(std::move(answer));
}

}  // namespace

TEST_CASE("an answer is asked for once while it lasts, whatever the case of the name") {
  CachingWorld world;
  world.table.address("h.test", {"192.0.2.1"});
  CHECK(world.ask("h.test", RrType::a)->addresses.size() == 1);
  CHECK(world.ask("H.Test.", RrType::a)->addresses.size() == 1);
  CHECK(world.table.asked.size() == 1);
  world.loop.advance(299s);
  world.ask("h.test", RrType::a);
  CHECK(world.table.asked.size() == 1);
  world.loop.advance(1s);
  CHECK(world.ask("h.test", RrType::a)->expires > world.loop.now());
  CHECK(world.table.asked.size() == 2);
}

TEST_CASE("absence is kept for its TTL, failure only for seconds") {
  CachingWorld world;
  world.ask("gone.test", RrType::a);
  world.loop.advance(100s);
  CHECK(world.ask("gone.test", RrType::a)->status == Status::nxdomain);
  CHECK(world.table.count("gone.test", RrType::a) == 1);

  world.table.put("bad.test", RrType::a, Status::failed);
  world.ask("bad.test", RrType::a);
  world.loop.advance(4s);
  CHECK(world.ask("bad.test", RrType::a)->status == Status::failed);
  CHECK(world.table.count("bad.test", RrType::a) == 1);
  world.loop.advance(2s);
  world.table.address("bad.test", {"192.0.2.1"});
  CHECK(world.ask("bad.test", RrType::a)->status == Status::found);
}

TEST_CASE("T-40: one query in flight per question, however many ask; those who leave do not end it") {
  CachingWorld world;
  world.table.address("h.test", {"192.0.2.1"});
  world.table.delay(1s);
  std::vector<AnswerPtr> answers;
  sealpost::event::TaskScope scope(world.loop), leaving(world.loop);
  leaving.spawn(keep(world.resolver, "h.test", answers));
  for (int i = 0; i < 100; ++i) scope.spawn(keep(world.resolver, "h.test", answers));
  world.loop.advance(500ms);
  leaving.cancel();
  world.loop.advance(1s);
  CHECK(answers.size() == 100);
  CHECK(world.table.asked.size() == 1);
  CHECK(world.resolver.counters().joined == 100);
}

TEST_CASE("T-40: questions in flight are bounded") {
  sealpost::event::SimLoop loop;
  TableResolver table(loop);
  table.delay(1s);
  CacheSettings settings;
  settings.most_in_flight = 2;
  CachingResolver resolver(loop, table, settings);
  std::vector<AnswerPtr> answers;
  sealpost::event::TaskScope scope(loop);
  for (int i = 0; i < 3; ++i) scope.spawn(keep(resolver, "n" + std::to_string(i) + ".test", answers));
  loop.settle();
  REQUIRE(answers.size() == 1);
  CHECK(answers[0]->status == Status::failed);
}

TEST_CASE("T-15: a fresh look passes by what is older than seconds") {
  CachingWorld world;
  world.table.address("h.test", {"192.0.2.1"});
  world.ask("h.test", RrType::a);
  world.ask_fresh("h.test", RrType::a);  // just now is fresh enough
  CHECK(world.table.asked.size() == 1);
  world.loop.advance(6s);
  world.ask_fresh("h.test", RrType::a);
  CHECK(world.table.asked.size() == 2);
  world.ask("h.test", RrType::a);
  CHECK(world.table.asked.size() == 2);
}

TEST_CASE("prefetch starts what will be asked for") {
  CachingWorld world;
  world.table.address("h.test", {"192.0.2.1"});
  world.resolver.prefetch("H.test", RrType::a);
  world.resolver.prefetch("h.test", RrType::a);
  world.resolver.prefetch("not a name", RrType::a);
  world.loop.settle();
  CHECK(world.table.asked.size() == 1);
  world.ask("h.test", RrType::a);
  CHECK(world.table.asked.size() == 1);
}

TEST_CASE("a worker's proxy answers from its own memory without leaving its loop") {
  CachingWorld world;
  world.table.address("h.test", {"192.0.2.1"});
  ResolverProxy proxy(world.loop, world.resolver);
  const auto first = sealpost::event::run_until_done(world.loop, proxy.query("h.test", RrType::a));
  CHECK(first->addresses.size() == 1);
  const auto hits = world.resolver.counters().hits;
  const auto second = sealpost::event::run_until_done(world.loop, proxy.query("h.test", RrType::a));
  CHECK(second == first);
  CHECK(world.resolver.counters().hits == hits);
  world.loop.advance(301s);
  sealpost::event::run_until_done(world.loop, proxy.query("h.test", RrType::a));
  CHECK(world.table.asked.size() == 2);
}

TEST_CASE("workers on other threads ask through proxies; those who give up leave no trace") {
  sealpost::event::EventLoop shared_loop;
  TableResolver table(shared_loop);
  for (int i = 0; i < 50; ++i) table.address("h" + std::to_string(i) + ".test", {"192.0.2.1"});
  table.delay(1ms);
  CachingResolver resolver(shared_loop, table);
  std::thread server([&] { shared_loop.run(); });
  std::array<sealpost::event::EventLoop, 3> homes;
  std::array<std::size_t, 3> found{};
  std::vector<std::thread> workers;
  for (std::size_t w = 0; w < homes.size(); ++w) {
    workers.emplace_back([&, w] {
      ResolverProxy proxy(homes[w], resolver);
      std::vector<AnswerPtr> answers;
      sealpost::event::TaskScope scope(homes[w]), leaving(homes[w]);
      for (int i = 0; i < 500; ++i) {
        scope.spawn(keep(proxy, "h" + std::to_string(i % 50) + ".test", answers));
        leaving.spawn(keep(proxy, "x" + std::to_string(i) + ".test", answers));
      }
      auto wait = [&]() -> sealpost::event::Task<void> {
        co_await sealpost::event::yield(homes[w]);
        leaving.cancel();
        co_await scope.join();
      };
      sealpost::event::run_until_done(homes[w], wait());
      for (const auto& answer : answers) found[w] += answer->status == Status::found ? 1u : 0u;
    });
  }
  for (auto& worker : workers) worker.join();
  shared_loop.stop();
  server.join();
  for (const auto count : found) CHECK(count == 500);
  for (int i = 0; i < 50; ++i) CHECK(table.count("h" + std::to_string(i) + ".test", RrType::a) == 1);
}
