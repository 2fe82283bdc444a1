// SPDX-License-Identifier: Apache-2.0
//
// Comma-separated values (RFC 4180): CRLF lines, quotes doubled. What others wrote goes into cells, and a spreadsheet
// would run a cell that begins with "=", "+", "-", "@", TAB or CR as a formula: such a cell gets an apostrophe in front.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sealpost::cli {

std::string csv_cell(std::string_view text);
std::string csv_line(const std::vector<std::string>& cells);

}  // namespace sealpost::cli
