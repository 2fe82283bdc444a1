// SPDX-License-Identifier: Apache-2.0
#include "admin/http_server.hpp"

#include <doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <future>
#include <thread>

#include "event/sockaddr.hpp"

using namespace sealpost;
using namespace std::chrono_literals;
namespace ev = sealpost::event;  // libevent has a struct of this name

namespace {

ev::Task<admin::Page> hello() { co_return admin::Page(200, "hello\n"); }
ev::Task<admin::Page> throws() {
  throw std::runtime_error("broken");
  co_return admin::Page(200, "");
}
ev::Task<admin::Page> echo(admin::Visit visit) {
  co_return admin::Page(200, visit.request.path + "?" + visit.request.query + " " + visit.form + "\n");
}

ev::Task<admin::Page> never(ev::Loop& loop) {
  co_await ev::sleep_for(loop, 1h);
  co_return admin::Page(200, "");
}

// A server on a thread of its own. Its site never answers under /never.
struct Served {
  explicit Served(admin::HttpLimits limits = {}, bool with_site = false) {
    std::promise<void> listening;
    thread = std::thread([this, limits, with_site, &listening] {
      ev::EventLoop own;
      admin::HttpServer server(own, {}, limits);
      server.page("/hello", hello);
      server.page("/throws", throws);
      const auto visited = [&own](admin::Visit visit) {
        return visit.request.path == "/never" ? never(own) : echo(std::move(visit));
      };
      if (with_site) server.site(visited, [] { return true; });
      auto socket = ev::listen_on(*Endpoint::parse("127.0.0.1:0"));
      REQUIRE(socket);
      address = ev::local_of(socket->get());
      const auto done = server.listen(std::move(*socket));
      REQUIRE(done);
      loop = &own;
      counters = &server.counters();
      listening.set_value();
      own.run();
    });
    listening.get_future().wait();
  }
  ~Served() {
    loop->stop();
    thread.join();
  }
  FileDescriptor connect() const {
    FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const ev::SockAddr to(address);
    REQUIRE(::connect(fd.get(), to.get(), to.size()) == 0);
    return fd;
  }

  ev::EventLoop* loop = nullptr;
  const admin::HttpServer::Counters* counters = nullptr;
  Endpoint address;
  std::thread thread;
};

void say(const FileDescriptor& fd, std::string_view text) {
  CHECK(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
}

// Until the server closes.
std::string hear(const FileDescriptor& fd) {
  std::string all;
  char octets[4096];
  for (ssize_t got = 0; (got = ::recv(fd.get(), octets, sizeof octets, 0)) > 0;)
    all.append(octets, static_cast<std::size_t>(got));
  return all;
}

std::string asked(const Served& served, std::string_view request) {
  const FileDescriptor fd = served.connect();
  say(fd, request);
  return hear(fd);
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

}  // namespace

TEST_CASE("T-59 pages are read with GET and HEAD, and nothing else is done") {
  const Served served;
  const std::string page = asked(served, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(page.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(page.find("Content-Length: 6\r\n") != page.npos);
  CHECK(page.ends_with("\r\n\r\nhello\n"));
  const std::string head = asked(served, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(head.find("Content-Length: 6\r\n") != head.npos);
  CHECK(head.ends_with("\r\n\r\n"));

  const std::string missing = asked(served, "GET /v1/status HTTP/1.1\r\n\r\n");
  CHECK(missing.starts_with("HTTP/1.1 404 "));
  CHECK(missing.find("/hello\n/throws\n") != missing.npos);
  const std::string command = asked(served, "POST /hello HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
  CHECK(command.starts_with("HTTP/1.1 405 "));
  CHECK(command.find("Allow: GET, HEAD\r\n") != command.npos);
  CHECK(asked(served, "GET /throws HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 500 "));
  CHECK(asked(served, "GET / HTTP/1.1\r\nX: " + std::string(20'000, 'a')).starts_with("HTTP/1.1 431 "));
  CHECK(asked(served, "\x16\x03\x01\r\n\r\n").starts_with("HTTP/1.1 400 "));
}

TEST_CASE("T-59 where there is a site it has all other paths and forms, and the pages stay what they are") {
  const Served served({}, true);
  const std::string head =
      "POST /a?b HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\n";
  CHECK(asked(served, head + "c=1&d=2").ends_with("\r\n\r\n/a?b c=1&d=2\n"));
  CHECK(asked(served, head + "c=1&d=2 and what nobody asked for").ends_with("\r\n\r\n/a?b c=1&d=2\n"));
  CHECK(asked(served, "GET /a?b HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n/a?b \n"));
  CHECK(asked(served, "GET /hello HTTP/1.1\r\n\r\n").ends_with("\r\n\r\nhello\n"));
  CHECK(asked(served,
              "POST /hello HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "
              "0\r\n\r\n")
            .starts_with("HTTP/1.1 405 "));
  const FileDescriptor fd = served.connect();
  for (const char c : head + "c=1&d=2") say(fd, std::string_view(&c, 1));
  CHECK(hear(fd).ends_with("/a?b c=1&d=2\n"));
}

TEST_CASE("T-26 a form that drips in has the time of a request, and no more") {
  admin::HttpLimits limits;
  limits.request = 200ms;
  const Served served(limits, true);
  CHECK(asked(served,
              "POST /a HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "
              "7\r\n\r\nc=1")
            .starts_with("HTTP/1.1 408 "));
}

TEST_CASE("a header of a page has no end of line in it") {
  admin::Page page(200, "");
  page.header("Location", "/a\r\nSet-Cookie: b");
  page.header("Location", "/a");
  CHECK(page.more_headers == "Location: /a\r\n");
}

TEST_CASE("a head that comes octet by octet is read like any other") {
  const Served served;
  const FileDescriptor fd = served.connect();
  for (const char c : std::string_view("GET /hello HTTP/1.1\r\n\r\n")) say(fd, std::string_view(&c, 1));
  CHECK(hear(fd).starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST_CASE("T-26 octets that drip in do not lengthen the time for a request") {
  admin::HttpLimits limits;
  limits.request = 200ms;
  const Served served(limits);
  const FileDescriptor fd = served.connect();
  say(fd, "GET /hello HTTP/1.1\r\n");
  pollfd ended{fd.get(), POLLIN, 0};
  int drops = 0;
  while (::poll(&ended, 1, 20) == 0 && ++drops < 1000) {
    const char drop[] = "X: y\r\n";
    if (::send(fd.get(), drop, sizeof drop - 1, MSG_NOSIGNAL) < 0) break;
  }
  CHECK(hear(fd).starts_with("HTTP/1.1 408 "));
  CHECK(served.counters->timed_out.load() == 1);
}

TEST_CASE(
    "T-27 a thousand silent clients take no more descriptors than there are places, and keep nobody out") {
  admin::HttpLimits limits;
  limits.connections = 8;
  const Served served(limits);
  const std::size_t before = open_descriptors();
  std::vector<FileDescriptor> silent;
  std::size_t most = 0;
  for (int i = 0; i < 300; ++i) {
    silent.push_back(served.connect());
    if (i % 50 == 0) most = std::max(most, open_descriptors() - before - silent.size());
  }
  CHECK(asked(served, "GET /hello HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
  most = std::max(most, open_descriptors() - before - silent.size());
  CHECK(most <= limits.connections);
  CHECK(served.counters->gave_way.load() > 0);
}

TEST_CASE("T-26 however many pages are being made, who watches the relay is answered") {
  admin::HttpLimits limits;
  limits.connections = 8;
  limits.place = 10ms;
  const Served served(limits, true);
  std::vector<FileDescriptor> visits;
  for (int i = 0; i < 30; ++i) {
    visits.push_back(served.connect());
    say(visits.back(), "GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  CHECK(asked(served, "GET /hello HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
  const std::string one_more = asked(served, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(one_more.starts_with("HTTP/1.1 503 "));
  CHECK(one_more.find("Retry-After: 5\r\n") != one_more.npos);
  CHECK(served.counters->visits_refused.load() > 0);
}

TEST_CASE("T-62 nothing of a form stays where a visit was") {
  alignas(admin::Visit) std::array<char, sizeof(admin::Visit)> room{};
  auto* const visit = new (room.data()) admin::Visit;
  visit->form = "p=short";  // within the string itself
  const admin::Visit moved = std::move(*visit);
  visit->~Visit();
  CHECK(std::string_view(room.data(), room.size()).find("short") == std::string_view::npos);
  CHECK(moved.form == "p=short");
}
