// SPDX-License-Identifier: Apache-2.0
//
// A message handed in while the journal is slow, and whoever asked does not wait for it.
#include "injection/injector.hpp"

#include <doctest/doctest.h>

#include "../intake/intake_fixture.hpp"
#include "../temporary_directory.hpp"
#include "base/shared_clock.hpp"

using namespace sealpost;
using namespace sealpost::test;
using injection::Injected;
using injection::Injection;
using injection::Injector;
using injection::Mistake;
using injection::OnceStore;

namespace {

struct InjectorWorld {
  InjectorWorld() {
    options->hostname = "relay.example.net";
    intake::Services services(spool, sink, places, memory, counters);
    injector = std::make_unique<Injector>(
        loop, services, [this] { return settings; }, OnceStore(folder.path()),
        std::make_unique<event::InlinePool>());
  }
  static Injection asked(const char* content = "x") {
    Injection injection;
    injection.wish.sender = "anna@home.example";
    injection.wish.recipients = {"bob@there.example"};
    injection.wish.places = {"/to/0"};
    injection.wish.message = "Subject: x\r\n\r\nhello\r\n";
    injection.once = injection::once_mark("anna", "key", content);
    injection.client = *IpAddress::parse("192.0.2.7");
    return injection;
  }
  event::Task<void> ask(Injection injection) {
    auto answer = co_await event::within(loop, limit, told(std::move(injection)));
    answers.push_back(answer ? *answer : "nobody waits");
  }
  event::Task<Expected<std::string>> told(Injection injection) {
    const auto taken = co_await injector->take(std::move(injection));
    if (!taken) co_return std::to_string(taken.error().status);
    co_return std::string(taken->repeated ? "again " : "") + taken->id.to_string();
  }

  event::SimLoop loop;
  TemporaryDirectory folder;
  FakeSpool spool;
  NotingSink sink;
  intake::ConnectionLimits places{intake::ConnectionCaps()};
  intake::BodyBudget memory{64U << 20};
  intake::Counters counters;
  std::shared_ptr<smtp::ServerOptions> options = std::make_shared<smtp::ServerOptions>();
  std::shared_ptr<const intake::Settings> settings = [this] {
    auto made = std::make_shared<intake::Settings>(intake::RelayRules());
    made->server = options;
    return made;
  }();
  Duration limit = std::chrono::seconds(70);
  std::vector<std::string> answers;
  std::unique_ptr<Injector> injector;
  event::TaskScope scope{loop};
};

}  // namespace

TEST_CASE("a message is taken once by its key, and is in the queue before it is answered") {
  InjectorWorld world;
  world.scope.spawn(world.ask(InjectorWorld::asked()));
  world.loop.settle();
  REQUIRE(world.sink.messages.size() == 1);
  const std::string id = world.sink.messages[0]->id.to_string();
  world.scope.spawn(world.ask(InjectorWorld::asked()));
  world.loop.settle();
  world.scope.spawn(world.ask(InjectorWorld::asked("other content")));
  world.loop.settle();
  CHECK(world.answers == std::vector<std::string>{id, "again " + id, "422"});
  CHECK(world.sink.messages.size() == 1);
}

TEST_CASE(
    "what the journal has goes to the queue, and is known by its key, though nobody waits any more (D-01)") {
  InjectorWorld world;
  event::Signal gate(world.loop);
  world.spool.gate = &gate;
  world.scope.spawn(world.ask(InjectorWorld::asked()));
  world.loop.advance(world.limit + std::chrono::seconds(1));
  CHECK(world.answers == std::vector<std::string>{"nobody waits"});
  CHECK(world.sink.messages.empty());

  world.scope.spawn(world.ask(InjectorWorld::asked()));  // while the first is under way
  world.loop.settle();
  CHECK(world.answers.back() == "409");

  gate.notify();
  world.loop.settle();
  REQUIRE(world.sink.messages.size() == 1);
  world.scope.spawn(world.ask(InjectorWorld::asked()));
  world.loop.settle();
  CHECK(world.answers.back() == "again " + world.sink.messages[0]->id.to_string());
  CHECK(world.sink.messages.size() == 1);
}

TEST_CASE("T-50 a step of the clock makes no key forgotten, so that no message is sent twice") {
  InjectorWorld world;
  SharedClock clock(world.loop.wall() - std::chrono::hours(24), std::nullopt, world.loop.wall(),
                    world.loop.now());
  world.loop.ask_clock(&clock);
  world.scope.spawn(world.ask(InjectorWorld::asked()));
  world.loop.settle();
  for (const int days : {400, -800}) {
    world.loop.shift_wall(std::chrono::days(days));
    world.loop.advance(std::chrono::minutes(1));
    world.scope.spawn(world.ask(InjectorWorld::asked()));
    world.loop.settle();
    CHECK(world.answers.back().starts_with("again "));
  }
  CHECK(world.sink.messages.size() == 1);
  world.loop.ask_clock(nullptr);
}
