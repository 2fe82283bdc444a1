// SPDX-License-Identifier: Apache-2.0
//
// Relays of our operator's choice: what they lack, or say of us, sends nobody's mail back, and a password goes to nobody
// whose name only unsigned DNS has given.
#include "../smtp/scripted_peer.hpp"
#include "base/text.hpp"
#include "courier_world.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace sealpost::test;
using namespace std::chrono_literals;

namespace {

// Nothing changes on the wire; the certificate is good, and for the names that are told.
class NamedTls final : public tls::Client {
 public:
  std::vector<std::string> names;
  event::Task<Expected<tls::Secured>> handshake(std::unique_ptr<event::Stream> plain, tls::ClientOptions,
                                                Duration) override {
    auto certificate = std::make_shared<CertificateFacts>();
    certificate->dns_names = names;
    certificate->leaf_expires = certificate->chain_expires = SystemTime::max();
    HandshakeFacts facts;
    facts.version = TlsVersion::tls1_3;
    facts.cipher = "TLS_AES_256_GCM_SHA384";
    facts.certificate = std::move(certificate);
    tls::Secured secured(std::move(plain), std::move(facts));
    co_return secured;
  }
};

struct RelayWorld : CourierWorld {
  explicit RelayWorld(const std::string& relay) : scope(loop) {
    queue::RouteTable::Target target;
    target.next_hop = relay;
    target.route = "all";
    routes.add("*", {}, target);
    smart_host.name = "all";
    smart_host.relay = relay;
    peer.always("EHLO", "250-relay.test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n");
    peer.always("AUTH", "235 2.7.0 welcome\r\n");
  }
  ~RelayWorld() { shard.reset(); }
  void log_in() {
    auto account = std::make_shared<auth::ClientAccount>();
    account->user = "relay";
    account->password = auth::Secret("secret-of-ours");
    smart_host.account = std::move(account);
    smart_host.level = PartnerLevel::verify;
  }
  void listen(const char* address, std::uint16_t port) {
    network.listen(Endpoint(*IpAddress::parse(address), port), [this](std::unique_ptr<event::Stream> stream) {
      scope.spawn(peer.run(std::move(stream)));
    });
  }
  // To u@b.example, by the route, with REQUIRETLS or not.
  void send(bool requiretls = false) {
    context = std::make_unique<Context>(Context{loop, resolver, sts, named, connector, *journal, recorder,
                                                *dispatcher, hosts, guard, totals, [] { return 512U; },
                                                nullptr, notices.get(), &sites, nullptr, &health});
    auto made = std::make_shared<Rules>();
    made->settings.hostname = "relay.test";
    made->settings.schedule = schedule;
    made->settings.routing.allow_destinations = {*Network::parse("198.51.100.0/24")};
    auto shared = std::make_shared<SmartHost>();
    shared->name = smart_host.name;
    shared->relay = smart_host.relay;
    shared->hosts = smart_host.hosts;
    shared->implicit_tls = smart_host.implicit_tls;
    shared->level = smart_host.level;
    shared->account = smart_host.account;
    made->smart_hosts.emplace("all", std::move(shared));
    rules = std::move(made);
    courier = std::make_unique<DeliveryCourier>(*context, rules);
    shard->start(*courier);
    routed = std::make_unique<queue::Dispatcher>(std::vector<queue::Shard*>{shard.get()}, routes, schedule);
    auto mail = message("a@here.example", {"u@b.example"});
    mail.envelope.flags.requiretls = requiretls;
    auto stored = event::run_until_done(loop, journal->store(loop, std::move(mail)));
    REQUIRE(stored);
    routed->accepted(*stored);
    loop.advance(30s);
  }

  queue::RouteTable routes;
  SmartHost smart_host;
  NamedTls named;
  Health health;
  ScriptedPeer peer;
  event::TaskScope scope;
  std::unique_ptr<queue::Dispatcher> routed;
};

}  // namespace

TEST_CASE("a relay whose name does not exist, or that takes no mail, sends back nobody's mail") {
  for (const char* relay : {"[smtp.relay.example]:587", "relay.example:587"}) {
    CAPTURE(relay);
    RelayWorld world(relay);
    world.resolver.text("example", {"there"});  // so that the answer is believed
    world.send();
    CHECK(world.totals.bounced == 0);
    REQUIRE(world.queued().size() == 1);
    CHECK(world.queued()[0].attempts == 1);
    REQUIRE(world.health.list().size() == 1);
    CHECK(world.health.list()[0].cause.starts_with("relay "));
  }
  RelayWorld world("[smtp.relay.example]:587");
  world.resolver.address("smtp.relay.example", {"198.51.100.7"});
  world.listen("198.51.100.7", 587);
  world.peer.says[""] = {"521 5.3.2 not here\r\n"};
  world.send();
  CHECK(world.totals.bounced == 0);
  CHECK(world.queued().size() == 1);
}

TEST_CASE("a relay that asks for a login sends back nobody's mail, and status tells of it") {
  for (const char* words :
       {"530 5.7.0 Authentication required\r\n", "530 5.7.57 Client not authenticated to send mail\r\n",
        "535 5.7.8 who are you\r\n", "550 5.7.1 Authentication is required for relaying\r\n"}) {
    for (const char* verb : {"MAIL", "RCPT", "DATA"}) {
      CAPTURE(words);
      CAPTURE(verb);
      RelayWorld world("[smtp.relay.example]:587");
      world.resolver.address("smtp.relay.example", {"198.51.100.7"});
      world.named.names = {"smtp.relay.example"};
      world.listen("198.51.100.7", 587);
      world.log_in();
      world.peer.always(verb, words);
      world.send();
      CHECK(world.totals.logins == 1);
      CHECK(world.totals.bounced == 0);
      REQUIRE(world.queued().size() == 1);
      REQUIRE(world.health.list().size() == 1);
      CHECK(world.health.list()[0].cause == "relay [smtp.relay.example]:587");
      world.peer.always(verb, verb == std::string_view("DATA") ? "354 go\r\n" : "250 ok\r\n");
      world.loop.advance(10min);
      CHECK(world.totals.delivered == 1);
      CHECK(world.health.well());
    }
  }
}

TEST_CASE("what a relay says of the mail itself is final") {
  RelayWorld world("[smtp.relay.example]:587");
  world.resolver.address("smtp.relay.example", {"198.51.100.7"});
  world.listen("198.51.100.7", 587);
  world.peer.always("RCPT", "550 5.1.1 nobody\r\n");
  world.send();
  CHECK(world.totals.bounced == 1);
}

TEST_CASE("T-31 a password goes to no host that only unsigned DNS has named") {
  struct Row {
    const char* name;
    std::vector<std::string> names;
    dns::Dnssec dnssec;
    bool in;
  };
  for (const Row& row : std::vector<Row>{
           {"the host's name alone", {"mx.elsewhere.example"}, dns::Dnssec::insecure, false},
           {"the relay's own name", {"relay.example"}, dns::Dnssec::insecure, true},
           {"the host's name, and DNSSEC", {"mx.elsewhere.example"}, dns::Dnssec::secure, true},
       }) {
    CAPTURE(row.name);
    RelayWorld world("relay.example:587");
    world.resolver.mx("relay.example", {{10, "mx.elsewhere.example"}}).dnssec = row.dnssec;
    world.resolver.address("mx.elsewhere.example", {"198.51.100.7"});
    world.named.names = row.names;
    world.listen("198.51.100.7", 587);
    world.log_in();
    world.send();
    CHECK(world.peer.count("AUTH") == (row.in ? 1 : 0));
    CHECK(world.totals.delivered == (row.in ? 1 : 0));
    CHECK(world.totals.bounced == 0);
  }
}

TEST_CASE(
    "T-31 T-52 while a reload is half way, the account of a route's new relay is not shown to the former "
    "one") {
  RelayWorld world("[smtp.relay.example]:587");
  world.resolver.address("smtp.relay.example", {"198.51.100.7"});
  world.named.names = {"smtp.relay.example"};
  world.listen("198.51.100.7", 587);
  world.log_in();
  world.smart_host.relay = "[smtp.other.example]:587";  // the worker's rules are new; the lane is of before
  world.send();
  CHECK(world.totals.logins == 0);
  CHECK(world.totals.delivered == 0);
  CHECK(world.totals.bounced == 0);
  REQUIRE(world.queued().size() == 1);
  CHECK(world.queued()[0].attempts == 0);
}

TEST_CASE("RFC 8689: REQUIRETLS goes to a smart host on port 465 that offers it") {
  for (const bool offered : {true, false}) {
    RelayWorld world("[smtp.relay.example]:465");
    world.resolver.address("smtp.relay.example", {"198.51.100.7"});
    world.named.names = {"smtp.relay.example"};
    world.listen("198.51.100.7", 465);
    world.smart_host.implicit_tls = true;
    world.smart_host.level = PartnerLevel::verify;
    world.peer.always("EHLO", offered ? "250-relay.test\r\n250 REQUIRETLS\r\n" : "250 relay.test\r\n");
    world.send(true);
    CHECK(world.totals.delivered == (offered ? 1 : 0));
    CHECK(world.peer.count("MAIL FROM:<a@here.example> REQUIRETLS") == (offered ? 1 : 0));
  }
}
