// SPDX-License-Identifier: Apache-2.0
//
// From the file a postmaster has to the reports in it: the JSON itself, the same packed with gzip or zip, the mail it came
// in, or an mbox of such mails (RFC 8460 §5.1 to §5.3). What looks like a report and cannot be had is named, never passed
// over. Pure and bounded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sealpost/expected.hpp"

namespace sealpost::tlsrpt {

inline constexpr std::size_t most_file_octets = 10u << 20;
inline constexpr std::size_t most_reports_in_file = 1000;

struct FoundReport {
  std::string name;  // where in the file: "message 2, a!b!1!2.json.gz"; empty: it is the file itself
  // The JSON, UTF-8; when there is a problem, the piece as it came: decoded from its mail, not unpacked.
  std::string octets;
  std::string problem;             // not empty: why no JSON could be had of it
  std::vector<std::string> notes;  // what was put up with on the way
  std::string domain;              // as the mail's header or the file's name says it; empty: neither does
};

// At least one. `name` is that of the file, for the domain in it (§5.1). Errc::invalid: nothing in it looks like a report;
// Errc::too_long: the file itself is over its bound.
Expected<std::vector<FoundReport>> reports_in_file(std::string_view octets, std::string_view name = {});

// gunzip() with the bound for a stranger's report: 10 MiB, and no more than 200 times what came.
Expected<std::string> unpack_report(std::string_view octets);

}  // namespace sealpost::tlsrpt
