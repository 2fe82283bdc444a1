// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/matrix.hpp"

#include <doctest.h>

#include "../sending/sending.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;

namespace {

void count(Store& store, const std::string& day, const std::string& domain, std::uint64_t success,
           std::uint64_t failure) {
  Tally tally;
  PolicyKey key;
  key.day = day;
  key.domain = key.policy_domain = domain;
  key.type = "sts";
  PolicyTally& sum = tally[key];
  sum.success = success;
  sum.failure = failure;
  FailureDetail detail;
  detail.result_type = "certificate-expired";
  detail.mx_host = "mx." + domain;
  if (failure > 0) sum.failures[detail] = failure;
  REQUIRE(store.add_folded(tally));
}

}  // namespace

TEST_CASE("T-26 of however many domains those with most failures are shown, each with all its days") {
  const TemporaryDirectory dir;
  auto store = Store::open(dir.path() + "/tlsrpt.db");
  REQUIRE(store);
  for (int i = 0; i < 50; ++i) count(*store, "2026-03-14", "d" + std::to_string(i) + ".example", 10, 0);
  count(*store, "2026-03-01", "bad.example", 0, 5);
  count(*store, "2026-03-14", "bad.example", 7, 0);
  count(*store, "2026-03-12", "worse.example", 1, 9);
  count(*store, "2026-02-28", "worse.example", 100, 0);  // before
  MatrixWanted wanted;
  wanted.newest = "2026-03-14";
  wanted.most = 3;
  for (const std::size_t looked_at : {std::size_t{100'000}, std::size_t{20}}) {
    CAPTURE(looked_at);
    wanted.most_looked_at = looked_at;
    const auto found = matrix(*store, wanted);
    REQUIRE(found);
    CHECK(found->cut == (looked_at == 20));
    REQUIRE(found->days.size() == 14);
    CHECK(found->days.front() == "2026-03-14");
    CHECK(found->days.back() == "2026-03-01");
    REQUIRE(found->rows.size() == 3);
    CHECK(found->rows[0].domain == "worse.example");
    CHECK(found->rows[0].sums.total() == 10);
    CHECK(found->rows[0].days[2].failure == 9);
    REQUIRE(found->rows[0].worst);
    CHECK(found->rows[0].worst->worst.result_type == "certificate-expired");
    CHECK(found->rows[1].domain == "bad.example");
    CHECK(found->rows[1].days[0].success == 7);
    CHECK(found->rows[1].days[13].failure == 5);
    CHECK(found->rows[1].sums.total() == 12);
    CHECK(!found->rows[2].worst);
  }
  wanted.most_looked_at = 100'000;
  CHECK(matrix(*store, wanted)->rows_in_all == 52);
  wanted.way = Way::to_us;
  CHECK(matrix(*store, wanted)->rows.empty());
  wanted.newest = "today";
  CHECK(!matrix(*store, wanted));
}
