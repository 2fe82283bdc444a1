// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include "scenario.hpp"

using namespace sealpost;
using namespace sealpost::test;

namespace {

void check_sessions(std::string_view table, std::size_t least) {
  const auto rows = read_table(table);
  CHECK(rows.size() >= least);
  for (const Row& row : rows) {
    CAPTURE(row.place());
    CAPTURE(row["case"]);
    const DecisionFacts facts = facts_of(row);
    const Outcome outcome = outcome_of(facts, session_of(row, facts));
    CHECK(outcome.outcome == row["outcome"]);
    CHECK(outcome.results == row["results"]);
    CHECK(outcome.code == row["code"]);
  }
}

}  // namespace

TEST_CASE("STS-13 STS-14 STS-15 T-17 sessions under MTA-STS") { check_sessions("sts_sessions.tsv", 60); }

TEST_CASE("DANE-01 DANE-02 DANE-04 DANE-10 DANE-11 T-09 sessions under DANE") {
  check_sessions("dane_sessions.tsv", 90);
}

TEST_CASE("DANE-12 T-18 T-61 TLS-05 TLS-06 combinations") { check_sessions("combinations.tsv", 60); }

TEST_CASE("DANE-02 T-09 T-11 usable TLSA records") {
  for (const Row& row : read_table("tlsa_records.tsv")) {
    CAPTURE(row["case"]);
    const auto records = records_of(row["record"]);
    REQUIRE(records.size() == 1);
    CHECK(usable_for_smtp(records[0]) == (row["usable"] == "yes"));
  }
}
