// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/report_file.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/mime_parts.hpp"
#include "tlsrpt/received_report.hpp"
#include "tlsrpt/report_mail.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr std::size_t most_reports = 10;  // of one mail
constexpr std::size_t most_ratio = 200;   // reports pack 10 to 60 times smaller
constexpr std::size_t always_fine = 64 << 10;

bool is_gzip(std::string_view octets) noexcept { return octets.starts_with("\x1f\x8b"); }

bool is_json(std::string_view octets) noexcept {
  if (octets.starts_with("\xef\xbb\xbf")) octets.remove_prefix(3);
  const auto first = octets.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && octets[first] == '{';
}

// Senders are not of one mind about the type; the name is the second hint (RFC 8460 §5.1).
bool may_be_report(const MimePart& part) {
  const std::string name = text::lower(part.name);
  return part.type.starts_with("application/tlsrpt") || name.ends_with(".json") ||
         name.ends_with(".json.gz") || part.type == "application/gzip" || part.type == "application/x-gzip" ||
         part.type == "application/json";
}

}  // namespace

Expected<std::string> unpack_report(std::string_view octets) {
  return gunzip(octets, std::min(most_report_octets, always_fine + most_ratio * octets.size()));
}

Expected<std::vector<std::string>> reports_in_file(std::string_view octets) {
  std::vector<std::string> reports;
  if (octets.size() > most_file_octets)
    return Error(Errc::too_long, "the file is longer than " + std::to_string(most_file_octets) + " octets");
  if (is_gzip(octets)) {
    auto text = unpack_report(octets);
    if (!text) return text.error();
    reports.push_back(std::move(*text));
    return reports;
  }
  if (is_json(octets)) {
    reports.emplace_back(octets);
    return reports;
  }
  for (const MimePart& part : mime_parts(octets)) {
    if (!may_be_report(part) || reports.size() == most_reports) continue;
    if (!is_gzip(part.octets)) {
      if (is_json(part.octets)) reports.push_back(part.octets);
      continue;
    }
    auto text = unpack_report(part.octets);
    if (!text) return Error(text.error().code, text::printable(part.name, 128) + ": " + text.error().detail);
    reports.push_back(std::move(*text));
  }
  if (reports.empty())
    return Error(Errc::invalid, "holds no TLS report: neither JSON, nor gzip, nor a mail with one attached");
  return reports;
}

}  // namespace sealpost::tlsrpt
