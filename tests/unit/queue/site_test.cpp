// SPDX-License-Identifier: Apache-2.0
#include "queue/site.hpp"

#include <doctest.h>

#include <map>
#include <string>
#include <vector>

#include "event/sim_loop.hpp"
#include "queue/dispatcher.hpp"

using namespace sealpost;
using namespace sealpost::queue;
using namespace std::chrono_literals;

namespace {

const SystemTime now(1000h);
constexpr auto lately = Site::Seat::Served::lately;
constexpr auto long_enough = Site::Seat::Served::long_enough;

struct Row {
  explicit Row(std::uint32_t places) : site(std::make_shared<Site>("mx.example", bounds(places))) {}
  static Concurrency::Bounds bounds(std::uint32_t places) { return {places, places, places}; }
  std::unique_ptr<Site::Seat> seat(std::uint32_t places = 0) {
    return std::make_unique<Site::Seat>(site, places, [this] { ++roused; });
  }
  SitePtr site;
  int roused = 0;
};

}  // namespace

TEST_CASE("a site's places are for all of its lanes, and who finds none has a turn") {
  Row row(3);
  auto big = row.seat(), small = row.seat();
  for (int i = 0; i < 3; ++i) CHECK(big->take());
  CHECK_FALSE(big->wanted_back(lately));
  CHECK_FALSE(small->take());
  CHECK(small->waits());
  CHECK(big->wanted_back(lately));  // three of three, and its share is one
  big->give_back(1);
  CHECK(row.roused == 1);
  CHECK_FALSE(big->take());  // the place is kept for who was roused
  CHECK(small->take());
  CHECK_FALSE(small->wanted_back(lately));
  CHECK(row.site->in_use() == 3);
}

TEST_CASE("the last place, too, is given up after a while, for who has none, and is not its giver's again") {
  Row row(1);
  auto first = row.seat(), second = row.seat();
  CHECK(first->take());
  CHECK_FALSE(first->wanted_back(long_enough));  // nobody waits
  CHECK_FALSE(second->take());
  CHECK_FALSE(first->wanted_back(lately));
  CHECK(first->wanted_back(long_enough));
  first->give_back(1);
  CHECK_FALSE(first->take());
  CHECK(second->take());
  CHECK(first->waits());
}

TEST_CASE("what a site had grown to says nothing once nobody is there any more") {
  const auto site = std::make_shared<Site>("mx.example", Concurrency::Bounds(5, 20, 250));
  Site::Seat lane(site, 0, [] {});
  CHECK(lane.take());
  for (int i = 0; i < 100; ++i) lane.worked(now, 1ms, 0);
  CHECK(site->places() == 20);
  lane.give_back(1);
  CHECK(site->places() == 5);
}

TEST_CASE("a limit that is raised or gone gives places at once, and not only when something works") {
  const auto site = std::make_shared<Site>("mx.example", Concurrency::Bounds(5, 20, 250));
  int roused = 0;
  Site::Seat hangs(site, 0, [] {}), waits(site, 0, [&roused] { ++roused; });
  site->set_most(1, "limit");
  CHECK(hangs.take());
  CHECK_FALSE(waits.take());
  site->set_most();
  CHECK(site->places() == 5);
  CHECK(roused == 1);
  site->set_most(1000, "limit");  // is not what binds
  CHECK(site->limited_by().empty());
}

TEST_CASE("a lane that is gone, or whose mail is gone, keeps nobody waiting") {
  Row row(1);
  auto first = row.seat(), second = row.seat(), third = row.seat(), fourth = row.seat();
  CHECK(first->take());
  CHECK_FALSE(second->take());
  CHECK_FALSE(third->take());
  CHECK_FALSE(fourth->take());
  second.reset();
  first.reset();
  CHECK(row.roused == 1);  // the third
  third->pass_on();
  CHECK(row.roused == 2);
  fourth.reset();  // had been roused, and takes what was kept for it along
  CHECK(third->take());
  CHECK(row.site->in_use() == 1);
}

TEST_CASE("who joins with places in use fits in, or has to go") {
  Row row(4);
  auto old = row.seat();
  for (int i = 0; i < 4; ++i) CHECK(old->take());
  auto joined = row.seat(2);
  CHECK_FALSE(joined->fits());
  joined->give_back(2);
  CHECK_FALSE(joined->take());
  CHECK(old->wanted_back(lately));
  old->give_back(2);
  CHECK(joined->take());
  CHECK(joined->fits());
}

TEST_CASE("an operator's limit holds for what is open already, and ends with the entry") {
  Row row(8);
  auto lane = row.seat();
  for (int i = 0; i < 8; ++i) CHECK(lane->take());
  CHECK(row.site->limited_by().empty());
  row.site->set_most(2, "limit mx = \"mx.example\"");
  CHECK(row.site->limited_by() == "limit mx = \"mx.example\"");
  CHECK(row.site->places() == 2);
  CHECK(lane->wanted_back(lately));
  lane->give_back(6);
  CHECK_FALSE(lane->wanted_back(lately));
  CHECK_FALSE(lane->take());
  row.site->set_most();
  for (int i = 0; i < 100; ++i) lane->worked(now, 100ms, 10'000);
  CHECK(lane->take());
}

TEST_CASE("where only this one connection is there is none to wait for") {
  Row row(8);
  auto lane = row.seat();
  CHECK(lane->take());
  CHECK_FALSE(lane->crowded(now));
  CHECK(lane->take());
  CHECK(lane->crowded(now));
  CHECK(row.site->places() == 1);
}

TEST_CASE("sites without lanes are forgotten when there are too many") {
  Sites sites{Concurrency::Bounds()};
  const SitePtr kept = sites.at("kept");
  for (int i = 0; i < 15'000; ++i) CHECK(sites.at("mx" + std::to_string(i)) != nullptr);
  CHECK(sites.size() <= 10'000);
  CHECK(sites.at("kept") == kept);
  std::vector<SitePtr> with_lanes;
  for (int i = 0; i < 12'000; ++i) with_lanes.push_back(sites.at("live" + std::to_string(i)));
  for (int i = 0; i < 40'000; ++i) CHECK(sites.at("other" + std::to_string(i)) != nullptr);
  CHECK(sites.size() <= 24'002);
  CHECK(sites.at("live7") == with_lanes[7]);
}

TEST_CASE("what a domain may have is a site of its own, and another one under another limit") {
  Sites sites{Concurrency::Bounds()};
  const SitePtr two = sites.of_domain("b.example", 2, "limit domain = \"*\"");
  CHECK(two->fixed());
  CHECK(two->places() == 2);
  CHECK(sites.of_domain("b.example", 2, "limit domain = \"*\"") == two);
  CHECK(sites.of_domain("c.example", 2, "limit domain = \"*\"") != two);
  CHECK(sites.of_domain("b.example", 3, "limit domain = \"*\"")->places() == 3);
  CHECK_FALSE(sites.at("mx.b.example")->fixed());
  CHECK(sites.all().size() == 4);
}
