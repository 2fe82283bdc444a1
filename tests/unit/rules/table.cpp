// SPDX-License-Identifier: Apache-2.0
#include "table.hpp"

#include <fstream>
#include <set>
#include <stdexcept>

#include "base/text.hpp"

namespace sealpost::test {
namespace {

std::string unescape(std::string_view cell, const std::string& place) {
  if (cell == "-") return {};
  std::string out;
  for (std::size_t i = 0; i < cell.size(); ++i) {
    if (cell[i] != '\\') {
      out += cell[i];
      continue;
    }
    const char kind = ++i < cell.size() ? cell[i] : '\0';
    switch (kind) {
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 's': out += ' '; break;
      case '0': out += '\0'; break;
      case '\\': out += '\\'; break;
      case 'x': {
        const auto byte = text::from_hex(cell.substr(i + 1, 2));
        if (!byte || byte->size() != 1) throw std::runtime_error(place + ": \\x needs two hex digits");
        out += static_cast<char>(byte->front());
        i += 2;
        break;
      }
      default: throw std::runtime_error(place + ": unknown escape");
    }
  }
  return out;
}

}  // namespace

const std::string& Row::operator[](std::string_view column) const {
  const auto found = cells_.find(column);
  if (found == cells_.end()) throw std::runtime_error(place_ + ": no column " + std::string(column));
  return found->second;
}

const std::string& Row::get(std::string_view column) const {
  static const std::string empty;
  const auto found = cells_.find(column);
  return found == cells_.end() ? empty : found->second;
}

std::vector<Row> read_table(std::string_view file) {
  std::ifstream in(std::string(POLICY_TABLES) + "/" + std::string(file));
  if (!in) throw std::runtime_error("cannot read table " + std::string(file));
  std::vector<Row> rows;
  std::vector<std::string> columns;
  std::set<std::string> cases;
  std::string line;
  for (unsigned number = 1; std::getline(in, line); ++number) {
    if (line.empty() || line.front() == '#') continue;
    const std::string place = std::string(file) + ":" + std::to_string(number);
    const auto cells = text::split(line, '\t');
    if (columns.empty()) {
      columns.assign(cells.begin(), cells.end());
      continue;
    }
    if (cells.size() != columns.size())
      throw std::runtime_error(place + ": " + std::to_string(cells.size()) + " cells for " +
                               std::to_string(columns.size()) + " columns");
    std::map<std::string, std::string, std::less<>> row;
    std::string inputs;
    for (std::size_t i = 0; i < cells.size(); ++i) row[columns[i]] = unescape(cells[i], place);
    if (row.contains("case") && !cases.insert(row["case"]).second)
      throw std::runtime_error(place + ": the case '" + row["case"] + "' is there already");
    rows.emplace_back(place, std::move(row));
  }
  return rows;
}

std::vector<std::string> words_of(std::string_view cell) {
  std::vector<std::string> out;
  for (const auto word : text::split(cell, ' '))
    if (!word.empty()) out.emplace_back(word);
  return out;
}

std::vector<std::string> parts_of(std::string_view cell, std::string_view by) {
  std::vector<std::string> out;
  if (cell.empty()) return out;
  for (;;) {
    const std::size_t at = cell.find(by);
    out.emplace_back(cell.substr(0, at));
    if (at == cell.npos) return out;
    cell.remove_prefix(at + by.size());
  }
}

}  // namespace sealpost::test
