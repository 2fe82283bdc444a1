// SPDX-License-Identifier: Apache-2.0
//
// A report on its way: file name, and the multipart/report mail (RFC 8460 §5). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::tlsrpt {

// submitter!policydomain!begin!end!unique.json.gz (RFC 8460 §5.1). `day`: "2026-01-31", `unique` letters and digits.
std::string report_file_name(const std::string& submitter, const std::string& domain, const std::string& day,
                             const std::string& unique);

struct ReportMail {
  std::string from;       // addr-spec
  std::string to;         // addr-spec
  std::string submitter;  // domain of contact-info
  std::string domain;     // policy domain
  std::string day;
  std::string report_id;  // left@right
  std::string file_name;
  std::string compressed;  // gzip octets
  std::string summary;     // for the human part, ASCII lines with CRLF
  SystemTime now{};
};
struct MailText {
  std::string head;  // fields with CRLF, without the empty line
  std::string body;
};
MailText build_report_mail(const ReportMail& mail);

}  // namespace sealpost::tlsrpt
