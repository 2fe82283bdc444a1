// SPDX-License-Identifier: Apache-2.0
//
// T-07: an idle connection serves another lane only when that lane could have made it: as strong, with the same face,
// under the same rules. Real SMTP sessions with scripted hosts in memory; TLS is pretended, its strength is not.
#include "../smtp/scripted_peer.hpp"
#include "delivery/courier.hpp"
#include "delivery/dialer.hpp"
#include "delivery_world.hpp"
#include "event/sim_stream.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace std::chrono_literals;

namespace {

// Agrees to what a host that only knows `suite` would: nothing, with who asks for strong TLS and the suite is weak.
class HostTls final : public tls::Client {
 public:
  std::string suite = "TLS_RSA_WITH_AES_128_CBC_SHA";
  std::vector<tls::ClientOptions> asked;

 private:
  event::Task<Expected<tls::Secured>> handshake(std::unique_ptr<event::Stream> plain,
                                                tls::ClientOptions options, Duration) override {
    HandshakeFacts facts;
    facts.version = TlsVersion::tls1_2;
    facts.cipher = suite;
    facts.certificate = std::make_shared<CertificateFacts>();
    const bool refused = options.strong_only && !weakness_of(facts).empty();
    asked.push_back(std::move(options));
    if (refused) co_return Error(Errc::tls, "sslv3-alert-handshake-failure");
    tls::Secured secured(std::move(plain), std::move(facts));
    co_return secured;
  }
};

class Hosts final : public event::Connector {
 public:
  explicit Hosts(event::Loop& loop) : loop_(loop), scope_(loop) {}
  std::size_t connections = 0;

 private:
  event::Task<Expected<std::unique_ptr<event::Stream>>> connect(Endpoint, Duration) override {
    ++connections;
    event::SimConnection wire(loop_, event::SimLink());
    auto& peer = *peers_.emplace_back(std::make_unique<test::ScriptedPeer>());
    scope_.spawn(peer.run(std::move(wire.server)));
    co_return std::move(wire.client);
  }
  event::Loop& loop_;
  std::vector<std::unique_ptr<test::ScriptedPeer>> peers_;
  event::TaskScope scope_;
};

PartnerRule rule_for(const std::string& domain, PartnerLevel level) {
  PartnerRule rule;
  rule.name = domain;
  rule.hash = "hash of " + domain;
  rule.domains = {domain};
  rule.level = level;
  return rule;
}

struct LendingWorld : DeliveryWorld {
  LendingWorld() {
    for (const char* domain : {"loose.example", "strict.example", "none.example", "named.example"})
      resolver.mx(domain, {{10, "mx.shared.example"}});
    resolver.address("mx.shared.example", {"198.51.100.1"});
    resolver.mode = dns::DaneMode::off;
    auto made = std::make_shared<Rules>();
    made->settings.hostname = "relay.test";
    made->settings.schedule = schedule;
    made->settings.routing.allow_destinations = {*Network::parse("198.51.100.0/24")};
    made->partners = {rule_for("strict.example", PartnerLevel::encrypt),
                      rule_for("none.example", PartnerLevel::none),
                      rule_for("named.example", PartnerLevel::opportunistic)};
    made->client_identities["named.example"] = std::make_shared<const tls::ServerIdentity>(
        X509Ptr(X509_new()), X509StackPtr(), EvpKeyPtr(EVP_PKEY_new()));
    rules = std::move(made);
    context = std::make_unique<Context>(Context{loop, resolver, sts, host_tls, network, *journal, recorder,
                                                *dispatcher, hosts, guard, totals, [] { return 512U; }});
    dialer = std::make_unique<Dialer>(*context, pool);
  }
  DialResult dial(const std::string& domain) {
    queue::LaneKey key;
    key.recipient_domain = key.next_hop = domain;
    auto made = event::run_until_done(loop, make_plan(*context, rules, key));
    REQUIRE(std::holds_alternative<Plan>(made));
    const Plan plan = std::get<Plan>(std::move(made));
    Tour tour(1, loop.now());
    return event::run_until_done(loop, dialer->dial(plan, 100, tour));
  }
  // Opened for the domain, and left idle.
  void open_for(const std::string& domain) {
    auto dialled = dial(domain);
    REQUIRE(std::holds_alternative<std::unique_ptr<Connection>>(dialled));
    pool.put(std::get<std::unique_ptr<Connection>>(std::move(dialled)));
    REQUIRE(pool.size() > 0);
  }
  bool reused_by(const std::string& domain) {
    const std::size_t before = network.connections;
    const auto dialled = dial(domain);
    return std::holds_alternative<std::unique_ptr<Connection>>(dialled) && network.connections == before;
  }

  HostTls host_tls;
  Hosts network{loop};
  RulesPtr rules;
  ConnectionPool pool{loop, 5s, 10};
  std::unique_ptr<Dialer> dialer;
};

}  // namespace

TEST_CASE("T-07: weak TLS that another domain put up with is not lent to one whose rule says encrypt") {
  LendingWorld world;
  CHECK(std::holds_alternative<Refusal>(world.dial("strict.example")));
  world.open_for("loose.example");
  auto dialled = world.dial("strict.example");
  REQUIRE(std::holds_alternative<Refusal>(dialled));
  CHECK(std::get<Refusal>(dialled).by_policy);
  CHECK(world.pool.size() == 1);
  CHECK(world.reused_by("loose.example"));
}

TEST_CASE("T-07: strong TLS is lent either way, whoever dialled") {
  LendingWorld world;
  world.host_tls.suite = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
  world.open_for("loose.example");
  CHECK(world.reused_by("strict.example"));
  LendingWorld other;
  other.host_tls.suite = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
  other.open_for("strict.example");
  CHECK(other.reused_by("loose.example"));
}

TEST_CASE("T-07: clear text because of one domain's rule is not lent to one that would have tried TLS") {
  LendingWorld world;
  world.open_for("none.example");
  CHECK(world.host_tls.asked.empty());
  CHECK_FALSE(world.reused_by("loose.example"));
  CHECK(world.host_tls.asked.size() == 1);
}

TEST_CASE("T-07: neither lent with a client certificate of somebody else, nor without one's own") {
  LendingWorld world;
  world.open_for("loose.example");
  CHECK_FALSE(world.reused_by("named.example"));
  LendingWorld other;
  other.open_for("named.example");
  CHECK_FALSE(other.reused_by("loose.example"));
}

TEST_CASE("T-07, T-52: a connection made before a reload serves nobody after it") {
  LendingWorld world;
  world.open_for("loose.example");
  world.rules = std::make_shared<Rules>(*world.rules);
  CHECK_FALSE(world.reused_by("loose.example"));
}

TEST_CASE("T-07: another SNI is another face") {
  Offer made, wanted;
  made.server_name = "mx.shared.example";
  wanted.server_name = "alias.shared.example";
  SessionFacts facts;
  facts.starttls = StartTls::established;
  CHECK_FALSE(made.serves(wanted, facts));
  wanted.server_name = made.server_name;
  CHECK(made.serves(wanted, facts));
}

TEST_CASE(
    "D-07: who helps another worker's lane and cannot begin says so, or the lane lends again without an "
    "end") {
  LendingWorld world;
  world.accept(world.message("a@here.example", {"u@loose.example"}));
  world.loop.advance(1s);
  world.disk.break_syncs(true);
  CHECK_FALSE(event::run_until_done(world.loop,
                                    world.journal->store(world.loop, world.message("", {"v@none.example"}))));
  REQUIRE_FALSE(world.journal->healthy());
  queue::LaneKey key;
  key.recipient_domain = key.next_hop = "none.example";
  queue::Loan loan(*world.shard, std::make_shared<queue::ShardAddress>(world.loop, world.shard.get()), key);
  DeliveryCourier courier(*world.context, world.rules);
  CHECK_FALSE(event::run_until_done(world.loop, courier.assist(loan)));
  CHECK(world.network.connections == 1);  // it had got so far
}
