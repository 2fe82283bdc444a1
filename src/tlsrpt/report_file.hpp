// SPDX-License-Identifier: Apache-2.0
//
// From the file a postmaster has to the report in it: the JSON itself, the same gzipped, or the whole mail it came in
// (RFC 8460 §5.2, §5.3). Pure and bounded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sealpost/expected.hpp"

namespace sealpost::tlsrpt {

inline constexpr std::size_t most_file_octets = 10u << 20;

// JSON texts, at least one. Errc::invalid: nothing in it looks like a report; Errc::too_long: a bound is passed.
Expected<std::vector<std::string>> reports_in_file(std::string_view octets);

// gunzip() with the bound for a stranger's report: 10 MiB, and no more than 200 times what came.
Expected<std::string> unpack_report(std::string_view octets);

}  // namespace sealpost::tlsrpt
