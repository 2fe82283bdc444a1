// SPDX-License-Identifier: Apache-2.0
//
// TLS-RPT text: the TXT record at _smtp._tls.<domain> and where it asks reports to go (RFC 8460 §3). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sealpost {

struct ReportTarget {
  enum class Kind : std::uint8_t { mail, https };
  Kind kind = Kind::mail;
  std::string address;  // mail: addr-spec, percent-decoded (RFC 6068), header fields dropped
  std::string host;     // https: lower case
  std::string path;     // https: path and query, at least "/"
  std::string text;     // the URI as published, printable
  bool operator==(const ReportTarget&) const = default;
};

struct TlsRptRecordSet {
  enum class Kind : std::uint8_t { none, valid, invalid };  // invalid: several, or one that does not parse
  Kind kind = Kind::none;
  std::vector<ReportTarget> targets;     // in order, no repeats; unknown schemes left out
  std::vector<std::string> passed_over;  // what was published but cannot be used, and why, for `report why`
  std::string why;                       // for invalid
};

// `texts`: the TXT RRset, each record's strings joined (R1, R2).
TlsRptRecordSet parse_tls_rpt_records(const std::vector<std::string>& texts);

}  // namespace sealpost
