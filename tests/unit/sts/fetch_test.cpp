// SPDX-License-Identifier: Apache-2.0
#include "sts/fetch.hpp"

#include <doctest.h>

#include <csignal>
#include <functional>

#include "../dns/table_resolver.hpp"
#include "../http/https_server.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "http/curl_client.hpp"
#include "sealpost/mta_sts.hpp"

using namespace sealpost;
using namespace sealpost::sts;
using namespace sealpost::test;
using namespace std::chrono_literals;
using Connection = HttpsServer::Connection;
using Result = Expected<std::string, FetchFailure>;

namespace {

const std::string body = "version: STSv1\r\nmode: enforce\r\nmx: mx.b.test\r\nmax_age: 86400\r\n";

const Issued& root() {
  static const Issued issued = self_signed(authority("Test Root"));
  return issued;
}

std::string answer(const std::string& status, const std::string& headers, const std::string& content) {
  return "HTTP/1.1 " + status + "\r\n" + headers + "Content-Length: " + std::to_string(content.size()) +
         "\r\n\r\n" + content;
}
const std::string plain = "Content-Type: text/plain\r\n";

// The real client and a policy host on loopback, which the operator allows.
Result fetch_from(const HttpsServer& server) {
  std::signal(SIGPIPE, SIG_IGN);  // as the relay does, process-wide
  event::EventLoop loop;
  dns::test::TableResolver table(loop);
  table.address("mta-sts.b.test", {"127.0.0.1"});
  http::CurlClient client(loop, tls::TrustStore::from_pem(root().pem()).value());
  FetchSettings settings;
  settings.port = server.port();
  settings.limit = 700ms;
  settings.allow_destinations = {Network::parse("127.0.0.0/8").value()};
  HttpsPolicyFetcher fetcher(loop, table, client, settings);
  return event::run_until_done(loop, fetcher.fetch("b.test"));
}

Result fetch(const CertificateSpec& certificate, HttpsServer::Script script) {
  HttpsServer server(issue(certificate, root()), std::move(script));
  return fetch_from(server);
}

Result fetch(const std::string& bytes) {
  return fetch(server("mta-sts.b.test"), [&](Connection& connection) { connection.send(bytes); });
}

// Notes what it is asked to fetch, and takes its time.
class FakeClient final : public http::Client {
 public:
  explicit FakeClient(event::Loop& loop) noexcept : loop_(loop) {}
  event::Task<Expected<http::Response, http::Failure>> send(http::Request request) override {
    requests.push_back(request);
    ++at_once;
    most_at_once = std::max(most_at_once, at_once);
    co_await event::sleep_for(loop_, 1s);
    --at_once;
    http::Response response;
    response.status = 200;
    response.content_type = "text/plain";
    response.body = body;
    co_return response;
  }
  std::vector<http::Request> requests;
  int at_once = 0, most_at_once = 0;

 private:
  event::Loop& loop_;
};

struct Simulated {
  event::SimLoop loop;
  dns::test::TableResolver table{loop};
  FakeClient client{loop};
  FetchSettings settings;
  Result fetch(const std::string& domain) {
    HttpsPolicyFetcher fetcher(loop, table, client, settings);
    return event::run_until_done(loop, fetcher.fetch(domain));
  }
};

}  // namespace

TEST_CASE("STS-09: which answers are a policy (S18, S20, S21, S22)") {
  struct Row {
    const char* what;
    std::string bytes;
    const char* type;  // empty: fetched
    const char* reason;
  };
  const std::string location = "Location: https://mta-sts.b.test/elsewhere\r\n";
  for (const Row& row : {
           Row{"a plain policy", answer("200 OK", plain, body), "", ""},
           Row{"a media type with parameters, any case",
               answer("200 OK", "Content-Type: Text/Plain ; charset=UTF-8\r\n", body), "", ""},
           Row{"301 to a valid policy", answer("301 Moved", plain + location, body), "sts-policy-fetch-error",
               "http-status-301"},
           Row{"204", "HTTP/1.1 204 No Content\r\n\r\n", "sts-policy-fetch-error", "http-status-204"},
           Row{"206", answer("206 Partial", plain, body), "sts-policy-fetch-error", "http-status-206"},
           Row{"404", answer("404 Not Found", plain, body), "sts-policy-fetch-error", "http-status-404"},
           Row{"503", answer("503 Busy", plain, body), "sts-policy-fetch-error", "http-status-503"},
           Row{"an octet too many", answer("200 OK", plain, std::string(sts_body_cap + 1, 'x')),
               "sts-policy-fetch-error", "body-too-large"},
           Row{"text/html", answer("200 OK", "Content-Type: text/html\r\n", body), "sts-policy-invalid",
               "media-type"},
           Row{"text/plainly", answer("200 OK", "Content-Type: text/plainly\r\n", body), "sts-policy-invalid",
               "media-type"},
           Row{"no media type", answer("200 OK", "", body), "sts-policy-invalid", "media-type"},
           Row{"a compressed body", answer("200 OK", plain + "Content-Encoding: gzip\r\n", body),
               "sts-policy-fetch-error", "content-encoding"},
       }) {
    CAPTURE(std::string(row.what));
    const auto result = fetch(row.bytes);
    CHECK(result.has_value() == (*row.type == '\0'));
    if (result) CHECK(*result == body);
    if (result) continue;
    CHECK(result.error().type == row.type);
    CHECK(result.error().reason == row.reason);
  }
}

TEST_CASE("STS-09, T-14, S18, S19: the policy host's certificate") {
  struct Row {
    const char* what;
    CertificateSpec spec;
    const char* reason;  // empty: accepted
  };
  std::vector<Row> rows = {
      {"its own name", server("mta-sts.b.test"), ""},
      {"a wildcard", server("*.b.test"), ""},
      {"the domain's own", server("b.test"), "X509_V_ERR_HOSTNAME_MISMATCH"},
      {"that of the CNAME's target", server("mta-sts.provider.test"), "X509_V_ERR_HOSTNAME_MISMATCH"},
      {"common name only", CertificateSpec("mta-sts.b.test", {}), "X509_V_ERR_HOSTNAME_MISMATCH"},
      {"expired", server("mta-sts.b.test"), "X509_V_ERR_CERT_HAS_EXPIRED"},
  };
  rows.back().spec.not_after = test_now() - 1h;
  for (const Row& row : rows) {
    CAPTURE(std::string(row.what));
    const auto result =
        fetch(row.spec, [](Connection& connection) { connection.send(answer("200 OK", plain, body)); });
    CHECK(result.has_value() == (*row.reason == '\0'));
    if (result) continue;
    CHECK(result.error().type == "sts-webpki-invalid");
    CHECK(result.error().reason == row.reason);
  }
}

TEST_CASE("T-19: a policy host that drips, floods or is silent costs the time limit and 64 KiB, no more") {
  struct Row {
    const char* what;
    const char* reason;
    HttpsServer::Script script;
  };
  const std::string ok = "HTTP/1.1 200 OK\r\n" + plain;
  for (const Row& row : {
           Row{"one octet at a time", "timeout",
               [&](Connection& c) { c.send(ok + "Content-Length: 5000\r\n\r\n") && c.drip("x", 10ms); }},
           Row{"ten gigabytes", "body-too-large",
               [&](Connection& c) {
                 c.send(ok + "Content-Length: 10737418240\r\n\r\n") && c.flood(std::string(9000, 'x'));
               }},
           Row{"endless headers", "headers-too-large",
               [&](Connection& c) { c.send(ok) && c.flood("X: " + std::string(500, 'x') + "\r\n"); }},
           Row{"silence", "timeout", [](Connection& c) { c.wait(); }},
       }) {
    CAPTURE(std::string(row.what));
    const auto result = fetch(server("mta-sts.b.test"), row.script);
    REQUIRE_FALSE(result);
    CHECK(result.error().type == "sts-policy-fetch-error");
    CHECK(result.error().reason == row.reason);
  }
}

TEST_CASE("S9, T-14: one URL, port 443, the checked addresses and no others") {
  Simulated world;
  world.table.address("mta-sts.b.test", {"203.0.114.1", "2a00:1450::1"});
  REQUIRE(world.fetch("b.test"));
  REQUIRE(world.client.requests.size() == 1);
  const http::Request& request = world.client.requests.front();
  CHECK(request.host == "mta-sts.b.test");
  CHECK(request.port == 443);
  CHECK(request.path == "/.well-known/mta-sts.txt");
  CHECK_FALSE(request.post);
  CHECK(request.most_body == 65536);
  CHECK(request.limit == 60s);
  CHECK(request.addresses ==
        std::vector{IpAddress::parse("2a00:1450::1").value(), IpAddress::parse("203.0.114.1").value()});
}

TEST_CASE(
    "T-20: a policy host on an address that is not public is never contacted, unless the operator lists it") {
  for (const char* address :
       {"127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "10.0.0.1", "169.254.169.254", "100.64.0.1",
        "fc00::1", "fe80::1", "64:ff9b::a00:1", "2002:a00:1::", "224.0.0.1"}) {
    CAPTURE(std::string(address));
    Simulated world;
    world.table.address("mta-sts.b.test", {address});
    const auto result = world.fetch("b.test");
    REQUIRE_FALSE(result);
    CHECK(result.error().type == "sts-policy-fetch-error");
    CHECK(result.error().reason == "address-not-public");
    CHECK(world.client.requests.empty());
  }
  Simulated world;
  world.table.address("mta-sts.b.test", {"10.0.0.1", "203.0.114.1"});
  REQUIRE(world.fetch("b.test"));
  CHECK(world.client.requests.front().addresses.size() == 1);
  world.settings.allow_destinations = {Network::parse("10.0.0.0/8").value()};
  REQUIRE(world.fetch("b.test"));
  CHECK(world.client.requests.back().addresses.size() == 2);
}

TEST_CASE("a policy host that does not resolve") {
  Simulated world;
  auto result = world.fetch("b.test");
  REQUIRE_FALSE(result);
  CHECK(result.error().reason == "no-address");
  world.table.put("mta-sts.b.test", dns::RrType::a, dns::Status::failed);
  result = world.fetch("b.test");
  REQUIRE_FALSE(result);
  CHECK(result.error().reason == "dns-failure");
  CHECK(result.error().type == "sts-policy-fetch-error");
}

TEST_CASE("T-19: ten thousand domains on one host get four connections at a time, and hold up nobody else") {
  Simulated world;
  world.settings.at_once = 8;
  HttpsPolicyFetcher fetcher(world.loop, world.table, world.client, world.settings);
  event::TaskScope scope(world.loop);
  int done = 0;
  auto one = [&](std::string domain) -> event::Task<void> {
    const auto result = co_await fetcher.fetch(domain);
    done += result.has_value() ? 1 : 0;
  };
  for (int i = 0; i < 10'000; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".test";
    world.table.address("mta-sts." + domain, {"203.0.114.1"});
    scope.spawn(one(domain));
  }
  world.loop.advance(500ms);
  CHECK(world.client.at_once == 4);
  world.table.address("mta-sts.other.test", {"203.0.114.2"});
  scope.spawn(one("other.test"));
  world.loop.advance(1s);
  CHECK(world.client.most_at_once == 5);
  CHECK(done == 5);
  world.loop.advance(2600s);
  CHECK(done == 10'001);
}
