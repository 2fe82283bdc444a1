// SPDX-License-Identifier: Apache-2.0
//
// A foreign file as text: UTF-8 with or without a byte order mark, UTF-16 as PowerShell writes it. Rows of comma-separated
// values (RFC 4180) as programs differ in writing them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "importing/import.hpp"

namespace sealpost::importing {

// Without byte order mark. Errc::invalid: empty, or no text; says the line.
Expected<std::string> to_text(std::string_view octets);

struct Line {
  unsigned number = 0;
  std::string_view text;  // without CR and LF; of the text it was made from
};
std::vector<Line> lines_of(std::string_view text);

struct Row {
  unsigned line = 0;
  std::vector<std::string> cells;  // blanks around them are gone
};
// Split at ',', ';' or TAB, whichever the first line has most of outside quotes. Empty lines, and those that begin with '#', are
// no rows. Errc::invalid: quotes that do not end; Errc::too_long: more rows or cells than anybody has.
Expected<std::vector<Row>> rows_of(std::string_view text);

// Letters and digits alone, in small letters: "Validate certificate hostname" and "validate_certificate_hostname" are one.
std::string bare_word(std::string_view text);

// Its parts: split at blanks, ',', ';' and '|', empty ones left out.
std::vector<std::string> parts_of(std::string_view text);

// "yes", "true", "1", "on", "$true"; all else no.
bool is_yes(std::string_view text);

// What the text is beyond doubt by its form alone. Null: it could be anything.
std::optional<Format> looks_like(std::string_view text);

}  // namespace sealpost::importing
