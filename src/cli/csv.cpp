// SPDX-License-Identifier: Apache-2.0
#include "cli/csv.hpp"

namespace sealpost::cli {

std::string csv_cell(std::string_view text) {
  constexpr std::string_view begins_formula = "=+-@\t\r\n";
  constexpr std::string_view needs_quotes = ",\"\r\n;\t";  // some programs split at these too
  std::string cell;
  const auto first = text.find_first_not_of(' ');
  if (first != std::string_view::npos && begins_formula.find(text[first]) != std::string_view::npos)
    cell += '\'';
  for (const char c : text) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  const bool blank_edge = !cell.empty() && (cell.front() == ' ' || cell.back() == ' ');
  if (blank_edge || cell.find_first_of(needs_quotes) != std::string::npos) cell = '"' + cell + '"';
  return cell;
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& cell : cells) {
    if (&cell != &cells.front()) line += ',';
    line += csv_cell(cell);
  }
  return line + "\r\n";
}

}  // namespace sealpost::cli
