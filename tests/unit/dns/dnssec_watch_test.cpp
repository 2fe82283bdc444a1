// SPDX-License-Identifier: Apache-2.0
#include "dns/dnssec_watch.hpp"

#include <doctest.h>

#include <map>

#include "dns/caching_resolver.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "table_resolver.hpp"

using namespace sealpost;
using namespace sealpost::dns;
using namespace sealpost::dns::test;

namespace {

// What a resolver makes of signed and broken names.
enum class World {
  validates,
  strips_ad,
  sets_ad_on_all,
  silent,
  servfail_for_all,
  refuses_probes,
  isolated,
  private_root
};

class Servers final : public ProbedServers {
 public:
  explicit Servers(std::vector<World> worlds_) : worlds(std::move(worlds_)), fit(worlds.size(), true) {}
  std::vector<World> worlds;
  std::vector<bool> fit;
  std::map<std::string, unsigned> asked;

  std::size_t servers() const noexcept override { return worlds.size(); }
  std::string server_name(std::size_t server) const override { return "server" + std::to_string(server); }
  void set_fit(std::size_t server, bool is) noexcept override { fit[server] = is; }
  event::Task<ProbeReply> probe(std::size_t server, std::string name, RrType type) override {
    ++asked[name];
    co_return reply(worlds[server], name, type == RrType::soa);
  }

 private:
  static ProbeReply reply(World world, const std::string& name, bool is_signed) {
    using Kind = ProbeReply::Kind;
    const auto say = [](Kind kind, bool ad) {
      ProbeReply reply;
      reply.kind = kind;
      reply.ad = ad;
      if (kind == Kind::silent || kind == Kind::servfail) reply.why = "timed out";
      return reply;
    };
    switch (world) {
      case World::validates: return is_signed ? say(Kind::found, true) : say(Kind::servfail, false);
      case World::strips_ad: return is_signed ? say(Kind::found, false) : say(Kind::servfail, false);
      case World::sets_ad_on_all: return say(Kind::found, true);
      case World::silent:
      case World::refuses_probes: return say(Kind::silent, false);
      case World::servfail_for_all: return say(Kind::servfail, false);
      case World::isolated:
        return is_signed && name.empty() ? say(Kind::found, true) : say(Kind::silent, false);
      case World::private_root:
        return is_signed && name.empty() ? say(Kind::found, true) : say(Kind::absent, true);
    }
    return {};
  }
};

struct Fixture {
  explicit Fixture(std::vector<World> worlds) : servers(std::move(worlds)) {}
  void run(std::vector<World> worlds) {
    servers.worlds = std::move(worlds);
    event::run_until_done(loop, watch.test());
  }
  event::SimLoop loop;
  Servers servers;
  Health health;
  DnssecWatch watch{loop, servers, true, well_known_probe(), &health};
};

event::Task<void> ask_then_look(Resolver& resolver, DaneMode& seen) {
  auto answer = co_await resolver.query("h.test", RrType::a);
  CHECK(answer->status == Status::found);
  seen = resolver.dane_mode();
}

}  // namespace

TEST_CASE("T-10: what each resolver means for DANE by default, at start and later") {
  struct Row {
    std::vector<World> runs;
    DnssecState state;
    DaneMode mode;
  };
  const std::vector<Row> rows = {
      {{World::validates}, DnssecState::proven, DaneMode::on},
      {{World::strips_ad}, DnssecState::no_ad, DaneMode::off},
      {{World::sets_ad_on_all}, DnssecState::lying, DaneMode::off},
      {{World::silent}, DnssecState::untested, DaneMode::defer},
      {{World::servfail_for_all}, DnssecState::untested, DaneMode::defer},
      {{World::refuses_probes}, DnssecState::untested, DaneMode::defer},
      // A root of one's own, or no way to the broken names: the root's AD is all there is to see.
      {{World::isolated}, DnssecState::signed_only, DaneMode::on},
      {{World::private_root}, DnssecState::signed_only, DaneMode::on},
      {{World::private_root, World::validates}, DnssecState::proven, DaneMode::on},
      {{World::private_root, World::sets_ad_on_all}, DnssecState::lost, DaneMode::defer},
      // Lost later, or the lookup fails: deferred, never off.
      {{World::validates, World::strips_ad}, DnssecState::lost, DaneMode::defer},
      {{World::validates, World::sets_ad_on_all, World::sets_ad_on_all, World::sets_ad_on_all,
        World::sets_ad_on_all, World::sets_ad_on_all, World::sets_ad_on_all, World::sets_ad_on_all,
        World::sets_ad_on_all, World::sets_ad_on_all, World::sets_ad_on_all},
       DnssecState::lost,
       DaneMode::defer},
      {{World::validates, World::silent}, DnssecState::lost, DaneMode::defer},
      {{World::validates, World::servfail_for_all}, DnssecState::lost, DaneMode::defer},
      {{World::validates, World::silent, World::strips_ad}, DnssecState::lost, DaneMode::defer},
      {{World::validates, World::strips_ad, World::validates}, DnssecState::proven, DaneMode::on},
      {{World::silent, World::validates}, DnssecState::proven, DaneMode::on},
      {{World::silent, World::strips_ad}, DnssecState::no_ad, DaneMode::off},
      // Off at start: a failing lookup changes nothing, a good one turns it on; what lied stays a liar until seen to refuse.
      {{World::strips_ad, World::silent}, DnssecState::no_ad, DaneMode::off},
      {{World::strips_ad, World::validates}, DnssecState::proven, DaneMode::on},
      {{World::sets_ad_on_all, World::private_root}, DnssecState::lying, DaneMode::off},
      {{World::sets_ad_on_all, World::validates}, DnssecState::proven, DaneMode::on},
  };
  for (const Row& row : rows) {
    Fixture fixture({row.runs.front()});
    CHECK(fixture.watch.mode() == DaneMode::defer);
    for (const World world : row.runs) fixture.run({world});
    CHECK(name_of(fixture.watch.state()) == name_of(row.state));
    CHECK(fixture.watch.mode() == row.mode);
    CHECK_FALSE(fixture.watch.explanation().empty());
    CHECK(fixture.health.well() == (row.mode == DaneMode::on));  // loudly
  }
}

TEST_CASE("T-10: each server is tested; one that does not validate is not asked while another does") {
  Fixture fixture({World::validates, World::strips_ad});
  fixture.run({World::validates, World::strips_ad});
  CHECK(fixture.watch.state() == DnssecState::proven);
  CHECK(fixture.servers.fit == std::vector<bool>{true, false});
  CHECK_FALSE(fixture.health.well());
  CHECK(fixture.watch.explanation().find("server1 is not asked") != std::string::npos);
  fixture.run({World::silent, World::strips_ad});  // nobody left: mail waits, it does not go to the other one
  CHECK(fixture.watch.mode() == DaneMode::defer);
  fixture.run({World::silent, World::validates});
  CHECK(fixture.watch.state() == DnssecState::proven);
  CHECK(fixture.servers.fit == std::vector<bool>{false, true});
  fixture.run({World::validates, World::validates});
  CHECK(fixture.servers.fit == std::vector<bool>{true, true});
  CHECK(fixture.health.well());
}

TEST_CASE("T-10: answers from before the servers' standing changed are told apart") {
  Fixture fixture({World::strips_ad});
  fixture.loop.advance(std::chrono::seconds(10));
  fixture.run({World::strips_ad});
  const SteadyTime off = fixture.watch.since();
  CHECK(off == fixture.loop.now());
  fixture.loop.advance(std::chrono::seconds(10));
  fixture.run({World::strips_ad});
  CHECK(fixture.watch.since() == off);
  fixture.run({World::validates});
  CHECK(fixture.watch.since() == fixture.loop.now());
}

TEST_CASE("T-10: other people's broken names are asked for in every tenth run once they have told") {
  Fixture fixture({World::validates});
  for (int i = 0; i < 20; ++i) fixture.run({World::validates});
  CHECK(fixture.servers.asked["rhybar.cz"] == 2);
  CHECK(fixture.servers.asked[""] == 20);
}

TEST_CASE("T-10: without trust DANE is off, aloud, and nothing is asked") {
  event::SimLoop loop;
  Servers servers({World::validates});
  Health health;
  DnssecWatch untrusted(loop, servers, false, well_known_probe(), &health);
  event::run_until_done(loop, untrusted.test());
  CHECK(untrusted.state() == DnssecState::untrusted);
  CHECK(untrusted.mode() == DaneMode::off);
  CHECK(servers.asked.empty());
  CHECK_FALSE(health.well());
}

TEST_CASE("T-10: the first questions after a start wait for the first test, but not for long") {
  for (const bool answers : {true, false}) {
    Fixture fixture({World::validates});
    TableResolver table(fixture.loop);
    table.address("h.test", {"192.0.2.1"});
    CachingResolver resolver(fixture.loop, table);
    resolver.use_watch(fixture.watch);
    event::TaskScope scope(fixture.loop);
    DaneMode seen = DaneMode::defer;
    scope.spawn(ask_then_look(resolver, seen));
    fixture.loop.advance(std::chrono::seconds(1));
    CHECK(table.asked.empty());
    if (answers) {
      fixture.run({World::validates});
    } else {
      fixture.loop.advance(std::chrono::seconds(5));
    }
    event::run_until_done(fixture.loop, scope.join());
    CHECK(table.asked.size() == 1);
    CHECK(seen == (answers ? DaneMode::on : DaneMode::defer));
  }
}
