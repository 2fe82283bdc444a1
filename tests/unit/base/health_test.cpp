// SPDX-License-Identifier: Apache-2.0
#include "base/health.hpp"

#include <doctest.h>

using namespace sealpost;

namespace {

SystemTime fixed_now() { return SystemTime(std::chrono::seconds(1'770'000'000)); }

}  // namespace

TEST_CASE("a cause lasts from raise to clear and keeps its beginning") {
  Health health(fixed_now);
  CHECK(health.well());
  health.raise("journal", "two octet ranges cannot be read", "sealpost spool check");
  health.raise("journal", "three octet ranges cannot be read", "sealpost spool check");
  health.raise("clock", "it went back a year", "mend it");
  const auto all = health.list();
  REQUIRE(all.size() == 2);
  CHECK(all[0].cause == "clock");
  CHECK(all[1].what == "three octet ranges cannot be read");
  CHECK(all[1].since == fixed_now());
  health.clear("journal");
  health.clear("journal");
  health.clear("clock");
  CHECK(health.well());
}

TEST_CASE("causes are bounded") {
  Health health(fixed_now);
  for (std::size_t i = 0; i < Health::most + 10; ++i) health.raise("part " + std::to_string(i), "gone", "");
  CHECK(health.list().size() == Health::most);
}
