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
#include "tlsrpt/counting/store.hpp"
#include "tlsrpt/sending/discovery.hpp"

namespace sealpost::tlsrpt {

enum class JobState : std::uint8_t { waiting, handed_over, sent, gave_up, none };
std::string_view name_of(JobState state) noexcept;

struct ReportJob {
  std::string day, domain;
  std::string target;       // the URI as published; empty: none wanted, or (waiting) not yet known
  std::string destination;  // mail domain or https host of the target
  JobState state = JobState::waiting;
  std::uint32_t attempts = 0;
  SystemTime first_attempt{}, next_attempt{};
  std::string last_result;  // for people
};

class Jobs {
 public:
  explicit Jobs(Store& store) noexcept : store_(store) {}

  // Domains with sessions on `day` for which nothing has been planned yet; `only`, when given, and no other.
  Expected<std::vector<std::string>> unplanned(const std::string& day, const std::string& only,
                                               std::size_t most);
  // Days from `oldest` to before `today` that still have unplanned domains, oldest first.
  Expected<std::vector<std::string>> unplanned_days(const std::string& oldest, const std::string& today);
  // `rows` for the day and domain of `job`, whose own row without target, if there is one, goes. What is there already
  // stays as it is.
  Expected<void> plan(const ReportJob& job, const std::vector<ReportJob>& rows);
  Expected<std::vector<ReportJob>> due(SystemTime now, std::size_t most);
  // Marks a waiting row as handed over and counts the attempt, in the row and in `job`; false when somebody else has
  // it already.
  Expected<bool> claim(ReportJob& job, SystemTime now);
  Expected<void> update(const ReportJob& job);
  // Other reports of that day which were tried at the job's destination, all domains together; counted up to `most`
  // (T-45). Those that failed count too: a victim's server may well refuse them.
  Expected<std::uint64_t> tried_at(const ReportJob& job, std::uint64_t most);
  Expected<std::vector<ReportJob>> of_domain(const std::string& domain, std::size_t most);
  Expected<std::size_t> domains_of(const std::string& day,
                                   const std::string& domain);  // with sessions that day
  // `domain` empty: all.
  Expected<std::vector<ReportJob>> of_day(const std::string& day, const std::string& domain,
                                          std::size_t most);
  // Waiting rows of one day whatever their hour: those without a known target, or those with one.
  Expected<std::vector<ReportJob>> waiting(const std::string& day, const std::string& domain, bool unknown);
  // What was being handed over when the relay stopped: taken as sent.
  Expected<void> after_restart();

 private:
  Expected<std::vector<ReportJob>> select(const char* sql, const std::vector<std::string>& arguments,
                                          std::int64_t number, std::size_t most);
  Store& store_;
};

}  // namespace sealpost::tlsrpt
