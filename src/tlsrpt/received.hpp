// SPDX-License-Identifier: Apache-2.0
//
// Reports of others in tlsrpt.db, beside our own counts: "how do others reach us".
#pragma once

#include <string>
#include <vector>

#include "tlsrpt/received_report.hpp"
#include "tlsrpt/store.hpp"

namespace sealpost::tlsrpt {

// What one organization reported on one policy of one day.
struct ReceivedPolicyRow {
  std::string organization, report_id;
  ReceivedPolicy policy;
};

class Received {
 public:
  explicit Received(Store& store) noexcept : store_(store) {}

  // All of it or nothing. False: a report of that organization with that id is there already, and nothing changed.
  Expected<bool> add(const ReceivedReport& report, const std::string& file, SystemTime now);

  Expected<std::vector<ReceivedPolicyRow>> of_day(const std::string& day, const std::string& domain,
                                                  const std::string& organization, std::size_t most);

 private:
  Expected<void> add_policies(std::int64_t report, const std::vector<ReceivedPolicy>& policies);
  Expected<std::vector<ReceivedFailure>> failures_of(std::int64_t policy, std::size_t most);
  Store& store_;
};

}  // namespace sealpost::tlsrpt
