// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/sending/jobs.hpp"

#include <algorithm>
#include <array>

namespace sealpost::tlsrpt {
namespace {

constexpr std::array states = {"waiting", "handed-over", "sent", "gave-up", "none"};

SystemTime time_of(std::int64_t seconds) { return SystemTime(std::chrono::seconds(seconds)); }

// Rows are read with suspicion (T-54): an unknown state is one that sends nothing.
JobState state_of(std::string_view text) noexcept {
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (text == states[i]) return static_cast<JobState>(i);
  }
  return JobState::none;
}

#define JOB_COLUMNS \
  "day, domain, target, state, attempts, first_attempt, next_attempt, last_result, destination"

}  // namespace

std::string_view name_of(JobState state) noexcept { return states[static_cast<std::size_t>(state)]; }

Expected<std::vector<ReportJob>> Jobs::select(const char* sql, const std::vector<std::string>& arguments,
                                              std::int64_t number, std::size_t most) {
  auto query = store_.statement(sql);
  if (!query) return query.error();
  int index = 1;
  for (const std::string& argument : arguments) bind_text(query->get(), index++, argument);
  if (number >= 0) sqlite3_bind_int64(query->get(), index++, number);
  sqlite3_bind_int64(query->get(), index, static_cast<sqlite3_int64>(most));
  std::vector<ReportJob> jobs;
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(query->get())) == SQLITE_ROW) {
    ReportJob job;
    job.day = column_text(query->get(), 0);
    job.domain = column_text(query->get(), 1);
    job.target = column_text(query->get(), 2);
    job.state = state_of(column_text(query->get(), 3));
    job.attempts = static_cast<std::uint32_t>(std::max(0, sqlite3_column_int(query->get(), 4)));
    job.first_attempt = time_of(sqlite3_column_int64(query->get(), 5));
    job.next_attempt = time_of(sqlite3_column_int64(query->get(), 6));
    job.last_result = column_text(query->get(), 7);
    job.destination = column_text(query->get(), 8);
    jobs.push_back(std::move(job));
  }
  if (step != SQLITE_DONE) return store_.failure("read report jobs");
  return jobs;
}

Expected<std::vector<std::string>> Jobs::unplanned(const std::string& day, const std::string& only,
                                                   std::size_t most) {
  auto query = store_.statement(
      "SELECT DISTINCT p.domain FROM policy p WHERE p.day=?1 AND (?3='' OR p.domain=?3) AND NOT EXISTS "
      "(SELECT 1 FROM report_job j WHERE j.day=p.day AND j.domain=p.domain) ORDER BY p.domain LIMIT ?2");
  if (!query) return query.error();
  bind_text(query->get(), 1, day);
  sqlite3_bind_int64(query->get(), 2, static_cast<sqlite3_int64>(most));
  bind_text(query->get(), 3, only);
  std::vector<std::string> domains;
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(query->get())) == SQLITE_ROW) domains.push_back(column_text(query->get(), 0));
  if (step != SQLITE_DONE) return store_.failure("read domains");
  return domains;
}

Expected<std::vector<std::string>> Jobs::unplanned_days(const std::string& oldest, const std::string& today) {
  auto query = store_.statement(
      "SELECT DISTINCT p.day FROM policy p WHERE p.day>=?1 AND p.day<?2 AND NOT EXISTS "
      "(SELECT 1 FROM report_job j WHERE j.day=p.day AND j.domain=p.domain) ORDER BY p.day");
  if (!query) return query.error();
  bind_text(query->get(), 1, oldest);
  bind_text(query->get(), 2, today);
  std::vector<std::string> days;
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(query->get())) == SQLITE_ROW) days.push_back(column_text(query->get(), 0));
  if (step != SQLITE_DONE) return store_.failure("read days");
  return days;
}

Expected<void> Jobs::plan(const ReportJob& job, const std::vector<ReportJob>& rows) {
  return store_.in_transaction([&]() -> Expected<void> {
    auto erase = store_.statement(
        "DELETE FROM report_job WHERE day=?1 AND domain=?2 AND target='' AND state='waiting'");
    if (!erase) return erase.error();
    bind_text(erase->get(), 1, job.day);
    bind_text(erase->get(), 2, job.domain);
    if (sqlite3_step(erase->get()) != SQLITE_DONE) return store_.failure("plan a report");
    for (const ReportJob& row : rows) {
      auto insert = store_.statement("INSERT INTO report_job(" JOB_COLUMNS
                                     ") VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9) ON CONFLICT DO NOTHING");
      if (!insert) return insert.error();
      bind_text(insert->get(), 1, row.day);
      bind_text(insert->get(), 2, row.domain);
      bind_text(insert->get(), 3, row.target);
      bind_text(insert->get(), 4, std::string(name_of(row.state)));
      sqlite3_bind_int64(insert->get(), 5, row.attempts);
      sqlite3_bind_int64(insert->get(), 6, to_unix(row.first_attempt));
      sqlite3_bind_int64(insert->get(), 7, to_unix(row.next_attempt));
      bind_text(insert->get(), 8, row.last_result);
      bind_text(insert->get(), 9, row.destination);
      if (sqlite3_step(insert->get()) != SQLITE_DONE) return store_.failure("plan a report");
    }
    return {};
  });
}

Expected<std::vector<ReportJob>> Jobs::due(SystemTime now, std::size_t most) {
  return select("SELECT " JOB_COLUMNS
                " FROM report_job WHERE state='waiting' AND next_attempt<=?1 ORDER BY next_attempt LIMIT ?2",
                {}, to_unix(now), most);
}

Expected<bool> Jobs::claim(ReportJob& job, SystemTime now) {
  auto claim = store_.statement(
      "UPDATE report_job SET state='handed-over', attempts=attempts+1, "
      "first_attempt=CASE WHEN first_attempt=0 THEN ?4 ELSE first_attempt END "
      "WHERE day=?1 AND domain=?2 AND target=?3 AND state='waiting' RETURNING attempts, first_attempt");
  if (!claim) return claim.error();
  bind_text(claim->get(), 1, job.day);
  bind_text(claim->get(), 2, job.domain);
  bind_text(claim->get(), 3, job.target);
  sqlite3_bind_int64(claim->get(), 4, to_unix(now));
  const int step = sqlite3_step(claim->get());
  if (step == SQLITE_DONE) return false;
  if (step != SQLITE_ROW) return store_.failure("claim a report");
  job.state = JobState::handed_over;
  job.attempts = static_cast<std::uint32_t>(std::max(0, sqlite3_column_int(claim->get(), 0)));
  job.first_attempt = time_of(sqlite3_column_int64(claim->get(), 1));
  // A statement that is not run to its end commits nothing.
  if (sqlite3_step(claim->get()) != SQLITE_DONE) return store_.failure("claim a report");
  return true;
}

Expected<void> Jobs::update(const ReportJob& job) {
  auto update = store_.statement(
      "UPDATE report_job SET state=?4, attempts=?5, first_attempt=?6, next_attempt=?7, last_result=?8 "
      "WHERE day=?1 AND domain=?2 AND target=?3");
  if (!update) return update.error();
  bind_text(update->get(), 1, job.day);
  bind_text(update->get(), 2, job.domain);
  bind_text(update->get(), 3, job.target);
  bind_text(update->get(), 4, std::string(name_of(job.state)));
  sqlite3_bind_int64(update->get(), 5, job.attempts);
  sqlite3_bind_int64(update->get(), 6, to_unix(job.first_attempt));
  sqlite3_bind_int64(update->get(), 7, to_unix(job.next_attempt));
  bind_text(update->get(), 8, job.last_result);
  if (sqlite3_step(update->get()) != SQLITE_DONE) return store_.failure("update a report");
  return {};
}

Expected<std::uint64_t> Jobs::tried_at(const ReportJob& job, std::uint64_t most) {
  auto query = store_.statement(
      "SELECT count(*) FROM (SELECT 1 FROM report_job WHERE day=?1 AND destination=?2 AND attempts>0 AND "
      "NOT (domain=?3 AND target=?4) LIMIT ?5)");
  if (!query) return query.error();
  bind_text(query->get(), 1, job.day);
  bind_text(query->get(), 2, job.destination);
  bind_text(query->get(), 3, job.domain);
  bind_text(query->get(), 4, job.target);
  sqlite3_bind_int64(query->get(), 5, static_cast<sqlite3_int64>(most));
  if (sqlite3_step(query->get()) != SQLITE_ROW) return store_.failure("count reports");
  return static_cast<std::uint64_t>(sqlite3_column_int64(query->get(), 0));
}

Expected<std::vector<ReportJob>> Jobs::of_domain(const std::string& domain, std::size_t most) {
  return select("SELECT " JOB_COLUMNS " FROM report_job WHERE domain=?1 ORDER BY day DESC, target LIMIT ?2",
                {domain}, -1, most);
}

Expected<std::size_t> Jobs::domains_of(const std::string& day, const std::string& domain) {
  auto query =
      store_.statement("SELECT count(DISTINCT domain) FROM policy WHERE day=?1 AND (?2='' OR domain=?2)");
  if (!query) return query.error();
  bind_text(query->get(), 1, day);
  bind_text(query->get(), 2, domain);
  if (sqlite3_step(query->get()) != SQLITE_ROW) return store_.failure("count domains");
  return static_cast<std::size_t>(count_column(query->get(), 0));
}

Expected<std::vector<ReportJob>> Jobs::of_day(const std::string& day, const std::string& domain,
                                              std::size_t most) {
  return select("SELECT " JOB_COLUMNS
                " FROM report_job WHERE day=?1 AND (?2='' OR domain=?2) ORDER BY domain, target LIMIT ?3",
                {day, domain}, -1, most);
}

Expected<std::vector<ReportJob>> Jobs::waiting(const std::string& day, const std::string& domain,
                                               bool unknown) {
  return select("SELECT " JOB_COLUMNS
                " FROM report_job WHERE day=?1 AND (?2='' OR domain=?2) AND state='waiting' AND "
                "(target='')=?3 ORDER BY domain, target LIMIT ?4",
                {day, domain}, unknown ? 1 : 0, 1'000'000);
}

Expected<void> Jobs::after_restart() {
  return store_.run(
      "UPDATE report_job SET state='sent', last_result='handed over when the relay stopped' WHERE "
      "state='handed-over'");
}

}  // namespace sealpost::tlsrpt
