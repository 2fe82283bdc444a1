// SPDX-License-Identifier: Apache-2.0
#include "http/curl_client.hpp"

#include <doctest.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <csignal>
#include <string_view>
#include <thread>

#include "../few_descriptors.hpp"
#include "event/run.hpp"
#include "https_server.hpp"

using namespace sealpost;
using namespace sealpost::http;
using namespace sealpost::test;
using namespace std::chrono_literals;
using Connection = HttpsServer::Connection;

namespace {

const Issued& root() {
  static const Issued issued = self_signed(authority("Test Root"));
  return issued;
}

std::shared_ptr<const tls::TrustStore> trust() {
  static const auto store = tls::TrustStore::from_pem(root().pem()).value();
  return store;
}

Issued good() { return issue(server("mta-sts.b.test"), root()); }

Request request_to(std::uint16_t port) {
  static const auto ignored = std::signal(SIGPIPE, SIG_IGN);  // as the relay does, process-wide
  (void)ignored;
  Request request;
  request.host = "mta-sts.b.test";
  request.port = port;
  request.path = "/.well-known/mta-sts.txt";
  request.addresses = {IpAddress::v4({127, 0, 0, 1})};
  request.limit = 800ms;
  return request;
}

Expected<Response, Failure> send(Request request) {
  event::EventLoop loop;
  CurlClient client(loop, trust());
  return event::run_until_done(loop, client.send(std::move(request)));
}

Expected<Response, Failure> fetch(HttpsServer::Script script) {
  HttpsServer server(good(), std::move(script));
  return send(request_to(server.port()));
}

HttpsServer::Script answering(std::string bytes) {
  return [bytes = std::move(bytes)](Connection& connection) { connection.send(bytes); };
}

}  // namespace

TEST_CASE("a plain answer: status, media type, body; asked for as a policy is (S9, S20, S22)") {
  std::string seen;
  HttpsServer server(good(), [&](Connection& connection) {
    seen = connection.request;
    connection.send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: 5\r\n\r\nhello");
  });
  const auto response = send(request_to(server.port()));
  REQUIRE(response);
  CHECK(response->status == 200);
  CHECK(response->content_type == "text/plain; charset=UTF-8");
  CHECK(response->body == "hello");
  CHECK(seen.starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n"));
  CHECK(seen.find("\r\nHost: mta-sts.b.test") != std::string::npos);
  CHECK(seen.find("\r\nAccept-Encoding: identity\r\n") != std::string::npos);
  for (const char* unwanted :
       {"Cookie", "If-Modified-Since", "If-None-Match", "Cache-Control", "Authorization"}) {
    CHECK(seen.find(unwanted) == std::string::npos);
  }
  CHECK(server.names() == std::vector<std::string>{"mta-sts.b.test"});
}

TEST_CASE("POST carries its body and media type, and no Content-Encoding (R23)") {
  std::string seen;
  HttpsServer server(good(), [&](Connection& connection) {
    seen = connection.request;
    connection.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
  });
  Request request = request_to(server.port());
  request.post = true;
  request.body = std::string("\x1f\x8b\0binary", 9);
  request.headers.emplace_back("Content-Type", "application/tlsrpt+gzip");
  const auto response = send(std::move(request));
  REQUIRE(response);
  CHECK(response->status == 201);
  CHECK(seen.starts_with("POST "));
  CHECK(seen.find("\r\nContent-Type: application/tlsrpt+gzip\r\n") != std::string::npos);
  CHECK(seen.find("\r\nContent-Length: 9\r\n") != std::string::npos);
  CHECK(seen.ends_with(std::string_view("\x1f\x8b\0binary", 9)));
  CHECK(seen.find("Content-Encoding") == std::string::npos);
  CHECK(seen.find("Expect") == std::string::npos);
}

TEST_CASE("RPT-09 T-19: where only the status is wanted, no body is waited for, whatever becomes of it") {
  const std::string created = "HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\n";
  const HttpsServer::Script scripts[] = {
      [&](Connection& c) { c.send(created + "\r\n") && c.flood(std::string(16000, 'x')); },
      [&](Connection& c) { c.send(created + "Content-Length: 100\r\n\r\n") && c.drip("x", 20ms); },
      [&](Connection& c) {
        c.send(created + "Content-Length: 100\r\n\r\n");
        c.wait();
      },
      [&](Connection& c) {
        c.send("HTTP/1.1 102 Processing\r\n\r\n" + created + "Content-Length: 0\r\n\r\n");
      },
      [&](Connection& c) { c.send(created + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"); },
  };
  for (const HttpsServer::Script& script : scripts) {
    HttpsServer server(good(), script);
    Request request = request_to(server.port());
    request.post = true;
    request.body = "report";
    request.read_body = false;
    const auto response = send(std::move(request));
    REQUIRE(response);
    CHECK(response->status == 201);
    CHECK(response->body.empty());
  }
}

TEST_CASE("T-14, S20: any status is a response, a redirect is not followed") {
  HttpsServer target(good(), answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  const std::string location = "https://mta-sts.b.test:" + std::to_string(target.port()) + "/";
  for (const int status : {204, 301, 302, 307, 308, 404, 500}) {
    const auto response = fetch(answering("HTTP/1.1 " + std::to_string(status) +
                                          " X\r\nLocation: " + location + "\r\nContent-Length: 0\r\n\r\n"));
    REQUIRE(response);
    CHECK(response->status == status);
  }
  CHECK(target.accepted() == 0);
}

TEST_CASE("T-14, S20: the environment's proxy is not used") {
  ::setenv("https_proxy", "http://127.0.0.1:1", 1);
  ::setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  const auto response = fetch(answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  ::unsetenv("https_proxy");
  ::unsetenv("ALL_PROXY");
  CHECK(response.has_value());
}

TEST_CASE("T-19: what a hostile server sends ends in bounded time and memory") {
  struct Row {
    const char* what;
    FailureKind kind;
    const char* reason;
    HttpsServer::Script script;
  };
  const std::string ok = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  const std::vector<Row> rows = {
      {"silence", FailureKind::timed_out, "timeout", [](Connection& c) { c.wait(); }},
      {"a body that drips", FailureKind::timed_out, "timeout",
       [&](Connection& c) { c.send(ok + "Content-Length: 60000\r\n\r\n") && c.drip("x", 20ms); }},
      {"a header that drips", FailureKind::timed_out, "timeout",
       [&](Connection& c) { c.send(ok + "X: ") && c.drip("x", 20ms); }},
      {"endless headers", FailureKind::too_large, "headers-too-large",
       [&](Connection& c) { c.send(ok) && c.flood("X-Header: " + std::string(1000, 'x') + "\r\n"); }},
      {"one endless header", FailureKind::too_large, "headers-too-large",
       [&](Connection& c) { c.send(ok + "X: ") && c.flood(std::string(16000, 'x')); }},
      {"endless interim responses", FailureKind::too_large, "headers-too-large",
       [](Connection& c) { c.flood("HTTP/1.1 100 Continue\r\n\r\n"); }},
      {"a body of ten gigabytes", FailureKind::too_large, "body-too-large",
       [&](Connection& c) {
         c.send(ok + "Content-Length: 10737418240\r\n\r\n") && c.flood(std::string(16000, 'x'));
       }},
      {"endless chunks", FailureKind::too_large, "body-too-large",
       [&](Connection& c) { c.send(ok + "Transfer-Encoding: chunked\r\n\r\n") && c.flood(chunk); }},
      {"one octet too many", FailureKind::too_large, "body-too-large",
       [&](Connection& c) { c.send(ok + "Content-Length: 65537\r\n\r\n" + std::string(65537, 'x')); }},
      {"a body without an end", FailureKind::too_large, "body-too-large",
       [&](Connection& c) { c.send(ok + "\r\n") && c.flood(std::string(16000, 'x')); }},
      {"gzip that was not asked for", FailureKind::protocol, "content-encoding",
       [&](Connection& c) { c.send(ok + "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbomb"); }},
      {"a chunk size that is none", FailureKind::protocol, "http-protocol-error",
       [&](Connection& c) { c.send(ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"); }},
      {"a negative length", FailureKind::protocol, "http-protocol-error",
       [&](Connection& c) { c.send(ok + "Content-Length: -1\r\n\r\n"); }},
      {"an early end", FailureKind::protocol, "http-protocol-error",
       [&](Connection& c) { c.send(ok + "Content-Length: 100\r\n\r\nshort"); }},
      {"no HTTP at all", FailureKind::protocol, "http-protocol-error",
       [](Connection& c) { c.send("220 mx.b.test ESMTP\r\n"); }},
      {"a reset", FailureKind::protocol, "http-protocol-error", [](Connection& c) { c.reset(); }},
      {"a close without an answer", FailureKind::protocol, "http-protocol-error", [](Connection&) {}},
  };
  for (const Row& row : rows) {
    CAPTURE(std::string(row.what));
    const auto response = fetch(row.script);
    REQUIRE_FALSE(response);
    CHECK(response.error().kind == row.kind);
    CHECK(response.error().reason == row.reason);
  }
}

TEST_CASE("S22: a body of exactly the cap is taken, in any framing") {
  const std::string body(65536, 'x');
  for (const std::string& framed : {"Content-Length: 65536\r\n\r\n" + body,
                                    "Transfer-Encoding: chunked\r\n\r\n10000\r\n" + body + "\r\n0\r\n\r\n",
                                    "Connection: close\r\n\r\n" + body}) {
    const auto response = fetch(answering("HTTP/1.1 200 OK\r\n" + framed));
    REQUIRE(response);
    CHECK(response->body.size() == 65536);
  }
}

TEST_CASE("S18, T-14, STS-09: certificates of a policy host") {
  struct Row {
    const char* what;
    CertificateSpec spec;
    const char* reason;  // empty: accepted
  };
  std::vector<Row> rows = {
      {"the name itself", server("mta-sts.b.test"), ""},
      {"a whole wildcard label", server("*.b.test"), ""},
      {"another name", server("b.test"), "X509_V_ERR_HOSTNAME_MISMATCH"},
      {"the provider behind a CNAME (S19)", server("provider.test"), "X509_V_ERR_HOSTNAME_MISMATCH"},
      {"a partial wildcard", server("mta-*.b.test"), "X509_V_ERR_HOSTNAME_MISMATCH"},
      {"a wildcard over two labels", server("*.test"), "X509_V_ERR_HOSTNAME_MISMATCH"},
      {"common name only", CertificateSpec("mta-sts.b.test", {}), "X509_V_ERR_HOSTNAME_MISMATCH"},
      {"common name beside another SAN", CertificateSpec("mta-sts.b.test", {"x.test"}),
       "X509_V_ERR_HOSTNAME_MISMATCH"},
      {"expired", server("mta-sts.b.test"), "X509_V_ERR_CERT_HAS_EXPIRED"},
      {"not yet valid", server("mta-sts.b.test"), "X509_V_ERR_CERT_NOT_YET_VALID"},
      {"damaged", server("mta-sts.b.test"), "X509_V_ERR_CERT_SIGNATURE_FAILURE"},
  };
  rows[8].spec.not_after = test_now() - 1h;
  rows[9].spec.not_before = test_now() + 1h;
  rows[10].spec.damaged = true;
  for (const Row& row : rows) {
    CAPTURE(std::string(row.what));
    HttpsServer server_(issue(row.spec, root()), answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    const auto response = send(request_to(server_.port()));
    CHECK(response.has_value() == (*row.reason == '\0'));
    if (response) continue;
    CHECK(response.error().kind == FailureKind::certificate);
    CHECK(response.error().reason == row.reason);
  }
}

TEST_CASE("S18: an unknown issuer and a self-signed certificate") {
  const Issued other = self_signed(authority("Other Root"));
  HttpsServer unknown(issue(server("mta-sts.b.test"), other), answering("HTTP/1.1 200 OK\r\n\r\n"));
  auto response = send(request_to(unknown.port()));
  REQUIRE_FALSE(response);
  CHECK(response.error().kind == FailureKind::certificate);
  CHECK(response.error().reason == "X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
  HttpsServer self(self_signed(server("mta-sts.b.test")), answering("HTTP/1.1 200 OK\r\n\r\n"));
  response = send(request_to(self.port()));
  REQUIRE_FALSE(response);
  CHECK(response.error().reason == "X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT");
}

TEST_CASE("TLS 1.1 is not spoken; a closed port and silence on connect have their own kinds") {
  HttpsServer old(good(), answering("HTTP/1.1 200 OK\r\n\r\n"), TLS1_1_VERSION);
  auto response = send(request_to(old.port()));
  REQUIRE_FALSE(response);
  CHECK(response.error().kind == FailureKind::tls);

  response = send(request_to(1));
  REQUIRE_FALSE(response);
  CHECK(response.error().kind == FailureKind::connect);

  Request nowhere = request_to(443);
  nowhere.addresses.clear();
  response = send(std::move(nowhere));
  REQUIRE_FALSE(response);
  CHECK(response.error().reason == "no-address");
}

TEST_CASE("T-27 no descriptor for the connection is our own want, not a host that cannot be reached") {
  HttpsServer server(good(), answering("HTTP/1.1 200 OK\r\n\r\n"));
  event::EventLoop loop;
  CurlClient client(loop, trust());
  const auto response = [&] {
    const FewDescriptors none(0);
    return event::run_until_done(loop, client.send(request_to(server.port())));
  }();
  REQUIRE_FALSE(response);
  CHECK(response.error().kind == FailureKind::internal);
  CHECK(response.error().reason == "out-of-descriptors");
  CHECK(event::run_until_done(loop, client.send(request_to(server.port()))));
}

TEST_CASE("T-20, T-40: only the given addresses are contacted, whatever the name resolves to elsewhere") {
  HttpsServer server_(issue(server("localhost"), root()),
                      answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  Request request = request_to(server_.port());
  request.host = "localhost";
  request.addresses = {IpAddress::v4({127, 0, 0, 99})};  // nobody there
  CHECK_FALSE(send(request));
  CHECK(server_.accepted() == 0);
  request.addresses.push_back(IpAddress::v4({127, 0, 0, 1}));  // the second is tried
  CHECK(send(request));
  CHECK(server_.accepted() == 1);
}

TEST_CASE("addresses of one request do not linger for the next to the same host") {
  HttpsServer server_(good(), answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  event::EventLoop loop;
  CurlClient client(loop, trust());
  CHECK(event::run_until_done(loop, client.send(request_to(server_.port()))));
  Request moved = request_to(server_.port());
  moved.addresses = {IpAddress::v4({127, 0, 0, 99})};
  CHECK_FALSE(event::run_until_done(loop, client.send(std::move(moved))));
  CHECK(server_.accepted() == 1);
}

namespace {

event::Task<void> count_into(Client& client, Request request, int& done) {
  const auto response = co_await client.send(std::move(request));
  done += response.has_value() ? 1 : 0;
}

}  // namespace

TEST_CASE("many at once, and given up at any moment") {
  HttpsServer server_(good(), [](Connection& connection) {
    std::this_thread::sleep_for(3ms);
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n" + std::string(30000, 'x'));
  });
  event::EventLoop loop;
  CurlClient client(loop, trust());
  int done = 0;
  for (int round = 0; round < 12; ++round) {
    event::TaskScope scope(loop);
    for (int i = 0; i < 4; ++i) {
      Request request = request_to(server_.port());
      request.limit = 5s;
      scope.spawn(count_into(client, std::move(request), done));
    }
    auto run = [&]() -> event::Task<void> {
      if (round < 11) {
        co_await event::sleep_for(loop, std::chrono::microseconds(round * 900));
        scope.cancel();
      } else {
        co_await scope.join();
      }
    };
    event::run_until_done(loop, run());
  }
  CHECK(done >= 4);
}

TEST_CASE("in clear a request goes to the address that its URL names, and to nothing else") {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::listen(listener, 1) == 0);
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  std::string came;
  std::thread server([&] {
    const int fd = ::accept(listener, nullptr, nullptr);
    char octets[4096];
    while (came.find("{\"a\":1}") == std::string::npos) {
      const auto got = ::read(fd, octets, sizeof octets);
      if (got <= 0) break;
      came.append(octets, static_cast<std::size_t>(got));
    }
    const std::string_view answer = "HTTP/1.1 204 No Content\r\n\r\n";
    CHECK(::write(fd, answer.data(), answer.size()) == static_cast<ssize_t>(answer.size()));
    ::close(fd);
  });
  Request request = request_to(ntohs(at.sin_port));
  request.host = "127.0.0.1";
  request.tls = false;
  request.post = true;
  request.body = "{\"a\":1}";
  const auto response = send(std::move(request));
  server.join();
  ::close(listener);
  REQUIRE(response);
  CHECK(response->status == 204);
  CHECK(came.starts_with("POST /.well-known/mta-sts.txt HTTP/1.1\r\nHost: 127.0.0.1:"));
}
