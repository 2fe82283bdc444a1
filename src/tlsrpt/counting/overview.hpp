// SPDX-License-Identifier: Apache-2.0
//
// The postmaster's view of the counters: per day, domain and policy how sessions went, whether that is better or worse
// than the seven days before, and the failure that weighs most. The same for what others reported to us.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tlsrpt/counting/plain_words.hpp"
#include "tlsrpt/counting/store.hpp"

namespace sealpost::tlsrpt {

struct Sums {
  std::uint64_t success = 0, failure = 0;
  std::uint64_t total() const noexcept { return success + failure; }
  double failed_share() const noexcept {
    return total() == 0 ? 0.0 : static_cast<double>(failure) / static_cast<double>(total());
  }
};

enum class Trend : std::uint8_t { first, same, better, worse };  // first: nothing to compare with
std::string_view name_of(Trend trend) noexcept;
// Shares of failed sessions; less than a percentage point apart is the same.
Trend trend_of(const Sums& now, const Sums& before) noexcept;

struct OverviewLine {
  std::string day;
  std::string organization;  // Way::to_us: who reported
  std::string domain, policy_type;
  Sums sums, before;                              // of the day; of the seven days before it
  FailureDetail worst;                            // result_type empty: no failure is recorded
  std::optional<SystemTime> certificate_expires;  // of worst.mx_host, when it has been seen
};

struct OverviewFilter {
  Way way = Way::to_them;
  std::string day, domain, organization;  // empty: any
  std::string from, to;                   // days, both included; empty: no end
  std::size_t most = 1000;
};

// Newest day first; within a day the domain with most failures first.
Expected<std::vector<OverviewLine>> overview(Store& store, const OverviewFilter& filter);

// The newest day with sessions of `domain`; empty: none.
Expected<std::string> newest_day(Store& store, Way way, const std::string& domain);

// One day of one domain, all policies together; a session that met two of them counts twice.
struct DaySums {
  std::string day;
  Sums sums;
  std::uint64_t refused = 0;  // ended by our own demands; counted as a success besides, or not at all
};
// Days with sessions of filter.domain between filter.from and filter.to, oldest first.
Expected<std::vector<DaySums>> sums_of_days(Store& store, const OverviewFilter& filter);

// Of one organization, domain and policy type in the seven days before `day`.
Expected<Sums> sums_before(Store& store, Way way, const OverviewLine& line);

}  // namespace sealpost::tlsrpt
