// SPDX-License-Identifier: Apache-2.0
#include "cli/table.hpp"

#include <algorithm>
#include <ostream>

#include "cli/terminal.hpp"

namespace sealpost::cli {
namespace {

constexpr std::size_t gap = 2;
constexpr const char* further = "    ";

std::vector<std::size_t> widths_of(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  return widths;
}

// How many of the columns stand side by side: all, or as many as leave the rest to further lines.
std::size_t side_by_side(const std::vector<std::size_t>& widths, std::size_t width) {
  std::size_t used = 0, columns = 0;
  for (const std::size_t one : widths) {
    if (width > 0 && columns > 0 && used + gap + one > width) break;
    used += one + (columns > 0 ? gap : 0);
    ++columns;
  }
  return columns;
}

}  // namespace

void Table::add(std::vector<std::string> row) {
  for (std::string& cell : row) cell = without_controls(cell);
  rows_.push_back(std::move(row));
}

void Table::print(std::ostream& out) const { print(out, terminal_width()); }

void Table::print(std::ostream& out, std::size_t width) const {
  const std::vector<std::size_t> widths = widths_of(rows_);
  const std::size_t columns = side_by_side(widths, width);
  const auto& header = rows_.front();
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < columns; ++i) {
      line += row[i];
      if (i + 1 < columns) line.append(widths[i] - display_width(row[i]) + gap, ' ');
    }
    if (width > 0 && display_width(line) > width)  // a first cell that is wider than all there is
      out << folded(line, "", width);
    else
      out << line << '\n';
    if (&row == &header || columns == row.size()) continue;
    // Short ones share a line, in order.
    const auto end_line = [&](std::string& rest) {
      out << (display_width(further + rest) <= width ? further + rest + "\n" : folded(rest, further, width));
      rest.clear();
    };
    std::string rest;
    for (std::size_t i = columns; i < row.size(); ++i) {
      if (row[i].empty()) continue;
      const std::string cell = header[i] + " " + row[i];
      if (!rest.empty() && display_width(further + rest) + gap + display_width(cell) > width) end_line(rest);
      rest += (rest.empty() ? "" : "  ") + cell;
    }
    if (!rest.empty()) end_line(rest);
  }
}

}  // namespace sealpost::cli
