// SPDX-License-Identifier: Apache-2.0
//
// Values of a log line (T-48). Both forms are printable ASCII: no line end, terminal escape, bidirectional
// mark or U+2028 of a stranger reaches a reader of the log. Written by hand because a log line must cost less
// than a microsecond; tests read the result back with a JSON parser.
#pragma once

#include <string>
#include <string_view>

namespace sealpost::log {

constexpr std::size_t value_cap = 2048;  // octets of a value, before escaping

// Bare when it has only visible characters and none of = " \, else quoted, with \" \\ \n \r \t \xHH.
void append_text_value(std::string& out, std::string_view value);
// A JSON string; well-formed UTF-8 as \uXXXX, each octet that is not as U+FFFD.
void append_json_string(std::string& out, std::string_view value);

}  // namespace sealpost::log
