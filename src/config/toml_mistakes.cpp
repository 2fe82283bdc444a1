// SPDX-License-Identifier: Apache-2.0
#include "config/toml_mistakes.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"

namespace sealpost::app {
namespace {

bool mentions(std::string_view text, std::string_view words) noexcept {
  return text.find(words) != text.npos;
}

// What stands behind the first =, without blanks, brackets of lists and comments behind words.
std::string_view value_in(std::string_view line) noexcept {
  const auto equals = line.find('=');
  if (equals == line.npos) return {};
  std::string_view value = text::trim(line.substr(equals + 1));
  while (value.starts_with('[')) value = text::trim(value.substr(1));
  return value;
}

// “ ” „ ‘ ’ and their like, U+2018 to U+201F, which programs for letters write instead of " and '.
bool has_typographic_quote(std::string_view value) noexcept {
  return value.size() >= 3 && value.starts_with("\xE2\x80") && value[2] >= '\x98' && value[2] <= '\x9F';
}

bool says_yes_or_no(std::string_view value) {
  constexpr std::array<std::string_view, 6> words = {"true", "false", "yes", "no", "on", "off"};
  const std::string first = text::lower(value.substr(0, value.find_first_of(" \t#,]")));
  return std::find(words.begin(), words.end(), first) != words.end();
}

// The parser tries what a value looks like by its first characters: 127.0.0.1:25 is a time that went wrong.
bool in_a_value(std::string_view met) noexcept {
  constexpr std::array<std::string_view, 5> kinds = {
      "parsing value:", "parsing boolean:", "parsing time:", "integer:", "floating-point:"};
  return std::any_of(kinds.begin(), kinds.end(),
                     [met](std::string_view kind) { return mentions(met, kind); });
}

std::string_view remedy_for(std::string_view met, std::string_view line) {
  const std::string_view value = value_in(line);
  if (has_typographic_quote(value))
    return "quotes are the plain ones of programs, \" or ', not typographic ones";
  if (mentions(met, "unescaped control characters"))
    return "a text ends on its own line, with the quote that it began with";
  if (mentions(met, "leading zeroes")) return "write the number without them, or as text in quotes";
  if (mentions(met, "encountered end-of-file"))
    return "a value is missing, or a quote or a bracket was opened and not closed";
  if (mentions(met, "expected value,"))
    return "after = comes a value; text and durations stand in quotes: key = \"value\"";
  if (mentions(met, "parsing date"))
    return "a date is 2026-12-31 without quotes, and other text stands in quotes: key = \"value\"";
  if (in_a_value(met) && says_yes_or_no(value))
    return "it is true or false, in small letters and without quotes";
  if (in_a_value(met)) return "text and durations stand in quotes: key = \"value\"";
  constexpr std::pair<std::string_view, std::string_view> others[] = {
      {"parsing table header: expected ']'",
       "a heading ends with the bracket it began with: [delivery]; of several of a kind with two: "
       "[[listener]]"},
      {"expected value-terminator", "text and durations stand in quotes: key = \"value\""},
      {"expected a comment or whitespace",
       "text with blanks in it stands in quotes, and each key on a line of its own, without a comma behind "
       "it"},
      {"expected comma or closing ']'",
       "entries of a list stand in quotes, with commas between them: [\"a\", \"b\"]"},
      {"expected '='", "a line is key = value, or a heading in brackets: [delivery]"},
      {"expected keys, tables", "a line is key = value, or a heading in brackets: [delivery]"},
      {"cannot redefine existing",
       "it is there already; write it once. Of several of a kind each begins with a heading in two brackets: "
       "[[partner]]"},
      {"unknown escape sequence", "in \"...\" a backslash is written twice; in '...' it stands for itself"},
  };
  for (const auto& [words, remedy] : others)
    if (mentions(met, words)) return remedy;
  return {};
}

}  // namespace

std::string explain_mistake(std::string_view met, std::string_view line) {
  const std::string_view remedy = remedy_for(met, line);
  if (remedy.empty()) return std::string(met);
  constexpr std::string_view begins = "Error ";
  if (met.starts_with(begins)) met.remove_prefix(begins.size());
  return std::string(remedy) + " (" + std::string(met) + ")";
}

std::string_view line_of_text(std::string_view text, unsigned number) noexcept {
  for (unsigned at = 1; at < number; ++at) {
    const auto end = text.find('\n');
    if (end == text.npos) return {};
    text.remove_prefix(end + 1);
  }
  return number == 0 ? std::string_view() : text.substr(0, text.find_first_of("\r\n"));
}

}  // namespace sealpost::app
