// SPDX-License-Identifier: Apache-2.0
//
// Reports of others in tlsrpt.db, beside our own counts: "how do others reach us". This is the front of the room; in order:
//
//   1. report_file.hpp       from a file to the reports in it: mail, mbox, gzip, zip (unzip.hpp), plain
//   2. json_text.hpp         to UTF-8; base/i_json.hpp: bounded and well-formed before anything is built of it
//   3. received_report.hpp   what it says, read with suspicion
//   4. here                  kept once, whole or not at all
//   5. received_aside.hpp    or kept as it came, with the reason
#pragma once

#include <string>
#include <vector>

#include "tlsrpt/counting/store.hpp"
#include "tlsrpt/received/received_report.hpp"

namespace sealpost::tlsrpt {

// What one organization reported on one policy of one day.
struct ReceivedPolicyRow {
  std::string organization, report_id;
  ReceivedPolicy policy;
};

enum class Added : std::uint8_t {
  taken,
  known,    // the same report is there already
  differs,  // one of the same name, domain and range is there, and it says something else
};

class Received {
 public:
  explicit Received(Store& store) noexcept : store_(store) {}

  // All of it or nothing; only Added::taken changes anything. Organization, id, domain and range together tell a report:
  // some name every day's, or every domain's, alike.
  Expected<Added> add(const ReceivedReport& report, const std::string& file, SystemTime now);

  Expected<std::vector<ReceivedPolicyRow>> of_day(const std::string& day, const std::string& domain,
                                                  const std::string& organization, std::size_t most);

 private:
  Expected<Added> compare(const ReceivedReport& report, const std::string& digest);
  Expected<void> add_policies(std::int64_t report, const std::vector<ReceivedPolicy>& policies);
  Expected<std::vector<ReceivedFailure>> failures_of(std::int64_t policy, std::size_t most);
  Store& store_;
};

}  // namespace sealpost::tlsrpt
