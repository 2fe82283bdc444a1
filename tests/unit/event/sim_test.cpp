// SPDX-License-Identifier: Apache-2.0
//
// The simulated world itself: virtual time, hosts that fail on command, wires that break, and runs that
// repeat.
#include <doctest.h>

#include <string>
#include <vector>

#include "event/line_stream.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "event/sim_network.hpp"

namespace sealpost::event {
namespace {

using namespace std::chrono_literals;

const Endpoint here(*IpAddress::parse("192.0.2.1"), 0);
const Endpoint there(*IpAddress::parse("198.51.100.7"), 25);

TEST_CASE("time passes only when there is nothing left to do") {
  SimLoop loop;
  const SystemTime wall = loop.wall();
  CHECK(wall == SimLoop::default_start);
  CHECK(loop.dry());
  loop.advance(24h);
  CHECK(loop.wall() - wall == 24h);
  std::string log;
  loop.post([&] {
    log += 'a';
    loop.post([&] { log += 'c'; });
  });
  loop.post([&] { log += 'b'; });
  CHECK_FALSE(loop.dry());
  loop.settle();
  CHECK(log == "abc");
  CHECK(loop.wall() - wall == 24h);
  loop.stop();  // a stop before run() counts
  loop.post([&] { log += 'd'; });
  loop.run();
  CHECK(log == "abcd");
}

struct Result {
  Errc code = Errc::invalid;
  bool connected = false;
  Duration took{};
};
Task<Result> try_connect(Loop& loop, SimNetwork& network, Endpoint to, Duration limit) {
  const SteadyTime begun = loop.now();
  auto stream = co_await network.connect(to, limit);
  Result result;
  result.took = loop.now() - begun;
  result.connected = stream.has_value();
  if (!stream) result.code = stream.error().code;
  co_return result;
}

TEST_CASE("hosts are up, refusing, unreachable or silent") {
  SimLoop loop;
  SimNetwork network(loop, 1, here);
  SimLink link;
  link.latency = 20ms;
  network.set_link(link);
  Endpoint seen;
  network.listen(there, [&](std::unique_ptr<Stream> stream) { seen = stream->peer(); });
  struct Row {
    SimNetwork::Host state;
    Errc code;
    Duration took;
  };
  const Row rows[] = {{SimNetwork::Host::refusing, Errc::refused, 40ms},
                      {SimNetwork::Host::unreachable, Errc::unreachable, 40ms},
                      {SimNetwork::Host::silent, Errc::timed_out, 30s}};
  for (const Row& row : rows) {
    network.set_host(there.address, row.state);
    const Result result = run_until_done(loop, try_connect(loop, network, there, 30s));
    CHECK_FALSE(result.connected);
    CHECK(result.code == row.code);
    CHECK(result.took == row.took);
  }
  network.set_host(there.address, SimNetwork::Host::up);
  CHECK(run_until_done(loop, try_connect(loop, network, there, 30s)).connected);
  CHECK(seen.address == here.address);
  CHECK(run_until_done(loop, try_connect(loop, network, there, 39ms)).code == Errc::timed_out);
  network.remove(there);
  CHECK(run_until_done(loop, try_connect(loop, network, there, 30s)).code == Errc::refused);
  CHECK(network.attempts() == 6);
  CHECK(network.attempts_to(there.address) == 6);
}

Task<void> chatter(std::unique_ptr<Stream> stream, std::string& log, char name) {
  LineStream lines(std::move(stream));
  for (int i = 0; i < 20; ++i) {
    lines.put("a few words to send\r\n");
    auto sent = co_await lines.flush(1min);
    auto line = co_await lines.fill(1min);
    log += name;
    if (!line) {
      log += '!';
      co_return;
    }
    log += std::to_string(*line);
    lines.consume(lines.buffered().size());
  }
}

std::string run_with(std::uint64_t seed, std::uint64_t cut_after) {
  SimLoop loop;
  std::string log;
  SimLink link;
  link.slice = 9;
  link.seed = seed;
  link.latency = 1ms;
  SimConnection connection(loop, link, here, there);
  if (cut_after) connection.wire->cut_after(cut_after);
  TaskScope scope(loop);
  scope.spawn(chatter(std::move(connection.client), log, 'c'));
  scope.spawn(chatter(std::move(connection.server), log, 's'));
  loop.run();
  return log;
}

TEST_CASE("the same seed gives the same run, another seed another") {
  CHECK(run_with(1, 0) == run_with(1, 0));
  CHECK(run_with(1, 0) != run_with(2, 0));
}

TEST_CASE("a wire may break after every octet") {
  for (std::uint64_t octets = 1; octets < 200; ++octets) {
    const std::string log = run_with(3, octets);
    CHECK(log.find('!') != std::string::npos);
  }
}

TEST_CASE("a hung wire is silent until the limit") {
  SimLoop loop;
  SimConnection connection(loop, SimLink());
  connection.wire->hang();
  LineStream stream(std::move(connection.client));
  stream.put("anybody?\r\n");
  CHECK(run_until_done(loop, stream.flush(1s)));
  auto line = run_until_done(loop, stream.line(100, 5min));
  REQUIRE_FALSE(line);
  CHECK(line.error().code == Errc::timed_out);
}

TEST_CASE("cutting a host off ends its connections and no others") {
  SimLoop loop;
  SimNetwork network(loop, 1, here);
  const Endpoint other(*IpAddress::parse("2001:db8::7"), 25);
  std::vector<std::unique_ptr<Stream>> servers;
  for (const Endpoint& at : {there, other})
    network.listen(at, [&](std::unique_ptr<Stream> stream) { servers.push_back(std::move(stream)); });
  auto first = run_until_done(loop, network.connect(there, 1s));
  auto second = run_until_done(loop, network.connect(other, 1s));
  network.cut(there.address);
  CHECK((*first)->try_write("x").state == IoState::failed);
  CHECK((*second)->try_write("x").state == IoState::done);
  network.cut_all();
  CHECK((*second)->try_write("x").state == IoState::failed);
}

}  // namespace
}  // namespace sealpost::event
