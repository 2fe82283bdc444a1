// SPDX-License-Identifier: Apache-2.0
//
// Reports on their way: which day's report of which domain goes to which target, and how far it is. Rows of tlsrpt.db, so
// retries survive a restart. A row is marked before its report is handed over: a crash in between loses one report
// and sends none twice (R29).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"
#include "sealpost/tls_rpt.hpp"
#include "tlsrpt/store.hpp"

namespace sealpost::tlsrpt {

enum class JobState : std::uint8_t { waiting, handed_over, sent, gave_up, none };
std::string_view name_of(JobState state) noexcept;

struct ReportJob {
  std::string day, domain;
  std::string target;  // the URI as published; empty: the domain wants no report, or none can be sent
  JobState state = JobState::waiting;
  std::uint32_t attempts = 0;
  SystemTime first_attempt{}, next_attempt{};
  std::string last_result;  // for people
};

class Jobs {
 public:
  explicit Jobs(Store& store) noexcept : store_(store) {}

  // Domains with sessions on `day` for which nothing has been planned yet.
  Expected<std::vector<std::string>> unplanned(const std::string& day, std::size_t most);
  // Days before `today` that still have unplanned domains, oldest first.
  Expected<std::vector<std::string>> unplanned_days(const std::string& today);
  // One row per target; with none, a row that says why.
  Expected<void> plan(const std::vector<ReportJob>& jobs);
  Expected<std::vector<ReportJob>> due(SystemTime now, std::size_t most);
  // Marks a waiting row as handed over; false when somebody else has it already.
  Expected<bool> claim(const ReportJob& job);
  Expected<void> update(const ReportJob& job);
  // Reports handed to this mail address or https host on that day's run, all domains together (T-45).
  Expected<std::uint64_t> handed_to(const std::string& day, const std::string& target);
  Expected<std::vector<ReportJob>> of_domain(const std::string& domain, std::size_t most);
  Expected<std::vector<ReportJob>> of_day(const std::string& day, std::size_t most);
  // What was being handed over when the relay stopped: taken as sent.
  Expected<void> after_restart();
  // Everything of days before `day`: counters and jobs.
  Expected<void> forget_before(const std::string& day);

 private:
  Expected<std::vector<ReportJob>> select(const char* sql, const std::vector<std::string>& arguments,
                                          std::int64_t number, std::size_t most);
  Store& store_;
};

}  // namespace sealpost::tlsrpt
