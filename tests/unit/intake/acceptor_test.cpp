// SPDX-License-Identifier: Apache-2.0
//
// Sessions as a set: caps, drain, settings that change, real sockets.
#include <doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>

#include "event/event_loop.hpp"
#include "event/line_stream.hpp"
#include "event/run.hpp"
#include "event/socket_stream.hpp"
#include "intake_fixture.hpp"

using namespace sealpost;
using namespace sealpost::test;

TEST_CASE("T-27 over the caps a client hears 421 and is gone") {
  IntakeFixture fixture;
  fixture.caps.total = 4;
  fixture.caps.client = 3;
  fixture.caps.stranger = 1;
  Script& first = fixture.connect("203.0.113.9");
  CHECK(first.take().starts_with("220 "));
  Script& second = fixture.connect("203.0.113.9");
  CHECK(second.take().starts_with("421 4.7.0 "));
  CHECK(second.closed);
  for (int i = 0; i < 3; ++i) CHECK(fixture.connect("192.0.2.7").take().starts_with("220 "));
  CHECK(fixture.connect("198.51.100.8").take().starts_with("421 "));
  CHECK(fixture.acceptor().sessions() == 4);
  CHECK(fixture.counters.turned_away == 2);
  first.hang_up();
  fixture.loop.settle();
  CHECK(fixture.connect("203.0.113.9").take().starts_with("220 "));
}

TEST_CASE("T-27 when every place is taken the oldest stranger gives way to a client that may relay") {
  IntakeFixture fixture;
  fixture.caps.total = 4;
  fixture.caps.strangers = 3;
  Script& first = fixture.connect("198.51.100.1");
  Script& second = fixture.connect("198.51.101.1");
  Script& third = fixture.connect("198.51.102.1");
  CHECK(fixture.connect("198.51.103.1").take().starts_with("421 4.7.0"));  // their share is gone
  fixture.say(first, hello);
  CHECK(fixture.connect("192.0.2.1").take().starts_with("220 "));
  CHECK(first.take().empty());
  for (int i = 0; i < 3; ++i) CHECK(fixture.connect("192.0.2.1").take().starts_with("220 "));
  CHECK(first.take().starts_with("421 4.3.2"));
  CHECK(second.take().find("421 4.3.2") != std::string::npos);
  CHECK(third.take().find("421 4.3.2") != std::string::npos);
  CHECK(fixture.counters.shed == 3);
  CHECK(fixture.limits().open() == 4);
  CHECK(fixture.connect("192.0.2.9").take().starts_with("421 "));  // all of them are trusted clients'
  CHECK(fixture.counters.turned_away_trusted == 1);
}

TEST_CASE(
    "T-27 T-26 when places get scarce strangers that wait already are given ten seconds, others all they "
    "had") {
  IntakeFixture fixture;
  fixture.caps.total = 100;
  fixture.caps.strangers = 5;
  Script& trusted = fixture.connect("192.0.2.1");
  trusted.take();
  Script& early = fixture.connect("198.51.100.1");
  fixture.loop.advance(std::chrono::seconds(60));
  early.take();
  for (int i = 1; i < 5; ++i) fixture.connect("198.51.10" + std::to_string(i) + ".1");
  CHECK(fixture.counters.stresses == 1);
  fixture.loop.advance(std::chrono::seconds(11));
  CHECK(early.take().starts_with("421 4.4.2"));
  CHECK(fixture.limits().strangers() == 0);
  CHECK(!fixture.limits().stressed());
  CHECK(trusted.take().empty());
  CHECK(fixture.counters.timed_out == 5);
}

TEST_CASE("D-28 drain: 421 to those who wait and those who come, the others finish within the grace") {
  IntakeFixture fixture;
  Script& idle = fixture.connect();
  Script& busy = fixture.connect();
  Script& stuck = fixture.connect();
  idle.take();
  fixture.say(busy, hello + envelope);
  fixture.say(stuck, hello + "MAIL FROM:<>\r\n");
  sealpost::event::TaskScope scope(fixture.loop);
  scope.spawn(fixture.acceptor().drain(std::chrono::seconds(30)));
  fixture.loop.settle();
  CHECK(idle.take().starts_with("421 4.3.2 "));
  CHECK(idle.closed);
  CHECK(fixture.connect().take().starts_with("421 4.3.2 "));
  const std::string said = fixture.say(busy, "x\r\n.\r\n");
  CHECK(said.starts_with("250 2.0.0 queued as "));
  CHECK(said.find("\r\n421 4.3.2 ") != std::string::npos);
  CHECK(fixture.acceptor().sessions() == 1);
  CHECK(scope.size() == 1);
  fixture.loop.advance(std::chrono::seconds(31));
  CHECK(fixture.acceptor().sessions() == 0);
  CHECK(stuck.closed);
  CHECK(scope.size() == 0);
  CHECK(fixture.sink.messages.size() == 1);
}

TEST_CASE("T-52 new settings are for sessions from then on") {
  IntakeFixture fixture;
  Script& before = fixture.connect();
  auto options = std::make_shared<smtp::ServerOptions>();
  options->hostname = "new.example.net";
  auto settings = std::make_shared<intake::Settings>(fixture.rules);
  settings->server = options;
  fixture.acceptor().set_settings(settings);
  Script& after = fixture.connect();
  CHECK(before.take().starts_with("220 relay.example.net "));
  CHECK(after.take().starts_with("220 new.example.net "));
  CHECK(fixture.say(before, "HELO c\r\n") == "250 relay.example.net\r\n");
}

TEST_CASE("sessions end in any order, and the list of them stays true") {
  IntakeFixture fixture;
  std::vector<Script*> open;
  std::mt19937 random(3);
  for (int step = 0; step < 500; ++step) {
    if (open.size() < 20 && random() % 2) {
      open.push_back(&fixture.connect());
    } else if (!open.empty()) {
      std::swap(open[random() % open.size()], open.back());
      open.back()->hang_up();
      open.pop_back();
      fixture.loop.settle();
    }
    REQUIRE(fixture.acceptor().sessions() == open.size());
    REQUIRE(fixture.limits().open() == open.size());
  }
}

namespace {

sealpost::event::Task<std::string> send_one(sealpost::event::EventLoop& loop, Endpoint to) {
  sealpost::event::SocketConnector connector(loop);
  auto stream = co_await connector.connect(to, std::chrono::seconds(5));
  if (!stream) co_return "no connection: " + stream.error().detail;
  sealpost::event::LineStream lines(std::move(*stream));
  lines.put(hello + envelope);
  auto flushed = co_await lines.flush(std::chrono::seconds(5));
  if (!flushed) co_return "not sent";
  std::string heard;
  for (;;) {
    auto line = co_await lines.line(1000, std::chrono::seconds(5));
    if (!line) co_return heard + "(" + line.error().detail + ")";
    heard += std::string(line->text.substr(0, 4));
    if (line->text.starts_with("354")) lines.put("Subject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n");
    if (lines.pending() > 0) {
      auto sent = co_await lines.flush(std::chrono::seconds(5));
      if (!sent) co_return "not sent";
    }
    if (line->text.starts_with("221")) co_return heard;
  }
}

}  // namespace

TEST_CASE("acceptor: over real sockets, two workers on one port") {
  sealpost::event::EventLoop loop;
  FakeSpool spool;
  NotingSink sink;
  intake::ConnectionLimits limits{intake::ConnectionCaps()};
  intake::BodyBudget budget(1U << 20);
  intake::Counters counters;
  const intake::Services services(spool, sink, limits, budget, counters);
  intake::RelayRules rules;
  rules.allow = {*Network::parse("127.0.0.0/8")};
  auto settings = std::make_shared<intake::Settings>(rules);
  auto options = std::make_shared<smtp::ServerOptions>();
  options->hostname = "relay.example.net";
  settings->server = options;
  intake::Acceptor one(loop, services, settings), two(loop, services, settings);

  sealpost::event::ListenOptions shared;
  shared.reuse_port = true;
  auto first = sealpost::event::listen_on(*Endpoint::parse("127.0.0.1:0"), shared);
  REQUIRE(first);
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  REQUIRE(::getsockname(first->get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
  const auto port = ntohs(reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
  const Endpoint at(IpAddress::v4({127, 0, 0, 1}), port);
  auto second = sealpost::event::listen_on(at, shared);
  REQUIRE(second);
  REQUIRE(one.listen(loop, std::move(*first)));
  REQUIRE(two.listen(loop, std::move(*second)));

  for (int i = 0; i < 20; ++i)
    CHECK(sealpost::event::run_until_done(loop, send_one(loop, at)) ==
          "220 250-250-250-250-250-250-250-250-250-250 250 250 354 250 221 ");
  CHECK(spool.stored.size() == 20);
  CHECK(sink.messages.size() == 20);
}

TEST_CASE("T-27 T-30 who XCLIENT names is who may relay, and whose places are counted") {
  IntakeFixture fixture;
  fixture.xclients = {*Network::parse("192.0.2.1/32")};
  fixture.caps.stranger = 1;
  const std::string recipient = "MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n";
  CHECK(fixture.say(fixture.connect("192.0.2.2"), "XCLIENT ADDR=192.0.2.7\r\n").starts_with("550 5.7.1"));
  Script& filter = fixture.connect("192.0.2.1");
  CHECK(fixture.say(filter, hello).find("XCLIENT") != std::string::npos);
  CHECK(fixture.say(filter, recipient).find("250 2.1.5") != std::string::npos);
  CHECK(fixture.say(filter, "RSET\r\nXCLIENT ADDR=203.0.113.9\r\n").find("\r\n220 ") != std::string::npos);
  CHECK(fixture.limits().strangers() == 1);
  CHECK(fixture.say(filter, hello + recipient).find("554 5.7.1") != std::string::npos);
  CHECK(fixture.connect("203.0.113.9").take().starts_with("421 "));
  CHECK(fixture.say(filter, "RSET\r\nXCLIENT ADDR=192.0.2.7\r\n").find("\r\n220 ") != std::string::npos);
  CHECK(fixture.limits().strangers() == 0);
  CHECK(fixture.say(filter, hello + recipient).find("250 2.1.5") != std::string::npos);
  CHECK(fixture.say(filter, "RSET\r\nXCLIENT ADDR=[UNAVAILABLE]\r\n").find("\r\n220 ") != std::string::npos);
  CHECK(fixture.say(filter, hello + recipient).find("554 5.7.1") != std::string::npos);
  CHECK(fixture.connect("203.0.113.9").take().starts_with("220 "));
  CHECK(fixture.say(filter, "RSET\r\nXCLIENT ADDR=203.0.113.9\r\n").find("421 ") != std::string::npos);
  CHECK(filter.closed);
  CHECK(fixture.acceptor().sessions() == 2);  // the one that may not speak for others, and the stranger's own
}
