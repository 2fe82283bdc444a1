// SPDX-License-Identifier: Apache-2.0
#include "app/host.hpp"

#include <doctest.h>

#include "../few_descriptors.hpp"
#include "app/intake_setup.hpp"

using namespace sealpost;
using namespace sealpost::app;

TEST_CASE("T-27 inbound sessions never take more than half of the descriptors") {
  LimitsConfig limits;
  for (const std::uint64_t descriptors : {300U, 1024U, 4096U}) {
    const DescriptorBudget budget = share_out(descriptors, limits.sessions, 2, 2);
    CAPTURE(descriptors);
    CHECK(connection_caps(limits, budget.inbound).total <= descriptors / 2);
    CHECK(budget.inbound + budget.outbound + budget.reserved <= descriptors);
    // As after a reload that asks for all there is.
    CHECK((budget.limit - budget.reserved) / 2 + budget.outbound + budget.reserved <= descriptors);
  }
  CHECK(connection_caps(limits, 512).total == 512);
  CHECK(connection_caps(limits, 512).client == 306);
  CHECK(connection_caps(limits, 512).strangers == 128);
  CHECK(connection_caps(limits, 1'000'000).total == 20'000);
}

TEST_CASE("T-27 descriptors are counted, also when none is left to count them with") {
  CHECK(descriptors_in_use() >= 3);
  const sealpost::test::FewDescriptors none(0);
  CHECK(descriptors_in_use() >= 3);
}
