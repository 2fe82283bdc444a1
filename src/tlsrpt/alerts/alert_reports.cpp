// SPDX-License-Identifier: Apache-2.0
//
// From the reports of others to what is wrong on our side: "our own certificate expired, three reporters say so".
#include <algorithm>

#include "tlsrpt/alerts/alerts.hpp"
#include "tlsrpt/counting/plain_words.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr std::chrono::days looked_at{
    3};  // reports come within a day or two; older ones are history that is read in
constexpr std::int64_t most_rows = 50'000;
constexpr std::size_t most_causes = 1000;
constexpr std::size_t most_named = 3;

// One failure of one of our domains, over all who say so.
struct Cause {
  std::map<std::string, std::uint64_t> sessions;  // by organization
  bool nothing_through = false;                   // for at least one of them
  std::string reason_code, mx_host, day;
  std::uint64_t most = 0;  // of one row: whose words are used
};

using Causes = std::map<std::pair<std::string, std::string>, Cause>;  // domain and result type

Expected<Causes> causes_since(Store& store, const std::string& day) {
  auto query = store.statement(
      "WITH newest AS (SELECT organization, domain, max(day) AS day FROM received_report WHERE day>=?1 "
      "GROUP BY organization, domain) "
      "SELECT p.domain, f.result_type, r.organization, r.day, p.success, f.reason_code, f.mx_host, f.count "
      "FROM newest n JOIN received_report r ON r.day=n.day AND r.organization=n.organization AND "
      "r.domain=n.domain "
      "JOIN received_policy p ON p.report=r.id JOIN received_failure f ON f.policy=p.id LIMIT ?2");
  if (!query) return query.error();
  bind_text(query->get(), 1, day);
  sqlite3_bind_int64(query->get(), 2, most_rows);
  Causes causes;
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(query->get())) == SQLITE_ROW) {
    std::pair<std::string, std::string> key(column_text(query->get(), 0), column_text(query->get(), 1));
    if (!causes.contains(key) && causes.size() >= most_causes) continue;
    Cause& cause = causes[std::move(key)];
    const std::uint64_t count = count_column(query->get(), 7);
    cause.sessions[column_text(query->get(), 2)] += count;
    cause.day = std::max(cause.day, column_text(query->get(), 3));
    cause.nothing_through = cause.nothing_through || count_column(query->get(), 4) == 0;
    if (count < cause.most) continue;
    cause.most = count;
    cause.reason_code = column_text(query->get(), 5);
    cause.mx_host = column_text(query->get(), 6);
  }
  if (step != SQLITE_DONE) return store.failure("read received failures");
  return causes;
}

// "3 reporters say so (A, B, C): 12 sessions, last on 2026-10-05"
std::string who_says_so(const Cause& cause) {
  std::uint64_t sum = 0;
  std::string names;
  std::size_t named = 0;
  for (const auto& [organization, sessions] : cause.sessions) {
    sum += sessions;
    if (++named <= most_named) names += (names.empty() ? "" : ", ") + organization;
  }
  if (named > most_named) names += " and others";
  return std::to_string(named) + (named == 1 ? " reporter says so (" : " reporters say so (") + names +
         "): " + std::to_string(sum) + (sum == 1 ? " session" : " sessions") + ", last on " + cause.day;
}

}  // namespace

Expected<std::vector<Observation>> observations_of_reports(Store& store, unsigned reporters, SystemTime now) {
  const auto causes = causes_since(store, to_utc_day(now - looked_at));
  if (!causes) return causes.error();
  std::vector<Observation> all;
  for (const auto& [key, cause] : *causes) {
    if (cause.sessions.size() < reporters && !cause.nothing_through) continue;
    Circumstances about;
    about.domain = key.first;
    about.result_type = key.second;
    about.reason_code = cause.reason_code;
    about.mx_host = cause.mx_host;
    about.now = now;
    about.way = Way::to_us;
    const PlainWords words = in_plain_words(about);
    Observation observation;
    observation.kind = AlertKind::received;
    observation.subject = key.first + " " + key.second;
    observation.wrong = true;
    observation.what = "mail to " + key.first + ": " + words.what + "; " + who_says_so(cause);
    observation.how = words.remedy;
    observation.when = now;
    all.push_back(std::move(observation));
  }
  return all;
}

}  // namespace sealpost::tlsrpt
