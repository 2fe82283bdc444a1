// SPDX-License-Identifier: Apache-2.0
//
// Plain tables for people: a header line, columns as wide as their content. On a terminal that is too narrow for them a
// row goes on in further lines, which say the names of their columns, so that nothing is cut and nothing is wider.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace sealpost::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row);
  bool empty() const noexcept { return rows_.size() == 1; }
  void print(std::ostream& out) const;  // as wide as the terminal allows
  // At most `width` columns; 0: no matter how many. The last cell of a line is not padded.
  void print(std::ostream& out, std::size_t width) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace sealpost::cli
