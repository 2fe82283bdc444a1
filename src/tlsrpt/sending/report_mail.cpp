// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/sending/report_mail.hpp"

#include "base/digest.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr std::size_t base64_line = 76;

std::string begin_of(const std::string& day) {
  const auto midnight = from_rfc3339(day + "T00:00:00Z");
  const auto seconds =
      std::chrono::floor<std::chrono::seconds>(midnight.value_or(SystemTime{})).time_since_epoch();
  return std::to_string(seconds.count());
}

std::string end_of(const std::string& day) {
  const auto midnight = from_rfc3339(day + "T23:59:59Z");
  const auto seconds =
      std::chrono::floor<std::chrono::seconds>(midnight.value_or(SystemTime{})).time_since_epoch();
  return std::to_string(seconds.count());
}

std::string base64_lines(std::string_view octets) {
  const std::string all = text::base64(octets);
  std::string lines;
  for (std::size_t at = 0; at < all.size(); at += base64_line) lines += all.substr(at, base64_line) + "\r\n";
  return lines;
}

}  // namespace

std::string report_file_name(const std::string& submitter, const std::string& domain, const std::string& day,
                             const std::string& unique) {
  return submitter + "!" + domain + "!" + begin_of(day) + "!" + end_of(day) + "!" + unique + ".json.gz";
}

MailText build_report_mail(const ReportMail& mail) {
  const std::string boundary = "=_" + sha256_hex(mail.report_id + mail.to).substr(0, 32);
  const std::string from_domain(after_at(mail.from));
  MailText text;
  text.head = "From: <" + mail.from + ">\r\n" + "To: <" + mail.to + ">\r\n" +
              "Date: " + to_rfc5322(mail.now) + "\r\n" + "Subject: Report Domain: " + mail.domain +
              "\r\n Submitter: " + mail.submitter + "\r\n Report-ID: <" + mail.report_id + ">\r\n" +
              "Message-ID: <" + sha256_hex(mail.report_id + mail.to + to_rfc3339(mail.now)).substr(0, 32) +
              "@" + from_domain + ">\r\n" + "MIME-Version: 1.0\r\n" +
              "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n\tboundary=\"" + boundary +
              "\"\r\n" + "TLS-Report-Domain: " + mail.domain + "\r\n" +
              "TLS-Report-Submitter: " + mail.submitter + "\r\n" +
              "TLS-Required: No\r\n" +  // RFC 8689 §3: reports go out whatever the policy they complain about
              "Auto-Submitted: auto-generated\r\n";
  text.body = "This is a multi-part message in MIME format.\r\n\r\n--" + boundary +
              "\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" +
              "This is an aggregate TLS report (RFC 8460) by " + mail.submitter + " about " + mail.domain +
              " for " + mail.day + " (UTC).\r\n\r\n" + mail.summary + "\r\n--" + boundary +
              "\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n" +
              "Content-Disposition: attachment;\r\n\tfilename=\"" + mail.file_name + "\"\r\n\r\n" +
              base64_lines(mail.compressed) + "\r\n--" + boundary + "--\r\n";
  return text;
}

}  // namespace sealpost::tlsrpt
