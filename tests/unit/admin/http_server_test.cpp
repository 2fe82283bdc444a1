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

#include "../open_descriptors.hpp"
#include "event/sockaddr.hpp"

using namespace sealpost;
using namespace std::chrono_literals;
namespace ev = sealpost::event;  // libevent has a struct of this name

namespace {

ev::Task<admin::Page> hello() { co_return admin::Page(200, "hello\n"); }
ev::Task<admin::Page> page_that_throws() {
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
  using More = std::function<void(ev::EventLoop& loop, admin::HttpServer& server)>;
  explicit Served(admin::HttpLimits limits = {}, bool with_site = false, const More& more = {}) {
    std::promise<void> listening;
    thread = std::thread([this, limits, with_site, &more, &listening] {
      ev::EventLoop own;
      admin::HttpServer server(own, {}, limits);
      server.page("/hello", hello);
      server.page("/throws", page_that_throws);
      const auto visited = [&own](admin::Visit visit) {
        return visit.request.path == "/never" ? never(own) : echo(std::move(visit));
      };
      if (with_site) server.site(visited, [] { return true; });
      if (more) more(own, server);
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
  const std::size_t before = test::open_descriptors();
  std::vector<FileDescriptor> silent;
  std::size_t most = 0;
  for (int i = 0; i < 300; ++i) {
    silent.push_back(served.connect());
    if (i % 50 == 0) most = std::max(most, test::open_descriptors() - before - silent.size());
  }
  CHECK(asked(served, "GET /hello HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
  most = std::max(most, test::open_descriptors() - before - silent.size());
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

namespace {

intake::ConnectionCaps few_places(std::uint32_t most) {
  intake::ConnectionCaps caps;
  caps.total = caps.client = most;
  return caps;
}

// Where reports are brought to /r.
struct Reports {
  explicit Reports(std::uint64_t memory_ = 1u << 20, std::uint32_t most = 32)
      : memory(memory_), places(few_places(most)) {}
  Served::More more() {
    return [this](ev::EventLoop& loop, admin::HttpServer& server) {
      admin::HttpServer::Box box(
          "/r",
          [this, &loop](admin::Visit visit) {
            return visit.form == "never" ? never(loop) : take(std::move(visit));
          },
          places, memory);
      box.encrypted_only = encrypted_only;
      if (admits) {
        box.admit = [this](const admin::Visit& visit) { return admission(visit); };
        box.shape = [](admin::Page& page) { page.body = "shaped"; };
      }
      box.refusal = [this](const IpAddress&) -> std::optional<admin::Page> {
        if (!full) return std::nullopt;
        admin::Page page(429, "full\n");
        page.header("Retry-After", "7");
        return page;
      };
      box.answered = [this](const IpAddress&, const admin::Page& page) { last = page.status; };
      server.serve_box(std::move(box));
      if (encrypted_only)
        server.tls([](std::unique_ptr<ev::Stream> plain, Duration) { return as_it_is(std::move(plain)); });
    };
  }
  static ev::Task<Expected<admin::HttpServer::Secured>> as_it_is(std::unique_ptr<ev::Stream> plain) {
    admin::HttpServer::Secured secured;
    secured.stream = std::move(plain);
    secured.facts = std::make_shared<const HandshakeFacts>();
    co_return secured;
  }
  ev::Task<std::optional<admin::Page>> admission(const admin::Visit& visit) {
    if (visit.request.field("authorization") == "good") co_return std::nullopt;
    co_return admin::Page(401, "who?\n");
  }
  ev::Task<admin::Page> take(admin::Visit visit) {
    octets = visit.form.size();
    co_return admin::Page(200, "taken\n");
  }

  intake::BodyBudget memory;
  intake::ConnectionLimits places;
  bool encrypted_only = false, admits = false;
  std::atomic<bool> full{false};
  std::atomic<int> last{0};
  std::atomic<std::size_t> octets{0};
};

std::string report_of(std::string_view body, const std::string& more = "") {
  return "POST /r HTTP/1.1\r\nContent-Type: application/tlsrpt+json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + more + "\r\n" + std::string(body);
}

}  // namespace

TEST_CASE("T-59 where strangers bring reports there is nothing else, neither page nor site") {
  Reports reports;
  const Served served({}, true, reports.more());
  CHECK(asked(served, report_of("{}")).ends_with("\r\n\r\ntaken\n"));
  CHECK(reports.octets == 2);
  CHECK(reports.last == 200);
  for (const char* path : {"/hello", "/", "/r"}) {
    const std::string got = asked(served, std::string("GET ") + path + " HTTP/1.1\r\n\r\n");
    CHECK(got.starts_with("HTTP/1.1 405 "));
    CHECK(got.find("\r\nAllow: POST\r\n") != got.npos);
  }
  std::string elsewhere = report_of("{}");
  elsewhere.replace(elsewhere.find("/r"), 2, "/hello");
  const std::string missing = asked(served, elsewhere);
  CHECK(missing.starts_with("HTTP/1.1 404 "));
  CHECK(missing.find("throws") == missing.npos);
  CHECK(asked(served,
              "POST /r HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "
              "0\r\n\r\n")
            .starts_with("HTTP/1.1 415 "));
  CHECK(reports.last == 415);
}

TEST_CASE("T-28 reports hold no more memory together than there is, and it is given back") {
  Reports reports(200u << 10);
  const Served served({}, false, reports.more());
  CHECK(asked(served, report_of(std::string(190u << 10, 'x'))).starts_with("HTTP/1.1 200 "));
  const FileDescriptor slow = served.connect();
  say(slow, report_of(std::string(150u << 10, 'x')).substr(0, 140u << 10));
  for (int i = 0; i < 200 && reports.memory.used() < (128u << 10); ++i) std::this_thread::sleep_for(10ms);
  const std::string full = asked(served, report_of(std::string(100u << 10, 'x')));
  CHECK(full.starts_with("HTTP/1.1 503 "));
  CHECK(full.find("\r\nRetry-After: 60\r\n") != full.npos);
  say(slow, std::string(150u << 10, 'x').substr(0, 11u << 10));
  CHECK(hear(slow).starts_with("HTTP/1.1 200 "));
  for (int i = 0; i < 200 && reports.memory.used() > 0; ++i) std::this_thread::sleep_for(10ms);
  CHECK(reports.memory.used() == 0);
}

TEST_CASE("T-31 who is not admitted is answered before his body is read, and in the words of who asks") {
  Reports reports;
  reports.admits = true;
  const Served served({}, false, reports.more());
  const std::string whole = report_of("{}{}{}");
  const std::string refused = asked(served, whole.substr(0, whole.size() - 6));  // none of it comes
  CHECK(refused.starts_with("HTTP/1.1 401 "));
  CHECK(refused.ends_with("\r\n\r\nshaped"));
  CHECK(reports.octets == 0);
  CHECK(asked(served, report_of("{}", "Authorization: good\r\n")).starts_with("HTTP/1.1 200 "));
  CHECK(reports.octets == 2);
}

TEST_CASE("T-26 a report that drips in has the time of a request, and no more") {
  admin::HttpLimits limits;
  limits.request = 200ms;
  Reports reports;
  const Served served(limits, false, reports.more());
  const std::string whole = report_of("{}{}{}");
  CHECK(asked(served, whole.substr(0, whole.size() - 2)).starts_with("HTTP/1.1 408 "));
  CHECK(reports.octets == 0);
}

TEST_CASE("T-27 one client has so many connections, and what is over is closed unheard") {
  Reports reports(1u << 20, 2);
  const Served served({}, false, reports.more());
  const FileDescriptor one = served.connect(), two = served.connect();
  say(one, report_of("never"));
  say(two, report_of("never"));
  for (int i = 0; i < 200 && reports.places.open() < 2; ++i) std::this_thread::sleep_for(10ms);
  const FileDescriptor three = served.connect();
  CHECK(hear(three).empty());
  CHECK(served.counters->refused.load() == 1);
}

TEST_CASE("T-46 who has brought his share is told when to come again, before his report is read") {
  Reports reports;
  reports.full = true;
  const Served served({}, false, reports.more());
  const std::string told = asked(served, report_of("{}", "Expect: 100-continue\r\n"));
  CHECK(told.starts_with("HTTP/1.1 429 "));
  CHECK(told.find("\r\nRetry-After: 7\r\n") != told.npos);
  CHECK(reports.octets == 0);
}

TEST_CASE("who asks first is told to go on, and sends its report (RFC 9110 10.1.1)") {
  Reports reports;
  const Served served({}, false, reports.more());
  const std::string request = report_of("{}", "Expect: 100-continue\r\n");
  const FileDescriptor fd = served.connect();
  say(fd, request.substr(0, request.size() - 2));
  std::array<char, 25> interim{};
  REQUIRE(::recv(fd.get(), interim.data(), interim.size(), MSG_WAITALL) == 25);
  CHECK(std::string_view(interim.data(), interim.size()) == "HTTP/1.1 100 Continue\r\n\r\n");
  say(fd, "{}");
  CHECK(hear(fd).starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST_CASE("where reports come over TLS alone a word in clear is not answered") {
  Reports reports;
  reports.encrypted_only = true;
  const Served served({}, false, reports.more());
  CHECK(asked(served, report_of("{}")).empty());
  CHECK(reports.last == 0);
  CHECK(served.counters->refused.load() == 1);
}
