// SPDX-License-Identifier: Apache-2.0
#include "auth/allowances.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace sealpost::auth;
using namespace std::chrono_literals;

namespace {
constexpr SteadyTime begin{std::chrono::hours(1000)};
}

TEST_CASE("T-60 10^5 messages of one account: capped, others unaffected") {
  Allowances allowances;
  int taken = 0;
  for (int i = 0; i < 100'000; ++i) taken += allowances.take("stolen", Limits(100, 0), 1, begin) ? 1 : 0;
  CHECK(taken == 100);
  CHECK(allowances.take("anna", Limits(100, 0), 1, begin));
  CHECK(allowances.take("free", Limits(), 1'000'000, begin));
}

TEST_CASE("T-60 in no hour more than the limit, whenever it begins; recipients are counted by themselves") {
  Allowances allowances;
  std::vector<SteadyTime> taken;
  for (SteadyTime now = begin; now < begin + 5h; now += 7s)
    if (allowances.take("anna", Limits(20, 0), 1, now)) taken.push_back(now);
  for (std::size_t i = 20; i < taken.size(); ++i) CHECK(taken[i] - taken[i - 20] >= 59min);
  CHECK(taken.size() >= 100);

  CHECK(allowances.take("otto", Limits(0, 10), 6, begin));
  CHECK_FALSE(allowances.take("otto", Limits(0, 10), 5, begin));
  CHECK(allowances.take("otto", Limits(0, 10), 4, begin + 30min));
  CHECK_FALSE(allowances.take("otto", Limits(0, 10), 1, begin + 30min));
  CHECK(allowances.take("otto", Limits(0, 10), 6, begin + 61min));
  CHECK_FALSE(allowances.take("otto", Limits(0, 10), 1, begin + 61min));
  CHECK_FALSE(allowances.take("otto", Limits(0, 10), 11, begin + 10h));
}

TEST_CASE("T-60 what is changed counts for sessions that are open") {
  Allowances allowances;
  CHECK(allowances.take("anna", Limits(), 1, begin));
  allowances.set("anna", Limits(2, 0));
  CHECK(allowances.take("anna", Limits(), 1, begin));
  CHECK_FALSE(allowances.take("anna", Limits(), 1, begin));
  allowances.close("anna");
  CHECK_FALSE(allowances.take("anna", Limits(), 1, begin + 10h));
  allowances.set("anna", Limits(2, 0));
  CHECK(allowances.take("anna", Limits(), 1, begin + 10h));
}
