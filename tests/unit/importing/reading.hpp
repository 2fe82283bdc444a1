// SPDX-License-Identifier: Apache-2.0
//
// Imports said in a line a rule, so that tests read as tables.
#pragma once

#include <string>

#include "importing/import.hpp"

namespace sealpost::importing {

SystemTime import_time();  // 2026-07-01
ImportOptions plain_options();
Import imported(Format format, const std::string& text, const ImportOptions& options = plain_options());
// "b.test: verify mx=*.c.test names=mx min=1.3", in the order of the file; behind it each remark as in remarks_in().
std::string rules_in(const Import& import);
// "1 b.test stronger: text", a line each.
std::string remarks_in(const Import& import);
// "stronger" or "left_out", "" for notes: what is said of the one entry of the text, the gravest.
std::string gravest(const Import& import);
// Why the text cannot be read.
std::string refused(Format format, const std::string& text);
std::string sample(const std::string& name);

}  // namespace sealpost::importing
