// SPDX-License-Identifier: Apache-2.0
#include "dns/dnssec_watch.hpp"

#include <doctest.h>

#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "table_resolver.hpp"

using namespace sealpost;
using namespace sealpost::dns;
using namespace sealpost::dns::test;

namespace {

// What the resolver makes of the two names.
enum class World { validates, strips_ad, sets_ad_on_all, silent };

struct Fixture {
  event::SimLoop loop;
  TableResolver table{loop};
  DnssecProbe probe;
  Fixture() {
    probe.signed_name = "signed.test";
    probe.broken_name = "broken.test";
  }
  void become(World world) {
    table.address("signed.test", {"192.0.2.1"});
    table.put("broken.test", RrType::a, Status::failed);
    if (world == World::strips_ad) table.put("signed.test", RrType::a).dnssec = Dnssec::insecure;
    if (world == World::sets_ad_on_all) table.address("broken.test", {"192.0.2.2"});
    if (world == World::silent) table.put("signed.test", RrType::a, Status::failed);
  }
};

}  // namespace

TEST_CASE("T-10: what each resolver means for DANE, at start and later") {
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
      // Lost later, or the lookup fails: deferred, never off.
      {{World::validates, World::strips_ad}, DnssecState::lost, DaneMode::defer},
      {{World::validates, World::sets_ad_on_all}, DnssecState::lost, DaneMode::defer},
      {{World::validates, World::silent}, DnssecState::lost, DaneMode::defer},
      {{World::validates, World::silent, World::strips_ad}, DnssecState::lost, DaneMode::defer},
      {{World::validates, World::strips_ad, World::validates}, DnssecState::proven, DaneMode::on},
      {{World::silent, World::validates}, DnssecState::proven, DaneMode::on},
      {{World::silent, World::strips_ad}, DnssecState::no_ad, DaneMode::off},
      // Off at start: a failing lookup changes nothing, a good one turns it on.
      {{World::strips_ad, World::silent}, DnssecState::no_ad, DaneMode::off},
      {{World::strips_ad, World::validates}, DnssecState::proven, DaneMode::on},
  };
  for (const Row& row : rows) {
    Fixture fixture;
    DnssecWatch watch(fixture.table, true, fixture.probe);
    CHECK(watch.mode() == DaneMode::defer);
    for (const World world : row.runs) {
      fixture.become(world);
      event::run_until_done(fixture.loop, watch.test());
    }
    CHECK(watch.state() == row.state);
    CHECK(watch.mode() == row.mode);
    CHECK_FALSE(watch.explanation().empty());
  }
}

TEST_CASE("T-10: without trust DANE is off, without names it is assumed; neither asks anything") {
  Fixture fixture;
  DnssecWatch untrusted(fixture.table, false, fixture.probe);
  event::run_until_done(fixture.loop, untrusted.test());
  CHECK(untrusted.state() == DnssecState::untrusted);
  CHECK(untrusted.mode() == DaneMode::off);
  DnssecWatch assumed(fixture.table, true, DnssecProbe());
  event::run_until_done(fixture.loop, assumed.test());
  CHECK(assumed.state() == DnssecState::assumed);
  CHECK(assumed.mode() == DaneMode::on);
  CHECK(fixture.table.asked.empty());
}
