// SPDX-License-Identifier: Apache-2.0
#include "webhooks/senders.hpp"

#include "../dns/table_resolver.hpp"
#include "event/blocking_pool.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "samples.hpp"
#include "webhooks/signature.hpp"

using namespace sealpost;
using namespace sealpost::webhooks;
using test::accepted;
using test::Hooked;
using test::id_of;
using test::noon;
using test::webhook_of;
using namespace std::chrono_literals;

namespace {

// Answers as it is told, 204 when it is told nothing.
class ScriptedHttp final : public http::Client {
 public:
  explicit ScriptedHttp(event::Loop& loop) : loop_(loop) {}
  event::Task<Expected<http::Response, http::Failure>> send(http::Request request) override {
    at.push_back(loop_.now());
    requests.push_back(request);
    const int status = statuses.empty() ? usual : statuses.front();
    if (!statuses.empty()) statuses.erase(statuses.begin());
    if (status < 0) co_await event::sleep_for(loop_, request.limit);
    if (status <= 0) co_return http::Failure(http::FailureKind::timed_out, "timed-out", "no answer");
    http::Response response;
    response.status = status;
    if (asks_for > 0s) response.retry_after = asks_for;
    co_return response;
  }
  Json body(std::size_t request) const { return Json::parse(requests.at(request).body); }
  std::string header(std::size_t request, const std::string& name) const {
    for (const http::Header& header : requests.at(request).headers)
      if (header.name == name) return header.value;
    return {};
  }
  int usual = 204;
  std::chrono::seconds asks_for{0};  // Retry-After
  std::vector<int> statuses;         // 0: the connection breaks; -1: nothing comes
  std::vector<http::Request> requests;
  std::vector<SteadyTime> at;

 private:
  event::Loop& loop_;
};

struct Told {
  explicit Told(Webhooks webhooks = {webhook_of("crm")}) : hooked(std::move(webhooks)) {
    resolver.address("hooks.example.net", {"8.8.8.8"});
    start();
  }
  void start() {
    senders.reset();
    senders = std::make_unique<Senders>(Surroundings(loop, pool, hooked.store, resolver, http, "relay1"),
                                        hooked.health);
    senders->begin(hooked.hooks, keeping, allow);
    scope.spawn(senders->run());
    loop.advance(1ms);
  }
  ~Told() { scope.cancel(); }
  void take(std::uint32_t number) {
    const SystemTime when = loop.wall();
    REQUIRE(hooked.read({accepted(id_of(number, when), {"bob@example.org"}, when)}));
    senders->news();
    loop.advance(1ms);
  }
  template <class T>
  T wait(event::Task<T> task) {
    return event::run_until_done(loop, std::move(task));
  }

  Hooked hooked;
  event::SimLoop loop{noon};
  event::InlinePool pool;
  dns::test::TableResolver resolver{loop};
  ScriptedHttp http{loop};
  Keeping keeping;
  std::vector<Network> allow;
  std::unique_ptr<Senders> senders;
  event::TaskScope scope{loop};
};

}  // namespace

TEST_CASE("an event is told at once, signed, to the address of the host, and once") {
  Told told;
  told.take(1);
  REQUIRE(told.http.requests.size() == 1);
  const http::Request& request = told.http.requests[0];
  CHECK(request.host == "hooks.example.net");
  CHECK(request.path == "/mail");
  CHECK(request.tls);
  CHECK(request.post);
  CHECK(request.addresses == std::vector{*IpAddress::parse("8.8.8.8")});
  CHECK(request.limit == 15s);
  const Json body = told.http.body(0);
  CHECK(body.at("node") == "relay1");
  CHECK(body.at("webhook") == "crm");
  CHECK(body.at("events").size() == 1);
  const std::string id = told.http.header(0, "webhook-id");
  CHECK(id == body.at("events")[0].at("event_id"));
  CHECK(told.http.header(0, "webhook-timestamp") == std::to_string(to_unix(noon)));
  CHECK(told.http.header(0, "webhook-signature") ==
        signature_of(*told.hooked.hooks[0]->secrets, id, to_unix(noon), request.body));
  told.loop.advance(1h);
  CHECK(told.http.requests.size() == 1);
}

TEST_CASE("an endpoint that asks for time is given it, an hour at most (RFC 9110 §10.2.3)") {
  Told told;
  told.http.usual = 429;
  told.http.asks_for = 600s;
  told.take(1);
  told.loop.advance(599s);
  CHECK(told.http.requests.size() == 1);
  told.http.asks_for = 1000h;
  told.loop.advance(2s);
  CHECK(told.http.requests.size() == 2);
  told.loop.advance(3590s);
  CHECK(told.http.requests.size() == 2);
  told.loop.advance(20s);
  CHECK(told.http.requests.size() == 3);
}

TEST_CASE("what is not taken is tried again, the same under the same webhook-id, later and later") {
  Told told;
  told.http.usual = 503;
  told.http.statuses = {0, -1, 302};
  told.take(1);
  told.take(2);
  told.loop.advance(3h);
  REQUIRE(told.http.requests.size() > 15);
  CHECK(told.http.requests.size() < 60);
  for (std::size_t n = 0; n < told.http.requests.size(); ++n) {
    CHECK(told.http.header(n, "webhook-id") == told.http.header(0, "webhook-id"));
    CHECK(told.http.body(n).at("events").size() == 1);
  }
  for (std::size_t n = 12; n < told.http.at.size(); ++n) {
    const Duration gap = told.http.at[n] - told.http.at[n - 1];
    CHECK(gap >= 5min);
    CHECK(gap <= 10min + 1s);
  }
  CHECK_FALSE(told.hooked.health.well());
  told.http.usual = 200;
  told.loop.advance(11min);
  CHECK(told.hooked.health.well());
  std::vector<std::string> order;
  for (std::size_t n = told.http.requests.size() - 2; n < told.http.requests.size(); ++n)
    order.push_back(told.http.body(n).at("events")[0].at("queue_id"));
  CHECK(order[0] < order[1]);
  CHECK(told.senders->counted().sent == 2);
}

TEST_CASE("a crash after the answer and before it was noted tells it once more, under the same name") {
  Told told;
  told.take(1);
  const auto told_of = told.http.body(0).at("events");
  REQUIRE(told.hooked.store->replay(*told.hooked.hooks[0],
                                    told_of[0].at("event_id")));  // as if it had not been noted
  told.scope.cancel();
  told.senders.reset();
  told.hooked.open();
  told.start();
  told.loop.advance(1s);
  REQUIRE(told.http.requests.size() == 2);
  CHECK(told.http.body(1).at("events") == told_of);
  CHECK(told.http.header(1, "webhook-id") == told.http.header(0, "webhook-id"));
}

TEST_CASE("410 ends it until the operator says otherwise") {
  Told told;
  told.http.statuses = {410};
  told.take(1);
  told.take(2);
  told.loop.advance(24h);
  CHECK(told.http.requests.size() == 1);
  REQUIRE(told.hooked.health.list().size() == 1);
  CHECK(told.hooked.health.list()[0].cause == "webhook crm");
  REQUIRE(told.wait(told.senders->pause(told.senders->find("crm"), false)));
  told.loop.advance(1s);
  CHECK(told.http.requests.size() == 2);
  CHECK(told.http.body(1).at("events").size() == 2);
  CHECK(told.hooked.health.well());
}

TEST_CASE("one that hangs, and one whose host is nowhere, keep nothing from another") {
  const auto elsewhere = [](Webhook& one) { one.url = parse_url("https://other.example.net/").value(); };
  Told told({webhook_of("absent", elsewhere), webhook_of("hangs"), webhook_of("well")});
  told.http.usual = 200;
  told.http.statuses = {-1};  // of the first that has an address
  for (std::uint32_t number = 1; number <= 3; ++number) told.take(number);
  REQUIRE(told.http.requests.size() == 4);
  CHECK(told.http.body(0).at("webhook") == "hangs");
  for (std::size_t n = 1; n < 4; ++n) CHECK(told.http.body(n).at("webhook") == "well");
  CHECK(told.hooked.store->standings().value()[0].answer.find("has no address") != std::string::npos);
  told.loop.advance(30s);
  CHECK(told.hooked.store->standings().value()[1].sent == 3);
}

TEST_CASE(
    "T-20: private addresses are not contacted unless delivery may, but for loopback in the URL itself") {
  Told told({webhook_of("inside"),
             webhook_of("here", [](Webhook& one) { one.url = parse_url("http://127.0.0.1:8080/x").value(); }),
             webhook_of("near", [](Webhook& one) { one.url = parse_url("http://10.1.2.3/x").value(); })});
  told.resolver.address("hooks.example.net", {"10.0.0.1", "127.0.0.1"});
  told.take(1);
  REQUIRE(told.http.requests.size() == 1);
  CHECK(told.http.requests[0].host == "127.0.0.1");
  CHECK_FALSE(told.http.requests[0].tls);
  told.allow = {*Network::parse("10.0.0.0/8")};
  const Webhooks webhooks = told.hooked.hooks;
  told.wait(told.senders->use(webhooks, told.keeping, told.allow));
  told.loop.advance(1s);
  REQUIRE(told.http.requests.size() == 3);
  for (std::size_t n = 1; n < 3; ++n) CHECK(told.http.requests[n].addresses.size() == 1);
}

TEST_CASE("a reload that takes one away ends it, and one that changes it is tried at once") {
  Told told;
  told.http.usual = 500;
  told.take(1);
  told.loop.advance(10s);
  const std::size_t tried = told.http.requests.size();
  told.hooked.hooks = {
      webhook_of("crm", [](Webhook& one) { one.url = parse_url("https://hooks.example.net/new").value(); })};
  told.http.usual = 200;
  told.wait(told.senders->use(told.hooked.hooks, told.keeping, told.allow));
  told.loop.advance(1s);
  REQUIRE(told.http.requests.size() == tried + 1);
  CHECK(told.http.requests.back().path == "/new");
  const Webhooks none;
  told.wait(told.senders->use(none, told.keeping, told.allow));
  CHECK(told.senders->all().empty());
  CHECK(told.hooked.store->idle());
  told.loop.advance(1h);
  CHECK(told.http.requests.size() == tried + 1);
}

TEST_CASE("what was dropped is an alert, and is told in its place") {
  Told told;
  told.http.usual = 500;
  told.take(1);
  told.loop.advance(24h * 6);
  told.take(2);
  told.loop.advance(24h * 2);
  CHECK(told.senders->dropped() == 1);
  bool alert = false;
  for (const auto& trouble : told.hooked.health.list())
    alert = alert || trouble.cause == "webhook crm dropped";
  CHECK(alert);
  told.http.usual = 200;
  told.loop.advance(11min);
  const std::size_t last = told.http.requests.size() - 1;
  CHECK(told.http.body(last - 1).at("events")[0].at("kind") == "gap");
  CHECK(told.http.body(last).at("events")[0].at("kind") == "accepted");
}

TEST_CASE("a test is one event beside the others, and says what came of it") {
  Told told;
  told.http.statuses = {401, 200};
  const auto refused = told.wait(told.senders->test(told.senders->find("crm")));
  CHECK(refused.kind == Answered::Kind::refused);
  CHECK(refused.words == "401");
  const auto taken = told.wait(told.senders->test(told.senders->find("crm")));
  CHECK(taken.kind == Answered::Kind::taken);
  CHECK(told.http.body(1).at("events")[0].at("kind") == "test");
  CHECK(told.hooked.store->standings().value()[0].sent == 0);
}

TEST_CASE("the gaps between attempts double, less by chance, and end at ten minutes") {
  for (unsigned attempt = 1; attempt < 40; ++attempt) {
    const Duration whole = std::min<Duration>(2s * (1u << std::min(attempt - 1, 20u)), 10min);
    const Duration gap = gap_after(attempt);
    CHECK(gap > whole / 2 - 1ms);
    CHECK(gap <= whole);
  }
}
