// SPDX-License-Identifier: Apache-2.0
//
// What is kept of one domain's MTA-STS policy: the policy as it was fetched, and how refreshing it goes.
#pragma once

#include <string>

#include "sealpost/clock.hpp"

namespace sealpost::sts {

struct StsEntry {
  StsEntry() = default;
  std::string domain;  // lower-case A-labels
  std::string id;      // of the TXT record read before the fetch; empty when refreshed without one
  std::string body;    // as served: parsed again whenever it is read, so a row is never trusted (T-54)
  SystemTime fetched{};
  SystemTime expires{};  // fetched + max_age; only a new fetch moves it (S28)

  SystemTime next_refresh{};
  SystemTime last_attempt{};
  SystemTime last_used{};
  unsigned failure_streak = 0;
  std::string failure_type, failure_reason;  // of the last attempt; empty: it succeeded
  // Read back from the second copy after the database was lost: fetch anew before the first delivery (D-24).
  bool recovered = false;
};

}  // namespace sealpost::sts
