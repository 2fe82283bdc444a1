// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/sending/report_mail.hpp"

#include <doctest.h>

#include "base/gzip.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;

TEST_CASE("gzip and back; bounded, and honest about what is no gzip (T-46)") {
  const std::string text(100'000, 'x');
  const std::string packed = gzip(text);
  CHECK(packed.size() < 500);
  const auto back = gunzip(packed, 200'000);
  REQUIRE(back);
  CHECK(*back == text);
  CHECK(gunzip(packed, 99'999).error().code == Errc::too_long);
  CHECK_FALSE(gunzip("hello", 100));
  CHECK_FALSE(gunzip(packed.substr(0, packed.size() - 4), 200'000));
  CHECK(gzip("") == gzip(""));
}

TEST_CASE("R16 the file name") {
  CHECK(report_file_name("here.example", "b.example", "2026-03-01", "a1") ==
        "here.example!b.example!1772323200!1772409599!a1.json.gz");
}

TEST_CASE("RPT-07 the mail's fields and parts (RFC 8460 §5.3)") {
  ReportMail mail;
  mail.from = "tls@here.example";
  mail.to = "r@b.example";
  mail.submitter = "here.example";
  mail.domain = "b.example";
  mail.day = "2026-03-01";
  mail.report_id = "2026-03-01.b.example@here.example";
  mail.file_name = "here.example!b.example!1!2!a.json.gz";
  mail.compressed = gzip("{}");
  mail.summary = "1 session\r\n";
  const MailText text = build_report_mail(mail);
  CHECK(text.head.find("Subject: Report Domain: b.example\r\n Submitter: here.example\r\n Report-ID: "
                       "<2026-03-01.b.example@here.example>\r\n") != std::string::npos);
  CHECK(text.head.find("TLS-Report-Domain: b.example\r\n") != std::string::npos);
  CHECK(text.head.find("TLS-Report-Submitter: here.example\r\n") != std::string::npos);
  CHECK(text.head.find("Auto-Submitted: auto-generated\r\n") != std::string::npos);
  CHECK(text.head.find("report-type=\"tlsrpt\"") != std::string::npos);
  CHECK(text.body.find("Content-Type: application/tlsrpt+gzip\r\n") != std::string::npos);
  CHECK(text.body.find("filename=\"here.example!b.example!1!2!a.json.gz\"") != std::string::npos);
  std::size_t parts = 0;
  for (auto at = text.body.find("\r\n--=_"); at != std::string::npos; at = text.body.find("\r\n--=_", at + 1))
    ++parts;
  CHECK(parts == 3);  // two parts and the end: no third part
}
