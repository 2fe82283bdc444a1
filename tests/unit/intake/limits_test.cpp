// SPDX-License-Identifier: Apache-2.0
//
// Caps on connections, and the budget for bodies in memory.
#include <doctest.h>

#include <thread>
#include <vector>

#include "event/event_loop.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "intake/body_budget.hpp"
#include "intake/connection_limits.hpp"

using namespace sealpost;
using namespace sealpost::intake;

namespace {
IpAddress at(std::string_view text) { return *IpAddress::parse(text); }

sealpost::event::Task<void> note(sealpost::event::Task<bool> task, std::optional<bool>& result) {
  const bool got = co_await task;
  result = got;
}
}  // namespace

TEST_CASE("T-27 connection caps: in all, per client, per stranger; an IPv6 client is a /64") {
  ConnectionCaps caps;
  caps.total = 6;
  caps.client = 3;
  caps.stranger = 1;
  ConnectionLimits limits(caps);
  auto a1 = limits.enter(at("192.0.2.1"), Standing::trusted);
  auto a2 = limits.enter(at("192.0.2.1"), Standing::trusted);
  auto a3 = limits.enter(at("::ffff:192.0.2.1"), Standing::trusted);
  CHECK(a1);
  CHECK(a3);
  CHECK(!limits.enter(at("192.0.2.1"), Standing::trusted));
  auto s1 = limits.enter(at("2001:db8::1"), Standing::stranger);
  CHECK(s1);
  CHECK(!limits.enter(at("2001:db8::ffff"), Standing::stranger));
  auto s2 = limits.enter(at("2001:db8:0:1::1"), Standing::stranger);
  auto s3 = limits.enter(at("192.0.2.2"), Standing::stranger);
  CHECK(s3);
  CHECK(limits.open() == 6);
  CHECK(!limits.enter(at("192.0.2.3"), Standing::stranger));
  s3 = {};
  CHECK(limits.open() == 5);
  CHECK(limits.enter(at("192.0.2.3"), Standing::trusted));
  auto moved = std::move(a1);
  CHECK(!a1);  // NOLINT: what a moved-from slot says is the point
  CHECK(limits.open() == 5);
}

TEST_CASE("T-27 strangers fill their share and no more, and whoever may relay still has a place") {
  ConnectionCaps caps;
  caps.total = 10;
  caps.strangers = 4;
  ConnectionLimits limits(caps);
  std::vector<ConnectionLimits::Slot> strangers, trusted;
  for (int i = 0; i < 40; ++i) {
    auto slot = limits.enter(at("198.51." + std::to_string(i) + ".1"), Standing::stranger);
    if (slot) strangers.push_back(std::move(slot));
  }
  CHECK(strangers.size() == 4);
  CHECK(limits.stressed());
  for (int i = 0; i < 40; ++i) {
    auto slot = limits.enter(at("192.0.2." + std::to_string(i)), Standing::trusted);
    if (slot) trusted.push_back(std::move(slot));
    CHECK(limits.over() == (limits.open() > caps.total));
  }
  CHECK(trusted.size() == 10);  // all that there are; four strangers have to go
  CHECK(limits.over());
  strangers.clear();
  CHECK(!limits.over());
  CHECK(!limits.enter(at("198.51.100.1"), Standing::stranger));
  trusted.resize(5);
  CHECK(!limits.stressed());
  CHECK(limits.enter(at("198.51.100.1"), Standing::stranger));
}

TEST_CASE("T-27 a stranger's network has a cap, too, and one that comes too often is counted for a minute") {
  ConnectionCaps caps;
  caps.stranger_network = 3;
  caps.stranger_rate = 5;
  ConnectionLimits limits(caps);
  std::vector<ConnectionLimits::Slot> open;
  for (int i = 0; i < 20; ++i) {
    auto v4 = limits.enter(at("198.51.100." + std::to_string(i)), Standing::stranger);
    auto v6 = limits.enter(at("2001:db8:7:" + std::to_string(i) + "::1"), Standing::stranger);
    if (v4) open.push_back(std::move(v4));
    if (v6) open.push_back(std::move(v6));
  }
  CHECK(open.size() == 6);
  CHECK(limits.enter(at("198.51.101.1"), Standing::stranger));
  CHECK(limits.enter(at("2001:db8:8::1"), Standing::stranger));
  open.clear();
  CHECK(limits.strangers() == 0);

  SteadyTime now{};
  int passed = 0;
  for (int i = 0; i < 20; ++i) passed += limits.enter(at("203.0.113.9"), Standing::stranger, now) ? 1 : 0;
  CHECK(passed == 5);
  CHECK(limits.enter(at("203.0.113.10"), Standing::stranger, now));
  for (int i = 0; i < 20; ++i) passed += limits.enter(at("203.0.113.9"), Standing::trusted, now) ? 1 : 0;
  CHECK(passed == 25);  // who may relay comes as often as there is mail
  now += std::chrono::minutes(1);
  CHECK(limits.enter(at("::ffff:203.0.113.9"), Standing::stranger, now));
}

TEST_CASE("T-27 a hundred thousand strangers are not remembered one by one for ever") {
  ConnectionLimits limits{ConnectionCaps()};
  SteadyTime now{};
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    const std::string text =
        "11." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) + "." + std::to_string(i & 255);
    CHECK_FALSE(!limits.enter(at(text), Standing::stranger, now));
  }
  CHECK(limits.counted() <= 20'000);
}

TEST_CASE("T-28 body budget: taken at once, or waited for and given in time") {
  sealpost::event::SimLoop loop;
  BodyBudget budget(100);
  std::optional<BodyBudget::Lease> first(std::in_place, budget);
  BodyBudget::Lease second(budget);
  CHECK(first->grow_to(80));
  CHECK(first->grow_to(60));
  CHECK(budget.used() == 80);
  CHECK(!second.grow_to(30));
  CHECK(second.grow_to(20));
  std::optional<bool> got;
  sealpost::event::TaskScope scope(loop);
  scope.spawn(note(second.wait_for(loop, 40, std::chrono::seconds(10)), got));
  loop.advance(std::chrono::seconds(5));
  CHECK(!got);
  first->clear();
  loop.settle();
  CHECK(*got);
  CHECK(budget.used() == 40);

  got.reset();
  first->grow_to(60);
  scope.spawn(note(second.wait_for(loop, 50, std::chrono::seconds(10)), got));
  loop.advance(std::chrono::seconds(11));
  CHECK(!*got);
  first.reset();
  second.clear();
  CHECK(budget.used() == 0);
}

TEST_CASE("T-28 body budget: a waiter that is destroyed is forgotten") {
  sealpost::event::SimLoop loop;
  BodyBudget budget(10);
  BodyBudget::Lease holder(budget), waiter(budget);
  holder.grow_to(10);
  std::optional<bool> got;
  {
    sealpost::event::TaskScope scope(loop);
    scope.spawn(note(waiter.wait_for(loop, 5, std::chrono::seconds(10)), got));
    loop.settle();
  }
  holder.clear();
  loop.settle();
  CHECK(!got);
  CHECK(budget.used() == 0);
}

namespace {
sealpost::event::Task<void> borrow(sealpost::event::Loop& loop, BodyBudget& budget, int rounds, int& done) {
  for (int i = 0; i < rounds; ++i) {
    BodyBudget::Lease lease(budget);
    const bool got = co_await lease.wait_for(loop, 3, std::chrono::seconds(30));
    if (got) ++done;
    co_await sealpost::event::yield(loop);
  }
}

sealpost::event::Task<void> several(sealpost::event::Loop& loop, BodyBudget& budget, int& done) {
  sealpost::event::TaskScope scope(loop);
  for (int i = 0; i < 8; ++i) scope.spawn(borrow(loop, budget, 200, done));
  co_await scope.join();
}
}  // namespace

TEST_CASE("T-28 body budget: threads wake each other, and nothing is lost or given twice") {
  BodyBudget budget(7);
  int done[2] = {0, 0};
  // The loops outlive everyone who may still post to them.
  sealpost::event::EventLoop loops[2];
  std::thread other([&] { sealpost::event::run_until_done(loops[1], several(loops[1], budget, done[1])); });
  sealpost::event::run_until_done(loops[0], several(loops[0], budget, done[0]));
  other.join();
  CHECK(done[0] == 1600);
  CHECK(done[1] == 1600);
  CHECK(budget.used() == 0);
}

TEST_CASE("T-27 a guest who authenticates leaves the strangers' places, counts and minute to others") {
  ConnectionCaps caps;
  caps.total = 100;
  caps.strangers = 4;
  caps.stranger = 1;
  caps.guest = 3;
  caps.stranger_rate = 4;
  ConnectionLimits limits(caps);
  const SteadyTime now{};
  const auto office = at("198.51.100.1");
  std::vector<ConnectionLimits::Slot> known;
  for (int i = 0; i < 50; ++i) {  // many more than may come as strangers, one behind the other
    known.push_back(limits.enter(office, Standing::guest, now));
    REQUIRE(known.back());
    known.back().becomes_trusted(now);
  }
  CHECK(limits.strangers() == 0);
  CHECK(limits.open() == 50);
  std::vector<ConnectionLimits::Slot> silent;
  for (int i = 0; i < 3; ++i) silent.push_back(limits.enter(office, Standing::guest, now));
  CHECK(silent.back());
  CHECK(!limits.enter(office, Standing::guest, now));  // as many as one client may have
  CHECK(!limits.enter(office, Standing::guest, now));  // and as often
  CHECK(limits.strangers() == 3);
  CHECK(limits.enter(at("203.0.113.1"), Standing::guest, now));
  auto last = limits.enter(at("203.0.113.2"), Standing::guest, now);
  CHECK(last);
  CHECK(!limits.enter(at("203.0.113.3"), Standing::guest, now));
  last.becomes_trusted(now);
  last.becomes_trusted(now);
  CHECK(limits.enter(at("203.0.113.4"), Standing::guest, now));
  known.clear();
  silent.clear();
  last = {};
  CHECK(limits.open() == 0);
  CHECK(limits.strangers() == 0);
}

TEST_CASE("T-27 accounts do not take the places of the networks that may relay") {
  ConnectionCaps caps;
  caps.total = 20;
  caps.strangers = 10;
  caps.client = 6;
  caps.accounts = 8;
  ConnectionLimits limits(caps);
  std::vector<ConnectionLimits::Slot> sessions;
  const auto log_in = [&](const char* from, int count) {
    std::size_t counted = 0;
    for (int i = 0; i < count; ++i) {
      sessions.push_back(limits.enter(at(from), Standing::guest));
      sessions.back().becomes_trusted({});
      counted += sessions.back().trusted() ? 1U : 0U;
    }
    return counted;
  };
  CHECK(log_in("198.51.100.1", 8) == 6);  // as many as any client may have; the others give way
  CHECK(log_in("198.51.101.1", 8) == 2);
  CHECK(limits.strangers() == 8);
  std::size_t relayed = 0;
  for (int i = 0; i < 20; ++i) {
    auto slot = limits.enter(at("192.0.2." + std::to_string(i)), Standing::trusted);
    if (!slot) continue;
    ++relayed;
    sessions.push_back(std::move(slot));
  }
  CHECK(relayed == 12);
  CHECK(limits.over());  // strangers, sessions with accounts among them, have to go
}
