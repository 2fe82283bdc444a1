// SPDX-License-Identifier: Apache-2.0
#include "importing/own_csv.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "importing/source.hpp"
#include "partner/partner_file.hpp"
#include "rules/partner_text.hpp"

namespace sealpost::importing {
namespace {

enum class Cell : std::uint8_t { words, list, time };
struct Column {
  std::string_view name;  // as policies/README.md has it
  Cell kind = Cell::words;
};
constexpr std::array<Column, 15> columns = {{{"name", Cell::words},
                                             {"domains", Cell::list},
                                             {"tls", Cell::words},
                                             {"mx", Cell::list},
                                             {"names", Cell::list},
                                             {"pins", Cell::list},
                                             {"minimum", Cell::words},
                                             {"mode", Cell::words},
                                             {"on_failure", Cell::words},
                                             {"grace", Cell::words},
                                             {"starts", Cell::time},
                                             {"ends", Cell::time},
                                             {"review_by", Cell::time},
                                             {"owner", Cell::words},
                                             {"reference", Cell::words}}};
// Of the one exception a row can have.
constexpr std::array<Column, 4> exception_columns = {
    {{"until", Cell::time}, {"tls", Cell::words}, {"reason", Cell::words}, {"approved_by", Cell::words}}};

// A spreadsheet's apostrophe before what it would take for a formula (src/cli/csv.hpp).
std::string without_apostrophe(const std::string& cell) {
  const bool guarded =
      cell.size() > 1 && cell[0] == '\'' && std::string_view("=+-@").find(cell[1]) != std::string_view::npos;
  return guarded ? cell.substr(1) : cell;
}

// A date or a date-time stands bare in TOML; what is neither goes in quotes, and the reader says what is wrong.
std::string time_value(const std::string& cell) {
  const bool plain = cell.find_first_not_of("0123456789-:+.TZtz") == cell.npos;
  const bool day = plain && cell.size() == 10;
  return day || (plain && from_rfc3339(cell)) ? cell : rules::toml_string(cell);
}

std::string value_of(Cell kind, const std::string& cell) {
  switch (kind) {
    case Cell::list: return rules::toml_list(parts_of(cell));
    case Cell::time: return time_value(cell);
    case Cell::words: break;
  }
  return rules::toml_string(cell);
}

class RuleRows {
 public:
  RuleRows(const ImportOptions& options, Collector& into) : options_(options), into_(into) {}

  Expected<void> read(const std::vector<Row>& rows) {
    if (rows.empty()) return Error(Errc::invalid, "holds no row");
    for (const std::string& cell : rows.front().cells) heading_.push_back(bare_word(cell));
    for (const std::string_view needed : {"domains", "tls"})
      if (std::find(heading_.begin(), heading_.end(), needed) == heading_.end())
        return Error(Errc::invalid, "line " + std::to_string(rows.front().line) +
                                        ": the first row names the columns, and '" + std::string(needed) +
                                        "' is not among them");
    about_columns(rows.front());
    for (std::size_t i = 1; i < rows.size(); ++i) read_row(rows[i]);
    return {};
  }

 private:
  void about_columns(const Row& heading) {
    for (std::size_t i = 0; i < heading_.size(); ++i) {
      if (heading_[i].empty()) continue;
      if (std::count(heading_.begin(), heading_.end(), heading_[i]) > 1 || !is_known(heading_[i]))
        into_.remark(left_out(heading.line, heading.cells[i],
                              is_known(heading_[i])
                                  ? "there are two columns of this name; the first counts"
                                  : "no column of this name is known, so nothing in it is carried over"));
    }
  }

  static bool is_known(std::string_view name) {
    const auto fits = [name](const Column& column) { return bare_word(column.name) == name; };
    const auto fits_exception = [name](const Column& column) {
      return "exception" + bare_word(column.name) == name;
    };
    return std::any_of(columns.begin(), columns.end(), fits) ||
           std::any_of(exception_columns.begin(), exception_columns.end(), fits_exception);
  }

  // Empty: there is no such column, or nothing in it.
  std::string cell(const Row& row, std::string_view name) const {
    const auto found = std::find(heading_.begin(), heading_.end(), name);
    const auto at = static_cast<std::size_t>(found - heading_.begin());
    return at < row.cells.size() ? without_apostrophe(row.cells[at]) : "";
  }

  std::string as_toml(const Row& row) const {
    std::string toml = "[[partner]]\n", exception;
    for (const Column& column : columns) {
      std::string value = cell(row, bare_word(column.name));
      if (value.empty() && column.name == "name") value = rule_name(cell(row, "domains"));
      if (!value.empty()) toml += std::string(column.name) + " = " + value_of(column.kind, value) + "\n";
    }
    for (const Column& column : exception_columns)
      if (const std::string value = cell(row, "exception" + bare_word(column.name)); !value.empty())
        exception += std::string(column.name) + " = " + value_of(column.kind, value) + "\n";
    return exception.empty() ? toml : toml + "[[partner.exception]]\n" + exception;
  }

  // The reader of partner files knows what is right.
  void read_row(const Row& row) {
    into_.count_entry();
    const std::string key = cell(row, "name").empty() ? cell(row, "domains") : cell(row, "name");
    if (row.cells.size() > heading_.size())
      into_.remark(
          left_out(row.line, key,
                   "has more cells than the first row has columns; what is beyond is not carried over"));
    const auto read = app::read_partner_text(as_toml(row), "row", options_.now);
    std::string wrong;
    for (const app::Finding& finding : read.findings)
      if (finding.kind == app::Finding::Kind::error)
        wrong += (wrong.empty() ? "" : "; ") + finding.key + ": " + finding.message;
    if (!wrong.empty() || read.rules.size() != 1)
      return into_.remark(
          left_out(row.line, key, "makes no rule: " + text::printable(wrong, 400), "mend the row"));
    ImportedRule imported;
    imported.line = row.line;
    imported.rule = read.rules.front();
    into_.add(std::move(imported), key);
  }

  const ImportOptions& options_;
  Collector& into_;
  std::vector<std::string> heading_;
};

}  // namespace

Expected<void> read_own_csv(std::string_view text, const ImportOptions& options, Collector& into) {
  const auto rows = rows_of(text);
  if (!rows) return rows.error();
  return RuleRows(options, into).read(*rows);
}

}  // namespace sealpost::importing
