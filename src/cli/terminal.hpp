// SPDX-License-Identifier: Apache-2.0
//
// How text looks on a terminal: its width in columns, and lines that fit.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sealpost::cli {

// COLUMNS, or what the terminal says; 0: it is none, and lines may be as long as they are. Of standard output, or another.
std::size_t terminal_width(int descriptor = 1);
// Columns that the text takes: East Asian letters and emoji two, combining marks none.
std::size_t display_width(std::string_view text);
// What others wrote, without what would move the cursor or turn the direction of writing.
std::string without_controls(std::string_view text);
// Without controls: words in lines of at most `width` columns, each behind `indent`; a word that is longer is broken. Width 0: one line.
// Ends with a newline.
std::string folded(std::string_view text, std::string_view indent, std::size_t width);

}  // namespace sealpost::cli
