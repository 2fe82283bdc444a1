// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/plain_words.hpp"

#include <doctest.h>

#include <algorithm>

using namespace sealpost;
using namespace sealpost::tlsrpt;
using namespace std::chrono_literals;

namespace {

const SystemTime now{std::chrono::sys_days{std::chrono::year{2026} / 3 / 10}};

Circumstances about(const std::string& type, const std::string& reason = {}) {
  Circumstances circumstances;
  circumstances.result_type = type;
  circumstances.reason_code = reason;
  circumstances.mx_host = "mx2.noord.example";
  circumstances.domain = "noord.example";
  circumstances.now = now;
  return circumstances;
}

}  // namespace

TEST_CASE("every result type of RFC 8460 §4.3 has words, cause and remedy, whatever the reason") {
  const char* types[] = {"starttls-not-supported", "certificate-host-mismatch",
                         "certificate-expired",    "certificate-not-trusted",
                         "validation-failure",     "tlsa-invalid",
                         "dnssec-invalid",         "dane-required",
                         "sts-policy-fetch-error", "sts-policy-invalid",
                         "sts-webpki-invalid"};
  const auto known = known_result_types();
  for (const char* type : types) {
    CAPTURE(type);
    CHECK(std::count(known.begin(), known.end(), type) == 1);
    for (const char* reason : {"", "something nobody has said before"}) {
      const PlainWords words = in_plain_words(about(type, reason));
      for (const std::string& text : {words.what, words.cause, words.remedy}) {
        CHECK_FALSE(text.empty());
        CHECK(text.find('{') == std::string::npos);
      }
    }
  }
}

TEST_CASE("our own reason codes are told apart") {
  const struct {
    const char* type;
    const char* reason;
    const char* what;
  } rows[] = {
      {"starttls-not-supported", "starttls-not-offered", "mx2.noord.example does not offer STARTTLS"},
      {"starttls-not-supported", "454 4.7.0 no TLS now",
       "mx2.noord.example offers STARTTLS but answered it with \"454 4.7.0 no TLS now\""},
      {"certificate-not-trusted", "X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT",
       "certificate of mx2.noord.example is self-signed"},
      {"certificate-not-trusted", "X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
       "the chain of mx2.noord.example's certificate is not complete, or its authority is not trusted here"},
      {"certificate-not-trusted", "no-certificate", "mx2.noord.example showed no certificate"},
      {"validation-failure", "mx-not-in-sts-policy",
       "mail host mx2.noord.example is not among those of noord.example's MTA-STS policy"},
      {"validation-failure", "pin-mismatch",
       "mx2.noord.example showed another key than the partner rule pins"},
      {"validation-failure", "protocol-version", "mx2.noord.example speaks only an old version of TLS"},
      {"validation-failure", "no-shared-cipher",
       "the TLS handshake with mx2.noord.example failed (no-shared-cipher)"},
      {"tlsa-invalid", "all-tlsa-records-unusable",
       "no TLSA record of mx2.noord.example can be used for mail"},
      {"tlsa-invalid", "no-tlsa-record-matched", "certificate of mx2.noord.example matches no TLSA record"},
      {"dnssec-invalid", "SERVFAIL",
       "the TLSA records of mx2.noord.example could not be looked up securely (SERVFAIL)"},
      {"sts-policy-fetch-error", "http-status-404",
       "the MTA-STS policy of noord.example could not be fetched (http-status-404)"},
      {"tomorrow's-type", "x", "tomorrow's-type at mx2.noord.example (x)"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.reason);
    CHECK(in_plain_words(about(row.type, row.reason)).what == row.what);
  }
}

TEST_CASE("an expired certificate says since when, once the certificate was seen") {
  auto expired = about("certificate-expired", "X509_V_ERR_CERT_HAS_EXPIRED");
  CHECK(in_plain_words(expired).what == "certificate of mx2.noord.example expired (its date is not known)");
  expired.certificate_expires = now - 75h;
  CHECK(in_plain_words(expired).what == "certificate of mx2.noord.example expired 3 days ago");
  CHECK(in_plain_words(expired).remedy == "ask them to renew it and to reload their mail server");
  expired.way = Way::to_us;
  CHECK(in_plain_words(expired).remedy == "renew it, then reload the mail server on mx2.noord.example");
}

TEST_CASE("T-48 remote text in words is printable and is not filled in twice") {
  auto hostile = about("validation-failure", "a\r\nb\x1b[2J {mx}");
  const std::string what = in_plain_words(hostile).what;
  CHECK(what.find('\n') == std::string::npos);
  CHECK(what.find('\x1b') == std::string::npos);
  CHECK(what.find("{mx}") != std::string::npos);
  hostile.mx_host.clear();
  CHECK(
      in_plain_words(hostile).what.starts_with("the TLS handshake with a mail host of noord.example failed"));
}

TEST_CASE("when, in words") {
  const struct {
    SystemTime then;
    const char* words;
  } rows[] = {{now, "just now"},           {now - 59s, "just now"},     {now - 60s, "1 minute ago"},
              {now - 47h, "47 hours ago"}, {now - 48h, "2 days ago"},   {now + 30s, "at once"},
              {now + 90min, "in 1 hour"},  {now + 24h * 9, "in 9 days"}};
  for (const auto& row : rows) CHECK(when_in_words(row.then, now) == row.words);
}
