// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/matrix.hpp"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace sealpost::tlsrpt {
namespace {

// What our own demands ended (refusal) counts as failed, as in overview.cpp.
struct RowQueries {
  const char* all;  // of day ?1
  const char* one;  // of day ?1, domain ?2 and organization ?3
};
constexpr RowQueries rows_to_them = {
    "SELECT '', domain, success, failure FROM policy WHERE day=?1 UNION ALL "
    "SELECT '', domain, 0, count FROM refusal WHERE day=?1",
    "SELECT '', domain, success, failure FROM policy WHERE day=?1 AND domain=?2 AND ?3='' UNION ALL "
    "SELECT '', domain, 0, count FROM refusal WHERE day=?1 AND domain=?2 AND ?3=''",
};
constexpr RowQueries rows_to_us = {
    "SELECT r.organization, p.domain, p.success, p.failure FROM received_report r CROSS JOIN received_policy "
    "p ON p.report=r.id WHERE r.day=?1",
    "SELECT r.organization, p.domain, p.success, p.failure FROM received_report r CROSS JOIN received_policy "
    "p ON p.report=r.id WHERE r.day=?1 AND p.domain=?2 AND r.organization=?3",
};

using RowKey = std::pair<std::string, std::string>;  // organization, domain

struct RowKeyHash {
  std::size_t operator()(const RowKey& key) const noexcept {
    return std::hash<std::string>()(key.first) * 31 + std::hash<std::string>()(key.second);
  }
};
using FoundRows = std::unordered_map<RowKey, Sums, RowKeyHash>;

void add_sums(Sums& to, const Sums& more) {
  to.success += more.success;
  to.failure += more.failure;
}

// Each row that `query` has: key and sums.
template <class F>
Expected<void> each_row(Store& store, const StatementPtr& query, F take) {
  for (;;) {
    const int result = sqlite3_step(query.get());
    if (result == SQLITE_DONE) return {};
    if (result != SQLITE_ROW) return store.failure("read a day");
    Sums sums;
    sums.success = count_column(query.get(), 2);
    sums.failure = count_column(query.get(), 3);
    take(RowKey(column_text(query.get(), 0), column_text(query.get(), 1)), sums);
  }
}

Expected<FoundRows> found_in(Store& store, const MatrixWanted& wanted, const char* sql, Matrix& matrix) {
  auto query = store.statement(sql);
  if (!query) return query.error();
  FoundRows found;
  for (const std::string& day : matrix.days) {
    const Use use(*query);
    bind_text(query->get(), 1, day);
    auto read = each_row(store, *query, [&](RowKey key, const Sums& sums) {
      const std::size_t most = sums.failure > 0 ? 2 * wanted.most_looked_at : wanted.most_looked_at;
      if (found.size() >= most && !found.contains(key))
        matrix.cut = true;
      else
        add_sums(found[std::move(key)], sums);
    });
    if (!read) return read.error();
  }
  return found;
}

std::vector<MatrixRow> first_of(const FoundRows& found, std::size_t most) {
  using Row = const FoundRows::value_type*;
  std::vector<Row> rows;
  rows.reserve(found.size());
  for (const auto& row : found) rows.push_back(&row);
  const auto end = rows.begin() + static_cast<std::ptrdiff_t>(std::min(most, rows.size()));
  std::partial_sort(rows.begin(), end, rows.end(), [](Row a, Row b) {
    if (a->second.failure != b->second.failure) return a->second.failure > b->second.failure;
    if (a->second.success != b->second.success) return a->second.success > b->second.success;
    return a->first < b->first;
  });
  std::vector<MatrixRow> first;
  for (auto row = rows.begin(); row != end; ++row) {
    MatrixRow one;
    std::tie(one.organization, one.domain) = (*row)->first;
    first.push_back(std::move(one));
  }
  return first;
}

Expected<void> add_worst_of_row(Store& store, Way way, const std::string& day, MatrixRow& row) {
  OverviewFilter filter;
  filter.way = way;
  filter.day = day;
  filter.domain = row.domain;
  filter.organization = row.organization;
  auto lines = overview(store, filter);
  if (!lines) return lines.error();
  for (OverviewLine& line : *lines)
    if (!line.worst.result_type.empty() && (!row.worst || line.sums.failure > row.worst->sums.failure))
      row.worst = std::move(line);
  return {};
}

}  // namespace

Expected<Matrix> matrix(Store& store, const MatrixWanted& wanted) {
  const RowQueries& queries = wanted.way == Way::to_them ? rows_to_them : rows_to_us;
  Matrix matrix;
  const auto newest = from_rfc3339(wanted.newest + "T00:00:00Z");
  if (!newest) return Error(Errc::invalid, "no day");
  for (std::size_t i = 0; i < std::min(wanted.days, most_matrix_days); ++i)
    matrix.days.push_back(to_utc_day(*newest - std::chrono::days(i)));
  const auto found = found_in(store, wanted, queries.all, matrix);
  if (!found) return found.error();
  matrix.rows_in_all = found->size();
  matrix.rows = first_of(*found, wanted.most);
  // What is shown is read anew: of a row that was met late, days before may have been left out.
  auto query = store.statement(queries.one);
  if (!query) return query.error();
  for (MatrixRow& row : matrix.rows) {
    for (const std::string& day : matrix.days) {
      const Use use(*query);
      bind_text(query->get(), 1, day);
      bind_text(query->get(), 2, row.domain);
      bind_text(query->get(), 3, row.organization);
      Sums& sums = row.days.emplace_back();
      if (auto read = each_row(store, *query, [&](const RowKey&, const Sums& more) { add_sums(sums, more); });
          !read)
        return read.error();
      add_sums(row.sums, sums);
    }
    const auto failed =
        std::find_if(row.days.begin(), row.days.end(), [](const Sums& day) { return day.failure > 0; });
    if (failed == row.days.end()) continue;
    const std::string& day = matrix.days[static_cast<std::size_t>(failed - row.days.begin())];
    if (auto added = add_worst_of_row(store, wanted.way, day, row); !added) return added.error();
  }
  return matrix;
}

}  // namespace sealpost::tlsrpt
