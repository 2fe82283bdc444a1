// SPDX-License-Identifier: Apache-2.0
//
// Sessions by domain (or reporter) and day, for who wants to see where it hurts: few rows, each of them whole, of however much
// is counted. Rows of the database are added up as they lie, newest day first; nothing is sorted by SQLite.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tlsrpt/counting/overview.hpp"

namespace sealpost::tlsrpt {

constexpr std::size_t most_matrix_days = 62;

struct MatrixRow {
  std::string organization, domain;  // organization: Way::to_us
  Sums sums;
  std::vector<Sums> days;             // as Matrix::days
  std::optional<OverviewLine> worst;  // of the newest day with failures: the policy with most of them
};
struct Matrix {
  std::vector<std::string> days;  // the newest first
  std::vector<MatrixRow> rows;    // with most failures first, then with most sessions
  std::size_t rows_in_all = 0;
  bool cut =
      false;  // there are more than so many rows, and of those beyond none without a failure was looked at
};
struct MatrixWanted {
  MatrixWanted() = default;
  Way way = Way::to_them;
  std::string newest;                    // day
  std::size_t days = 14;                 // up to it; most_matrix_days at most
  std::size_t most = 60;                 // rows
  std::size_t most_looked_at = 100'000;  // bound on memory: as many again of those that have failed
};
Expected<Matrix> matrix(Store& store, const MatrixWanted& wanted);

}  // namespace sealpost::tlsrpt
