// SPDX-License-Identifier: Apache-2.0
//
// Reading TOML strictly: typed access that notes every error with file, line, key and what would be right,
// and reports keys that nobody asked for, with the nearest known one. Used by the configuration and the
// partner files.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

#include "config/whole_file.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::app {

// One thing wrong (or worth knowing), as `check` prints it.
struct Finding {
  enum class Kind : std::uint8_t { error, warning };
  Kind kind = Kind::error;
  std::string file;
  unsigned line = 0;              // 0: the whole file
  std::string key;                // "delivery.timeouts.mail"
  std::string message;            // what is wrong and what would be right
  std::string to_string() const;  // "/etc/x.toml:12: delivery.lifetime: ..."
};
using Findings = std::vector<Finding>;
bool has_errors(const Findings& findings) noexcept;

// The parsed file, or nothing and a finding: the place of the syntax error, or why it cannot be taken for what was meant
// (whole_file.hpp). A file in which nothing is set, empty or all comments, is an error. Adds to `sources` what was read.
std::optional<toml::table> parse_toml_file(const std::string& path, Findings& findings,
                                           SourceFiles* sources = nullptr);
std::optional<toml::table> parse_toml_text(std::string_view text, const std::string& name,
                                           Findings& findings);

// Every value below `table` under its dotted path, entries of arrays of tables by number, as TOML writes it.
std::map<std::string, std::string> written_values(const toml::table& table);

class TableReader {
 public:
  // With `listing` every key that is asked for goes there, and tables that are absent are read as if they were
  // there, empty: what a program knows, for its documentation.
  TableReader(const toml::table& table, std::string file, std::string prefix, Findings& findings,
              std::vector<std::string>* listing = nullptr);
  TableReader(const TableReader&) = delete;
  TableReader& operator=(const TableReader&) = delete;

  // Absent: false or nullopt, no finding. Wrong type or value: a finding, and as absent.
  bool has(std::string_view key);
  std::optional<std::string> string(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::chrono::seconds> duration(std::string_view key);  // "15m"
  std::optional<SystemTime> time(std::string_view key);                // TOML date, or date-time with zone
  std::optional<std::vector<std::string>> strings(std::string_view key);
  std::optional<std::vector<std::string>> one_or_more(std::string_view key);  // a string, or an array of them
  std::optional<std::vector<std::chrono::seconds>> durations(std::string_view key);
  // One of the words; the finding names them all.
  std::optional<std::string> choice(std::string_view key, std::initializer_list<std::string_view> words);
  void table(std::string_view key, const std::function<void(TableReader&)>& read);
  void each_table(std::string_view key, const std::function<void(TableReader&)>& read);  // [[key]]

  void error(std::string_view key, std::string message);  // at the line of `key`, or of the table
  void warning(std::string_view key, std::string message);
  void required(std::string_view key);  // a finding when absent
  // Call last: a finding for each key nobody asked for.
  void finish();

  unsigned line() const noexcept;
  const std::string& file() const noexcept { return file_; }

 private:
  const toml::node* find(std::string_view key);
  std::string path_of(std::string_view key) const;
  void read_table(const toml::table& table, std::string_view key,
                  const std::function<void(TableReader&)>& read);
  void add(Finding::Kind kind, std::string_view key, std::string message);
  void wrong_type(std::string_view key, std::string_view wanted, const toml::node& got);

  const toml::table& table_;
  std::string file_;
  std::string prefix_;
  Findings& findings_;
  std::vector<std::string>* listing_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace sealpost::app
