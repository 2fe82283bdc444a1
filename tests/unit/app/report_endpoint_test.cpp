// SPDX-License-Identifier: Apache-2.0
//
// Where other senders deliver reports by HTTPS: what they are answered, and what became of the report by then.
#include "app/report_endpoint.hpp"

#include <doctest.h>
#include <sys/socket.h>

#include <filesystem>

#include "../temporary_directory.hpp"
#include "event/listener.hpp"
#include "event/sockaddr.hpp"
#include "tlsrpt/counting/db_recorder.hpp"
#include "tlsrpt/received/received_aside.hpp"

using namespace sealpost;
using namespace std::chrono_literals;
namespace ev = sealpost::event;  // libevent has a struct of this name

namespace {

// In clear, on loopback, as behind a proxy.
struct Endpoint443 {
  explicit Endpoint443(std::uint64_t a_day = tlsrpt::StrangersRoom::usual)
      : recorder(tlsrpt::Store(directory.path() + "/tlsrpt.db", nullptr)),
        desk(recorder, a_day),
        endpoint(loop, desk, "/tlsrpt", {}) {
    auto socket = ev::listen_on(*Endpoint::parse("127.0.0.1:0"));
    REQUIRE(socket);
    at = ev::local_of(socket->get());
    REQUIRE(endpoint.listen(std::move(*socket)));
    endpoint.start();
  }
  ~Endpoint443() { endpoint.stop(); }
  std::string post(const std::string& body, const std::string& type = "application/tlsrpt+json") const {
    const FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const ev::SockAddr to(at);
    REQUIRE(::connect(fd.get(), to.get(), to.size()) == 0);
    const std::string text = "POST /tlsrpt HTTP/1.1\r\nHost: a\r\nContent-Type: " + type +
                             "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    REQUIRE(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
    std::string all;
    char octets[4096];
    for (ssize_t got = 0; (got = ::recv(fd.get(), octets, sizeof octets, 0)) > 0;)
      all.append(octets, static_cast<std::size_t>(got));
    return all;
  }
  // From another connection, which sees what is in the file alone.
  std::int64_t count(const std::string& table) const {
    auto store = tlsrpt::Store::open(directory.path() + "/tlsrpt.db");
    REQUIRE(store);
    auto query = store->statement(("SELECT count(*) FROM " + table).c_str());
    REQUIRE(query);
    REQUIRE(sqlite3_step(query->get()) == SQLITE_ROW);
    return sqlite3_column_int64(query->get(), 0);
  }

  const TemporaryDirectory directory;
  ev::EventLoop loop;
  tlsrpt::DbRecorder recorder;
  app::ReportDesk desk;
  app::ReportEndpoint endpoint;
  Endpoint at;
};

std::string numbered(int number, const std::string& sessions = "1") {
  const std::string day =
      to_utc_day(std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now() - 24h));
  return R"({"organization-name":"Noord","contact-info":"tls@noord.example","report-id":"post-)" +
         std::to_string(number) + R"(","date-range":{"start-datetime":")" + day +
         R"(T00:00:00Z","end-datetime":")" + day +
         R"(T23:59:59Z"},"policies":[{"policy":{"policy-type":"sts","policy-domain":"home.example"},)" +
         R"("summary":{"total-successful-session-count":)" + sessions +
         R"(,"total-failure-session-count":0}}]})";
}

}  // namespace

TEST_CASE("D-01 a report is in the database when its sender is told 200, once however often it comes") {
  const Endpoint443 world;
  CHECK(world.post(numbered(1)).starts_with("HTTP/1.1 200 "));
  CHECK(world.count("received_report") == 1);
  CHECK(world.post(numbered(1)).starts_with("HTTP/1.1 200 "));
  CHECK(world.count("received_report") == 1);
  CHECK(world.endpoint.counters().taken.load() == 2);
}

TEST_CASE("what cannot be taken is kept aside or named, and its sender told that it need not come again") {
  const Endpoint443 world;
  CHECK(world.post("\x1f\x8b broken", "application/tlsrpt+gzip").starts_with("HTTP/1.1 200 "));
  CHECK(world.post(numbered(1)).starts_with("HTTP/1.1 200 "));
  CHECK(world.post(numbered(1, "2")).starts_with("HTTP/1.1 200 "));  // another of the same name
  CHECK(world.count("received_report") == 1);
  CHECK(world.count("received_aside WHERE file LIKE 'https %'") == 2);
  CHECK(world.post("buy now").starts_with("HTTP/1.1 400 "));
  CHECK(world.post("").starts_with("HTTP/1.1 400 "));
  CHECK(world.count("received_aside") == 2);
  CHECK(world.endpoint.counters().refused.load() == 2);
}

TEST_CASE(
    "T-46 when strangers have brought a day's octets, by whichever way, the next one comes again later") {
  const Endpoint443 world(2 * numbered(1).size());
  CHECK(world.post(numbered(1)).starts_with("HTTP/1.1 200 "));
  CHECK(world.post(numbered(2)).starts_with("HTTP/1.1 200 "));
  const std::string full = world.post(numbered(3));
  CHECK(full.starts_with("HTTP/1.1 503 "));
  CHECK(full.find("\r\nRetry-After: 3600\r\n") != full.npos);
  CHECK(world.count("received_report") == 2);
  CHECK(world.endpoint.counters().put_off.load() == 1);
}

TEST_CASE("D-01 what the database does not take is not thanked for") {
  const Endpoint443 world;
  auto store = tlsrpt::Store::open(world.directory.path() + "/tlsrpt.db");
  REQUIRE(store);
  REQUIRE(store->run(
      "CREATE TRIGGER broken BEFORE INSERT ON received_report BEGIN SELECT RAISE(FAIL,'no'); END"));
  const std::string told = world.post(numbered(1));
  CHECK(told.starts_with("HTTP/1.1 503 "));
  CHECK(told.find("\r\nRetry-After: 300\r\n") != told.npos);
  REQUIRE(store->run("DROP TRIGGER broken"));
  CHECK(world.post(numbered(1)).starts_with("HTTP/1.1 200 "));
  CHECK(world.count("received_report") == 1);
}

TEST_CASE("T-46 one address brings so many reports within a day, and another one is not concerned") {
  app::DayShares shares(24);
  const SteadyTime now{1000h};
  const IpAddress one = *IpAddress::parse("192.0.2.1"), other = *IpAddress::parse("192.0.2.2");
  for (int i = 0; i < 24; ++i) CHECK(shares.ask(one, now) == Duration::zero());
  CHECK(shares.ask(one, now) == 1h);
  CHECK(shares.ask(other, now) == Duration::zero());
  CHECK(shares.ask(one, now + 30min) == 30min);
  CHECK(shares.ask(one, now + 1h) == Duration::zero());
  CHECK(shares.ask(one, now + 1h) == 1h);
  // All of a /64 is one host's.
  for (int i = 0; i < 24; ++i)
    CHECK(shares.ask(*IpAddress::parse("2001:db8::" + std::to_string(i + 1)), now) == Duration::zero());
  CHECK(shares.ask(*IpAddress::parse("2001:db8::ffff"), now) == 1h);
  CHECK(shares.ask(*IpAddress::parse("2001:db8:0:1::1"), now) == Duration::zero());
}
