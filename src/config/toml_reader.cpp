// SPDX-License-Identifier: Apache-2.0
#include "config/toml_reader.hpp"

#include <algorithm>
#include <sstream>

#include "base/words.hpp"
#include "config/toml_mistakes.hpp"

namespace sealpost::app {
namespace {

std::string_view kind_of(const toml::node& node) noexcept {
  switch (node.type()) {
    case toml::node_type::string: return "a string";
    case toml::node_type::integer: return "an integer";
    case toml::node_type::floating_point: return "a number with a fraction";
    case toml::node_type::boolean: return "true or false";
    case toml::node_type::array: return "an array";
    case toml::node_type::table: return "a table";
    case toml::node_type::date: return "a date";
    case toml::node_type::time: return "a time";
    case toml::node_type::date_time: return "a date-time";
    case toml::node_type::none: break;
  }
  return "nothing";
}

unsigned line_of(const toml::node& node) noexcept { return static_cast<unsigned>(node.source().begin.line); }

SystemTime midnight(const toml::date& date) {
  const std::chrono::year_month_day day{std::chrono::year(date.year), std::chrono::month(date.month),
                                        std::chrono::day(date.day)};
  return SystemTime(std::chrono::sys_days(day));
}

}  // namespace

std::string Finding::to_string() const {
  std::string text = file;
  if (line > 0) text += ":" + std::to_string(line);
  text += kind == Kind::error ? ": error: " : ": warning: ";
  if (!key.empty()) text += key + ": ";
  return text + message;
}

bool has_errors(const Findings& findings) noexcept {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& f) { return f.kind == Finding::Kind::error; });
}

std::optional<toml::table> parse_toml_file(const std::string& path, Findings& findings,
                                           SourceFiles* sources) {
  const auto wrong = [&](std::string message) {
    Finding finding;
    finding.file = path;
    finding.message = std::move(message);
    findings.push_back(std::move(finding));
    return std::nullopt;
  };
  auto file = read_whole_file(path);
  if (!file) return wrong(file.error().detail);
  auto table = parse_toml_text(file->text, path, findings);
  if (!table) return std::nullopt;
  if (written_values(*table).empty())
    return wrong(std::string(file->text.find_first_not_of(" \t\r\n") == std::string::npos
                                 ? "is empty"
                                 : "sets nothing: all of it is comments or headings") +
                 "; restore it, or remove it where nothing is wanted");
  if (sources != nullptr) sources->push_back(std::move(file->source));
  return table;
}

std::optional<toml::table> parse_toml_text(std::string_view text, const std::string& name,
                                           Findings& findings) {
  try {
    return toml::parse(text, std::string_view(name));
  } catch (const toml::parse_error& error) {
    Finding finding;
    finding.file = name;
    finding.line = static_cast<unsigned>(error.source().begin.line);
    finding.message = explain_mistake(error.description(), line_of_text(text, finding.line));
    findings.push_back(std::move(finding));
    return std::nullopt;
  }
}

namespace {

void write_values(const toml::node& node, const std::string& path, std::map<std::string, std::string>& into) {
  const auto below = [&path](std::string_view name) {
    return path.empty() ? std::string(name) : path + "." + std::string(name);
  };
  if (const toml::table* table = node.as_table()) {
    for (const auto& [key, value] : *table) write_values(value, below(key.str()), into);
  } else if (const toml::array* array = node.as_array(); array != nullptr && array->is_array_of_tables()) {
    for (std::size_t i = 0; i < array->size(); ++i) write_values((*array)[i], below(std::to_string(i)), into);
  } else {
    std::ostringstream text;
    node.visit([&text](const auto& value) { text << value; });
    into[path] = text.str();
  }
}

}  // namespace

std::map<std::string, std::string> written_values(const toml::table& table) {
  std::map<std::string, std::string> values;
  write_values(table, "", values);
  return values;
}

TableReader::TableReader(const toml::table& table, std::string file, std::string prefix, Findings& findings,
                         std::vector<std::string>* listing)
    : table_(table),
      file_(std::move(file)),
      prefix_(std::move(prefix)),
      findings_(findings),
      listing_(listing) {}

std::string TableReader::path_of(std::string_view key) const {
  if (prefix_.empty()) return std::string(key);
  return key.empty() ? prefix_ : prefix_ + "." + std::string(key);
}

unsigned TableReader::line() const noexcept { return line_of(table_); }

const toml::node* TableReader::find(std::string_view key) {
  const bool is_new = asked_.emplace(key).second;
  if (listing_ && is_new) listing_->push_back(path_of(key));
  return table_.get(key);
}

bool TableReader::has(std::string_view key) { return find(key) != nullptr; }

void TableReader::add(Finding::Kind kind, std::string_view key, std::string message) {
  Finding finding;
  finding.kind = kind;
  finding.file = file_;
  const toml::node* node = table_.get(key);
  // What is absent is missing in its table; at the top that is no line in particular.
  finding.line = node != nullptr ? line_of(*node) : prefix_.empty() && !key.empty() ? 0 : line();
  finding.key = path_of(key);
  finding.message = std::move(message);
  findings_.push_back(std::move(finding));
}

void TableReader::error(std::string_view key, std::string message) {
  add(Finding::Kind::error, key, std::move(message));
}
void TableReader::warning(std::string_view key, std::string message) {
  add(Finding::Kind::warning, key, std::move(message));
}

void TableReader::required(std::string_view key) {
  if (find(key) == nullptr) error(key, "is missing");
}

void TableReader::wrong_type(std::string_view key, std::string_view wanted, const toml::node& got) {
  error(key, "must be " + std::string(wanted) + ", not " + std::string(kind_of(got)));
}

std::optional<std::string> TableReader::string(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto value = node->value_exact<std::string>()) return value;
  wrong_type(key, "a string", *node);
  return std::nullopt;
}

std::optional<std::int64_t> TableReader::integer(std::string_view key, std::int64_t least,
                                                 std::int64_t most) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto value = node->value_exact<std::int64_t>();
  if (!value) {
    wrong_type(key, "an integer", *node);
    return std::nullopt;
  }
  if (*value < least || *value > most) {
    error(key, std::to_string(*value) + " is out of range; " + std::to_string(least) + " to " +
                   std::to_string(most) + " is allowed");
    return std::nullopt;
  }
  return value;
}

std::optional<bool> TableReader::boolean(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto value = node->value_exact<bool>()) return value;
  wrong_type(key, "true or false", *node);
  return std::nullopt;
}

std::optional<std::chrono::seconds> TableReader::duration(std::string_view key) {
  const auto text = string(key);
  if (!text) return std::nullopt;
  if (const auto value = parse_duration(*text)) return value;
  error(key, "'" + *text + "' is not a duration; write it as \"90s\", \"15m\", \"4h\" or \"5d\"");
  return std::nullopt;
}

std::optional<SystemTime> TableReader::time(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto date = node->value_exact<toml::date>()) return midnight(*date);
  if (const auto moment = node->value_exact<toml::date_time>()) {
    if (!moment->offset) {
      error(key, "has no time zone; write it as 2026-12-01T12:00:00Z");
      return std::nullopt;
    }
    return midnight(moment->date) + std::chrono::hours(moment->time.hour) +
           std::chrono::minutes(moment->time.minute) + std::chrono::seconds(moment->time.second) -
           std::chrono::minutes(moment->offset->minutes);
  }
  wrong_type(key, "a date (2026-12-01) or a date-time (2026-12-01T12:00:00Z) without quotes", *node);
  return std::nullopt;
}

std::optional<std::vector<std::string>> TableReader::one_or_more(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr || node->is_array()) return strings(key);
  if (auto value = node->value_exact<std::string>()) return std::vector<std::string>{std::move(*value)};
  wrong_type(key, "a string, or an array of strings", *node);
  return std::nullopt;
}

std::optional<std::vector<std::string>> TableReader::strings(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    wrong_type(key, "an array of strings", *node);
    return std::nullopt;
  }
  std::vector<std::string> values;
  for (const toml::node& entry : *array) {
    const auto value = entry.value_exact<std::string>();
    if (!value) {
      wrong_type(key, "an array of strings, and every entry a string", entry);
      return std::nullopt;
    }
    values.push_back(*value);
  }
  return values;
}

std::optional<std::vector<std::chrono::seconds>> TableReader::durations(std::string_view key) {
  const auto texts = strings(key);
  if (!texts) return std::nullopt;
  std::vector<std::chrono::seconds> values;
  for (const std::string& text : *texts) {
    const auto value = parse_duration(text);
    if (!value) {
      error(key, "'" + text + "' is not a duration; write it as \"90s\", \"15m\", \"4h\" or \"5d\"");
      return std::nullopt;
    }
    values.push_back(*value);
  }
  return values;
}

std::optional<std::string> TableReader::choice(std::string_view key,
                                               std::initializer_list<std::string_view> words) {
  auto text = string(key);
  if (!text) return std::nullopt;
  if (std::find(words.begin(), words.end(), *text) != words.end()) return text;
  std::string all;
  for (const std::string_view word : words) all += (all.empty() ? "" : ", ") + std::string(word);
  error(key, "'" + *text + "' is not one of: " + all);
  return std::nullopt;
}

void TableReader::read_table(const toml::table& table, std::string_view key,
                             const std::function<void(TableReader&)>& read) {
  TableReader reader(table, file_, path_of(key), findings_, listing_);
  read(reader);
  reader.finish();
}

void TableReader::table(std::string_view key, const std::function<void(TableReader&)>& read) {
  const toml::node* node = find(key);
  if (node == nullptr) {
    if (listing_) read_table(toml::table(), key, read);
    return;
  }
  const toml::table* inner = node->as_table();
  if (inner == nullptr) return wrong_type(key, "a table", *node);
  read_table(*inner, key, read);
}

void TableReader::each_table(std::string_view key, const std::function<void(TableReader&)>& read) {
  const toml::node* node = find(key);
  if (node == nullptr) {
    if (listing_) read_table(toml::table(), key, read);
    return;
  }
  const toml::array* array = node->as_array();
  if (array == nullptr)
    return wrong_type(key, "an array of tables, written as [[" + std::string(key) + "]]", *node);
  for (const toml::node& entry : *array) {
    const toml::table* inner = entry.as_table();
    if (inner == nullptr)
      return wrong_type(key, "an array of tables, written as [[" + std::string(key) + "]]", entry);
    read_table(*inner, key, read);
  }
}

void TableReader::finish() {
  for (const auto& [key, value] : table_) {
    const std::string_view name = key.str();
    if (asked_.count(name) > 0) continue;
    const std::vector<std::string_view> known(asked_.begin(), asked_.end());
    const std::string_view meant = text::nearest(name, known);
    std::string message = "unknown key";
    if (!meant.empty()) message += "; did you mean '" + std::string(meant) + "'?";
    add(Finding::Kind::error, name, std::move(message));
  }
}

}  // namespace sealpost::app
