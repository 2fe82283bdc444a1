// SPDX-License-Identifier: Apache-2.0
//
// What `report list` and `report show` answer, as JSON: counters with the words that explain them. Remote text is
// printable here (T-48).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tlsrpt/counting/matrix.hpp"
#include "tlsrpt/counting/overview.hpp"

namespace sealpost::admin {

using Json = nlohmann::json;

// One object per day and domain (and organization), its policies inside.
Json list_view(const std::vector<tlsrpt::OverviewLine>& lines, tlsrpt::Way way, SystemTime now);

// {"days": [..], "rows": [{"domain", "days": [{"successful_sessions", "failed_sessions"}], "worst"}], "rows_in_all", "cut"}
Json matrix_view(const tlsrpt::Matrix& matrix, tlsrpt::Way way, SystemTime now);

// One policy of one domain and day, with everything recorded about it.
struct PolicyView {
  std::string organization, report_id;  // Way::to_us
  tlsrpt::PolicyCount policy;
  tlsrpt::Sums before;
  std::map<std::string, SystemTime> certificates;  // when that of a host ends
};
struct ShowFacts {
  tlsrpt::Way way = tlsrpt::Way::to_them;
  std::string domain, from, to;       // equal: one day
  std::vector<tlsrpt::DaySums> days;  // with sessions, oldest first: those asked for, or before the one
  std::vector<PolicyView> policies;
};
Json show_view(const ShowFacts& facts, SystemTime now);

}  // namespace sealpost::admin
