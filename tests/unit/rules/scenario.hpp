// SPDX-License-Identifier: Apache-2.0
//
// One row of a decision table as facts: the destination is b.test with the MX host mx1.b.test, the time is scenario_now.
// The words of each column are explained where they are read (scenario.cpp); an unknown word throws.
#pragma once

#include "sealpost/requirement.hpp"
#include "sealpost/verdict.hpp"
#include "table.hpp"

namespace sealpost::test {

inline const SystemTime scenario_now = SystemTime(std::chrono::seconds(1'780'000'000));

std::vector<TlsaRecord> records_of(std::string_view cell);            // "3 1 1 ee, 2 0 1 ta" with named data
DecisionFacts facts_of(const Row& row);                               // columns partner, sts, dane, mx, flags
SessionFacts session_of(const Row& row, const DecisionFacts& facts);  // column session

struct Outcome {
  std::string outcome;  // "deliver", "report" (delivered, failure counted), "refuse", "skip"
  std::string results;  // "partner ok; dane! tlsa-invalid": one per demand, observed ones in brackets
  std::string code;     // status of what decided a refusal or skip, else empty
};
Outcome outcome_of(const DecisionFacts& facts, const SessionFacts& session);

}  // namespace sealpost::test
