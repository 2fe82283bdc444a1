// SPDX-License-Identifier: Apache-2.0
//
// Plain tables for people: a header line, columns as wide as their content.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace sealpost::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const noexcept { return rows_.size() == 1; }
  void print(std::ostream& out) const;  // the last column is not padded

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace sealpost::cli
