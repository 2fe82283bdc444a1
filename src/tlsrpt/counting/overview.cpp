// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/overview.hpp"

#include "tlsrpt/counting/certificates.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr int days_compared = 7;

// The same questions to what we counted and to what others reported. ?1 is the day wherever there is one; every query
// finds its rows by an index that begins with it.
struct Queries {
  const char* next_day;  // the newest one before ?1
  const char* lines;     // of day ?1, domain ?2 and organization ?3 (empty: any), ?4 at most
  const char* worst;     // of day ?1, domain ?2, organization ?3 and type ?4
  const char* sums;      // the same
  const char* days;      // ?1 to ?2, domain ?3, organization ?4 (empty: any): sums of each day
};

// What our own demands ended stands beside the policies, under a type of its own (refusals.hpp).
constexpr Queries to_them = {
    "SELECT max(day) FROM (SELECT max(day) AS day FROM policy WHERE day<?1 UNION ALL "
    "SELECT max(day) FROM refusal WHERE day<?1)",
    "SELECT '', domain, type, sum(success), sum(failure) FROM (SELECT domain, type, success, failure FROM "
    "policy "
    "WHERE day=?1 AND (?2='' OR domain=?2) UNION ALL SELECT domain, 'own-rule', 0, count FROM refusal "
    "WHERE day=?1 AND (?2='' OR domain=?2)) WHERE ?3='' "
    "GROUP BY domain, type ORDER BY sum(sum(failure)) OVER (PARTITION BY domain) DESC, domain, type LIMIT ?4",
    "SELECT result_type, reason_code, mx_host FROM (SELECT f.result_type, f.reason_code, f.mx_host, f.count "
    "FROM policy p JOIN failure f ON f.policy=p.id WHERE p.day=?1 AND p.domain=?2 AND p.type=?4 UNION ALL "
    "SELECT result_type, reason_code, mx_host, count FROM refusal WHERE day=?1 AND domain=?2 AND "
    "?4='own-rule') "
    "WHERE ?3='' GROUP BY 1, 2, 3 ORDER BY sum(count) DESC, 1, 3 LIMIT 1",
    "SELECT sum(success), sum(failure) FROM (SELECT success, failure FROM policy WHERE day=?1 AND domain=?2 "
    "AND "
    "type=?4 UNION ALL SELECT 0, count FROM refusal WHERE day=?1 AND domain=?2 AND ?4='own-rule') WHERE "
    "?3=''",
    "SELECT day, sum(success), sum(failure), sum(refused) FROM (SELECT day, success, failure, 0 AS refused "
    "FROM policy "
    "WHERE day>=?1 AND day<=?2 AND domain=?3 UNION ALL SELECT day, 0, 0, count FROM refusal WHERE day>=?1 "
    "AND "
    "day<=?2 AND domain=?3) WHERE ?4='' GROUP BY day ORDER BY day",
};

constexpr Queries to_us = {
    "SELECT max(day) FROM received_report WHERE day<?1",
    "SELECT r.organization, p.domain, p.type, sum(p.success), sum(p.failure) FROM received_report r "
    "JOIN received_policy p ON p.report=r.id WHERE r.day=?1 AND (?2='' OR p.domain=?2) AND "
    "(?3='' OR r.organization=?3) GROUP BY 1, 2, 3 "
    "ORDER BY sum(sum(p.failure)) OVER (PARTITION BY r.organization, p.domain) DESC, 1, 2, 3 LIMIT ?4",
    "SELECT f.result_type, f.reason_code, f.mx_host FROM received_report r JOIN received_policy p ON "
    "p.report=r.id "
    "JOIN received_failure f ON f.policy=p.id WHERE r.day=?1 AND p.domain=?2 AND r.organization=?3 AND "
    "p.type=?4 "
    "GROUP BY 1, 2, 3 ORDER BY sum(f.count) DESC, 1, 3 LIMIT 1",
    "SELECT sum(p.success), sum(p.failure) FROM received_report r JOIN received_policy p ON p.report=r.id "
    "WHERE r.day=?1 AND p.domain=?2 AND r.organization=?3 AND p.type=?4",
    "SELECT r.day, sum(p.success), sum(p.failure), 0 FROM received_report r JOIN received_policy p ON "
    "p.report=r.id WHERE r.day>=?1 AND r.day<=?2 AND p.domain=?3 AND (?4='' OR r.organization=?4) "
    "GROUP BY r.day ORDER BY r.day",
};

const Queries& queries_for(Way way) noexcept { return way == Way::to_them ? to_them : to_us; }

std::string day_before(const std::string& day, int days) {
  const auto midnight = from_rfc3339(day + "T00:00:00Z");
  return midnight ? to_utc_day(*midnight - std::chrono::days(days)) : std::string();
}

void bind_line(sqlite3_stmt* row, const std::string& day, const OverviewLine& line) {
  bind_text(row, 1, day);
  bind_text(row, 2, line.domain);
  bind_text(row, 3, line.organization);
  bind_text(row, 4, line.policy_type);
}

class Reader {
 public:
  Reader(Store& store, Way way) : store_(store), queries_(queries_for(way)) {}

  Expected<void> prepare() {
    for (const auto& [statement, sql] :
         {std::pair(&day_, queries_.next_day), std::pair(&lines_, queries_.lines),
          std::pair(&worst_, queries_.worst), std::pair(&sums_, queries_.sums)}) {
      auto made = store_.statement(sql);
      if (!made) return made.error();
      *statement = std::move(*made);
    }
    return {};
  }

  // Empty: no earlier one.
  Expected<std::string> day_before_this(const std::string& day) {
    const Use use(day_);
    bind_text(day_.get(), 1, day);
    const auto row = step(day_);
    if (!row) return row.error();
    return *row ? column_text(day_.get(), 0) : std::string();
  }

  Expected<std::vector<OverviewLine>> of_day(const std::string& day, const OverviewFilter& filter,
                                             std::size_t most) {
    const Use use(lines_);
    bind_text(lines_.get(), 1, day);
    bind_text(lines_.get(), 2, filter.domain);
    bind_text(lines_.get(), 3, filter.organization);
    sqlite3_bind_int64(lines_.get(), 4, static_cast<sqlite3_int64>(most));
    std::vector<OverviewLine> all;
    for (;;) {
      const auto row = step(lines_);
      if (!row) return row.error();
      if (!*row) return all;
      OverviewLine line;
      line.day = day;
      line.organization = column_text(lines_.get(), 0);
      line.domain = column_text(lines_.get(), 1);
      line.policy_type = column_text(lines_.get(), 2);
      line.sums.success = count_column(lines_.get(), 3);
      line.sums.failure = count_column(lines_.get(), 4);
      all.push_back(std::move(line));
    }
  }

  Expected<void> add_worst(OverviewLine& line) {
    const Use use(worst_);
    bind_line(worst_.get(), line.day, line);
    const auto row = step(worst_);
    if (!row) return row.error();
    if (!*row) return {};
    line.worst.result_type = column_text(worst_.get(), 0);
    line.worst.reason_code = column_text(worst_.get(), 1);
    line.worst.mx_host = column_text(worst_.get(), 2);
    return {};
  }

  Expected<Sums> before(const OverviewLine& line) {
    Sums sum;
    for (int back = 1; back <= days_compared; ++back) {
      const Use use(sums_);
      bind_line(sums_.get(), day_before(line.day, back), line);
      const auto row = step(sums_);
      if (!row) return row.error();
      if (!*row) continue;
      sum.success += count_column(sums_.get(), 0);
      sum.failure += count_column(sums_.get(), 1);
    }
    return sum;
  }

 private:
  // True: there is a row. What cannot be read is an error, not the end.
  Expected<bool> step(const StatementPtr& statement) {
    const int result = sqlite3_step(statement.get());
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    return store_.failure("read a day");
  }

  Store& store_;
  const Queries& queries_;
  StatementPtr day_, lines_, worst_, sums_;
};

constexpr const char* after_all_days = "9999";

}  // namespace

std::string_view name_of(Trend trend) noexcept {
  switch (trend) {
    case Trend::first: return "first";
    case Trend::same: return "same";
    case Trend::better: return "better";
    case Trend::worse: return "worse";
  }
  return "";
}

Trend trend_of(const Sums& now, const Sums& before) noexcept {
  constexpr double least = 0.01;
  if (before.total() == 0 || now.total() == 0) return Trend::first;
  const double change = now.failed_share() - before.failed_share();
  if (change >= least) return Trend::worse;
  return change <= -least ? Trend::better : Trend::same;
}

Expected<std::vector<OverviewLine>> overview(Store& store, const OverviewFilter& filter) {
  Reader reader(store, filter.way);
  if (auto prepared = reader.prepare(); !prepared) return prepared.error();
  std::vector<OverviewLine> all;
  const std::string after = filter.to.empty() ? after_all_days : filter.to + "~";  // sorts behind that day
  Expected<std::string> day = filter.day.empty() ? reader.day_before_this(after) : filter.day;
  while (day && !day->empty() && *day >= filter.from && all.size() < filter.most) {
    auto lines = reader.of_day(*day, filter, filter.most - all.size());
    if (!lines) return lines.error();
    for (OverviewLine& line : *lines) {
      if (auto added = reader.add_worst(line); !added) return added.error();
      const auto before = reader.before(line);
      if (!before) return before.error();
      line.before = *before;
      if (filter.way == Way::to_them && !line.worst.mx_host.empty()) {
        const auto expires = Certificates(store).expiry(line.domain, line.worst.mx_host);
        if (!expires) return expires.error();
        line.certificate_expires = *expires;
      }
      all.push_back(std::move(line));
    }
    day = filter.day.empty() ? reader.day_before_this(*day) : std::string();
  }
  if (!day) return day.error();
  return all;
}

Expected<std::string> newest_day(Store& store, Way way, const std::string& domain) {
  Reader reader(store, way);
  if (auto prepared = reader.prepare(); !prepared) return prepared.error();
  OverviewFilter filter;
  filter.domain = domain;
  Expected<std::string> day = reader.day_before_this(after_all_days);
  for (; day && !day->empty(); day = reader.day_before_this(*day)) {
    const auto lines = reader.of_day(*day, filter, 1);
    if (!lines) return lines.error();
    if (!lines->empty()) break;
  }
  return day;
}

Expected<std::vector<DaySums>> sums_of_days(Store& store, const OverviewFilter& filter) {
  auto query = store.statement(queries_for(filter.way).days);
  if (!query) return query.error();
  bind_text(query->get(), 1, filter.from);
  bind_text(query->get(), 2, filter.to);
  bind_text(query->get(), 3, filter.domain);
  bind_text(query->get(), 4, filter.organization);
  std::vector<DaySums> all;
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(query->get())) == SQLITE_ROW) {
    DaySums sums;
    sums.day = column_text(query->get(), 0);
    sums.sums.success = count_column(query->get(), 1);
    sums.sums.failure = count_column(query->get(), 2);
    sums.refused = count_column(query->get(), 3);
    all.push_back(std::move(sums));
  }
  if (step != SQLITE_DONE) return store.failure("read days");
  return all;
}

Expected<Sums> sums_before(Store& store, Way way, const OverviewLine& line) {
  Reader reader(store, way);
  if (auto prepared = reader.prepare(); !prepared) return prepared.error();
  return reader.before(line);
}

}  // namespace sealpost::tlsrpt
