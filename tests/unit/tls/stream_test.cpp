// SPDX-License-Identifier: Apache-2.0
//
// TlsStream: every octet, in order, whatever the slices and windows below; ends; over simulated streams as well.
#include <doctest.h>

#include <random>

#include "bad_certificates.hpp"
#include "event/line_stream.hpp"
#include "event/sim_loop.hpp"
#include "event/sim_stream.hpp"
#include "loopback.hpp"
#include "tls/openssl_client.hpp"
#include "tls/openssl_server.hpp"

namespace sealpost::test {

namespace {

constexpr Duration long_patience = std::chrono::seconds(60);

std::unique_ptr<tls::OpensslServer> relay_server() {
  const Issued leaf = issue(server("relay.example.test"), trusted_root());
  auto identity = tls::ServerIdentity::from_pem(leaf.pem(), leaf.key_pem());
  REQUIRE(identity);
  auto made =
      tls::OpensslServer::create(std::make_shared<const tls::ServerCertificates>(std::vector{*identity}), {});
  REQUIRE(made);
  return std::move(*made);
}

std::unique_ptr<tls::OpensslClient> any_client() {
  auto made = tls::OpensslClient::create(trust_in_root());
  REQUIRE(made);
  return std::move(*made);
}

std::string random_text(std::size_t octets, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text(octets, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

// Sends one text while reading the other.
event::Task<void> send_all(event::Stream& stream, std::string text, bool& done) {
  auto sent = co_await send_text(stream, std::move(text));
  done = sent.has_value();
}

void exchange(event::Loop& loop, event::Stream& a, event::Stream& b, std::size_t octets) {
  const std::string from_a = random_text(octets, 1);
  const std::string from_b = random_text(octets, 2);
  event::TaskScope scope(loop);
  bool a_sent = false;
  bool b_sent = false;
  scope.spawn(send_all(a, from_a, a_sent));
  const auto at_b = event::run_until_done(loop, read_text(b, octets));
  REQUIRE(at_b);
  CHECK((*at_b == from_a));
  scope.spawn(send_all(b, from_b, b_sent));
  const auto at_a = event::run_until_done(loop, read_text(a, octets));
  REQUIRE(at_a);
  CHECK((*at_a == from_b));
  CHECK((a_sent && b_sent));
}

}  // namespace

TEST_CASE("every octet arrives: loopback") {
  event::EventLoop loop;
  const auto client = any_client();
  const auto server = relay_server();
  Ends ends = loopback(loop);
  auto [ours, theirs] = run_both(loop, client->handshake(std::move(ends.client), {}, long_patience),
                                 server->accept(std::move(ends.server), long_patience));
  REQUIRE(ours);
  REQUIRE(theirs);
  for (const std::size_t octets : {1UL, 2UL, 16383UL, 16384UL, 16385UL, 70000UL, 3000000UL}) {
    exchange(loop, *ours->stream, *theirs->stream, octets);
  }
}

TEST_CASE("every octet arrives: simulated wires of any slice and window") {
  const auto client = any_client();
  const auto server = relay_server();
  for (const std::size_t slice : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
    for (const std::size_t window : {700UL, 5000UL, 65536UL}) {
      event::SimLoop loop(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
      event::SimLink link;
      link.slice = slice;
      link.window = window;
      link.latency = std::chrono::milliseconds(5);
      event::SimConnection wire(loop, link);
      auto [ours, theirs] = run_both(loop, client->handshake(std::move(wire.client), {}, long_patience),
                                     server->accept(std::move(wire.server), long_patience));
      REQUIRE(ours);
      REQUIRE(theirs);
      CHECK(ours->facts.certificate->webpki.ok());
      exchange(loop, *ours->stream, *theirs->stream, slice == 1 ? 3000 : 40000);
    }
  }
}

TEST_CASE("several records in one read: nothing waits inside while the socket is silent") {
  event::EventLoop loop;
  const auto client = any_client();
  const auto server = relay_server();
  Ends ends = loopback(loop);
  auto [ours, theirs] = run_both(loop, client->handshake(std::move(ends.client), {}, long_patience),
                                 server->accept(std::move(ends.server), long_patience));
  REQUIRE(ours);
  REQUIRE(theirs);
  for (int i = 0; i < 50; ++i)
    CHECK(theirs->stream->try_write("250-line " + std::to_string(i) + "\r\n").bytes > 0);
  event::LineStream lines(std::move(ours->stream));
  for (int i = 0; i < 50; ++i) {
    const auto line = event::run_until_done(loop, lines.line(100, std::chrono::seconds(5)));
    REQUIRE(line);
    CHECK(line->text == "250-line " + std::to_string(i));
  }
}

TEST_CASE("ends: with and without close_notify, and torn") {
  for (const bool orderly : {true, false}) {
    event::EventLoop loop;
    const auto client = any_client();
    const auto server = relay_server();
    Ends ends = loopback(loop);
    event::Stream& below = *ends.server;
    auto [ours, theirs] = run_both(loop, client->handshake(std::move(ends.client), {}, long_patience),
                                   server->accept(std::move(ends.server), long_patience));
    REQUIRE(ours);
    REQUIRE(theirs);
    REQUIRE(event::run_until_done(loop, send_text(*theirs->stream, "221 bye\r\n")));
    if (orderly) {
      theirs->stream->close();
    } else {
      below.close();  // FIN without a word at the TLS layer
    }
    const auto all = event::run_until_done(loop, read_text(*ours->stream, 100));
    REQUIRE(all);
    CHECK(*all == "221 bye\r\n");
  }
  event::SimLoop loop;
  const auto client = any_client();
  const auto server = relay_server();
  event::SimConnection wire(loop, event::SimLink());
  const auto cable = wire.wire;
  auto [ours, theirs] = run_both(loop, client->handshake(std::move(wire.client), {}, long_patience),
                                 server->accept(std::move(wire.server), long_patience));
  REQUIRE(ours);
  cable->cut();
  const auto nothing = event::run_until_done(loop, read_text(*ours->stream, 100));
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().code == Errc::io);
}

TEST_CASE("a record that was tampered with is an error, not data") {
  event::EventLoop loop;
  const auto client = any_client();
  const auto server = relay_server();
  Ends ends = loopback(loop);
  event::Stream& below = *ends.server;
  auto [ours, theirs] = run_both(loop, client->handshake(std::move(ends.client), {}, long_patience),
                                 server->accept(std::move(ends.server), long_patience));
  REQUIRE(ours);
  REQUIRE(theirs);
  below.try_write(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  const auto read = event::run_until_done(loop, read_text(*ours->stream, 10));
  REQUIRE_FALSE(read);
  CHECK(read.error().code == Errc::tls);
  CHECK(read.error().detail == "decryption-failed-or-bad-record-mac");
}

TEST_CASE("a handshake may be dropped at any point") {
  const auto client = any_client();
  const auto server = relay_server();
  for (std::uint64_t octets = 0; octets < 3000; octets += 97) {
    event::SimLoop loop;
    event::SimLink link;
    link.window = 64;
    link.latency = std::chrono::milliseconds(1);
    event::SimConnection wire(loop, link);
    auto ours = client->handshake(std::move(wire.client), {}, long_patience);
    auto theirs = server->accept(std::move(wire.server), long_patience);
    event::TaskScope scope(loop);
    auto run = [](event::Task<Expected<tls::Secured>> task) -> event::Task<void> {
      auto ignored = co_await task;
    };
    scope.spawn(run(std::move(ours)));
    scope.spawn(run(std::move(theirs)));
    loop.advance(std::chrono::milliseconds(octets / 64));
    scope.cancel();
  }
}

}  // namespace sealpost::test
