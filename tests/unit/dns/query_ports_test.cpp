// SPDX-License-Identifier: Apache-2.0
//
// RFC 5452 §9.2: who is off the path has to guess the source port of each query too.
#include "dns/query_ports.hpp"

#include <doctest.h>

#include <set>

#include "event/event_loop.hpp"
#include "event/run.hpp"
#include "scripted_server.hpp"

using namespace sealpost;
using namespace sealpost::dns;
using namespace sealpost::dns::test;
using namespace std::chrono_literals;

namespace {

event::Task<void> ask_one(QueryPorts& ports, std::uint16_t id) {
  const auto answer = co_await ports.ask(make_query(Question("b.test", RrType::mx), id));
  static_cast<void>(answer);
}

event::Task<void> ask_many(event::Loop& loop, QueryPorts& ports, std::uint16_t count) {
  event::TaskScope scope(loop);
  for (std::uint16_t i = 0; i < count; ++i) scope.spawn(ask_one(ports, i));
  co_await scope.join();
}

std::set<std::uint16_t> ports_of(const ScriptedServer& server) {
  std::set<std::uint16_t> ports;
  for (const auto& query : server.queries()) ports.insert(query.from_port);
  return ports;
}

}  // namespace

TEST_CASE("T-40: queries in flight together leave from ports of their own, and the next ones from others") {
  ScriptedServer silent([](const ScriptedServer::Query&) { return std::nullopt; });
  event::EventLoop loop;
  QueryPorts ports(loop, silent.endpoint(), 300ms, QueryPorts::Spread::yes);
  event::run_until_done(loop, ask_many(loop, ports, 100));
  CHECK(ports_of(silent).size() == 100);
  CHECK(ports.channels() == 100);
  event::run_until_done(loop, ask_many(loop, ports, 50));
  CHECK(ports_of(silent).size() > 140);  // the kernel may draw one twice
  CHECK(ports.channels() == 100);
}

TEST_CASE("T-40: the number of ports is bounded; more queries share them") {
  ScriptedServer silent([](const ScriptedServer::Query&) { return std::nullopt; });
  event::EventLoop loop;
  QueryPorts ports(loop, silent.endpoint(), 300ms, QueryPorts::Spread::yes);
  event::run_until_done(loop, ask_many(loop, ports, 300));
  CHECK(ports.channels() == QueryPorts::most_channels);
  CHECK(ports_of(silent).size() == QueryPorts::most_channels);
}

TEST_CASE("on loopback one socket is enough") {
  ScriptedServer silent([](const ScriptedServer::Query&) { return std::nullopt; });
  event::EventLoop loop;
  QueryPorts ports(loop, silent.endpoint(), 100ms, QueryPorts::spread_for(silent.endpoint()));
  event::run_until_done(loop, ask_many(loop, ports, 20));
  CHECK(ports_of(silent).size() == 1);
}
