// SPDX-License-Identifier: Apache-2.0
//
// Tables as test data: tab-separated, '#' lines explain (docs/policy-tables.md shows them), the first other line names
// the columns. In a cell \n \r \t \0 \\ \s (blank) and \xHH stand for octets, "-" for nothing.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sealpost::test {

class Row {
 public:
  Row(std::string place, std::map<std::string, std::string, std::less<>> cells)
      : place_(std::move(place)), cells_(std::move(cells)) {}
  const std::string& operator[](std::string_view column) const;  // throws for a column that is not there
  const std::string& get(std::string_view column) const;         // empty when the table has no such column
  const std::string& place() const noexcept { return place_; }   // "sts_record.tsv:12", for messages

 private:
  std::string place_;
  std::map<std::string, std::string, std::less<>> cells_;
};

// Throws when the file cannot be read, a row has not as many cells as there are columns, or a case repeats.
std::vector<Row> read_table(std::string_view file);
std::vector<std::string> words_of(std::string_view cell);  // by blanks
std::vector<std::string> parts_of(std::string_view cell,
                                  std::string_view by);  // "a; b" by "; "; nothing gives none

}  // namespace sealpost::test
