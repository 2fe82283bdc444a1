// SPDX-License-Identifier: Apache-2.0
#include "delivery/smart_host.hpp"

#include <doctest.h>

#include <map>
#include <random>

using namespace sealpost;
using namespace sealpost::delivery;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> names(const MxSet& set) {
  std::vector<std::string> all;
  for (const MxHost& host : set.hosts) all.push_back(host.name);
  return all;
}

}  // namespace

TEST_CASE("hosts of a route: lower preferences first, equals by weight (RFC 2782)") {
  SmartHost smart_host;
  smart_host.hosts = {
      {"last.example", 20, 9}, {"heavy.example", 10, 3}, {"light.example", 10, 1}, {"never.example", 10, 0}};
  std::mt19937 lots(1);
  const RandomSource random = [&] { return static_cast<std::uint32_t>(lots()); };
  std::map<std::string, int> first;
  for (int i = 0; i < 4000; ++i) {
    const auto order = names(smart_host.choose(random));
    REQUIRE(order.size() == 4);
    CHECK(order.back() == "last.example");
    ++first[order.front()];
  }
  CHECK(first["heavy.example"] > 2800);
  CHECK(first["light.example"] > 800);
  CHECK(first["never.example"] == 0);
  smart_host.hosts = {{"a.example", 1, 0}, {"b.example", 1, 0}};
  CHECK(names(smart_host.choose(random)).size() == 2);
}

TEST_CASE(
    "T-31 after a refused login nobody tries for a minute, then two, up to an hour; a login that works ends "
    "it") {
  const SmartHost smart_host;
  SteadyTime now{};
  CHECK(smart_host.waits(now).empty());
  Duration longest{0};
  for (int i = 0; i < 12; ++i) {
    smart_host.refused("535 no", now);
    smart_host.refused("535 from a session that was under way", now);  // counts once
    CHECK(smart_host.waits(now) == "535 no");
    Duration waited{0};
    while (!smart_host.waits(now).empty()) {
      now += 1min;
      waited += 1min;
    }
    if (i == 0) CHECK(waited == 1min);
    if (i == 1) CHECK(waited == 2min);
    longest = std::max(longest, waited);
  }
  CHECK(longest == 64min);
  smart_host.accepted();
  smart_host.refused("535 no", now);
  CHECK(smart_host.waits(now + 59s) == "535 no");
  CHECK(smart_host.waits(now + 1min).empty());
}

TEST_CASE("T-31 one at a time tries a login, until one has worked") {
  const SmartHost smart_host;
  {
    const auto first = smart_host.turn();
    CHECK(first);
    CHECK_FALSE(smart_host.turn());
    smart_host.accepted();
    CHECK(smart_host.turn());
  }
  const auto one = smart_host.turn(), two = smart_host.turn();
  CHECK(two);
  smart_host.refused("535 no", SteadyTime{});
  CHECK_FALSE(smart_host.turn());
}

TEST_CASE("what a route asks for is a rule of its own; nothing asked, no rule") {
  SmartHost smart_host;
  smart_host.name = "*";
  CHECK_FALSE(smart_host.rule());
  smart_host.level = PartnerLevel::verify;
  const auto rule = smart_host.rule();
  REQUIRE(rule);
  CHECK(rule->name == "route *");
  CHECK(rule->names == PartnerRule::Names::mx);
  CHECK(rule->on_failure == PartnerRule::OnFailure::defer);
}
