// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/received/received_report.hpp"

#include <doctest.h>

#include "base/i_json.hpp"
#include "tlsrpt/sending/report.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;

namespace {

std::string wrapped(const std::string& policies, const std::string& more = {}) {
  return R"({"organization-name":"Noord","date-range":{"start-datetime":"2026-03-01T00:00:00Z",)"
         R"("end-datetime":"2026-03-01T23:59:59Z"},"contact-info":"tls@noord.example","report-id":"r1@noord.example",)" +
         more + R"("policies":)" + policies + "}";
}

const std::string one_policy =
    R"({"policy":{"policy-type":"sts","policy-string":["version: STSv1","mode: enforce"],"policy-domain":"Home.example",)"
    R"("mx-host":["*.home.example"]},"summary":{"total-successful-session-count":10,"total-failure-session-count":2},)"
    R"("failure-details":[{"result-type":"certificate-expired","sending-mta-ip":"2001:0DB8::1","receiving-mx-hostname":)"
    R"("MX1.home.example","receiving-ip":"192.0.2.1","failed-session-count":2,"additional-information":"https://x/",)"
    R"("failure-reason-code":"X509_V_ERR_CERT_HAS_EXPIRED"}]})";

std::string why_not(const std::string& text) {
  const auto report = parse_received_report(text);
  return report ? "" : report.error().detail;
}

bool noted(const std::string& text, const std::string& note) {
  const auto report = parse_received_report(text);
  if (!report) return false;
  for (const std::string& each : report->notes) {
    if (each.find(note) != std::string::npos) return true;
  }
  return false;
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const auto at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

}  // namespace

TEST_CASE("a report as RFC 8460 §4.4 has it is read without a note") {
  const auto report = parse_received_report(wrapped("[" + one_policy + "]"));
  REQUIRE(report);
  CHECK(report->notes.empty());
  CHECK(report->organization == "Noord");
  CHECK(report->report_id == "r1@noord.example");
  CHECK(report->contact == "tls@noord.example");
  CHECK(report->day == "2026-03-01");
  REQUIRE(report->policies.size() == 1);
  const ReceivedPolicy& policy = report->policies[0];
  CHECK(policy.domain == "home.example");
  CHECK(policy.type == "sts");
  CHECK(policy.policy_string == std::vector<std::string>{"version: STSv1", "mode: enforce"});
  CHECK(policy.mx_hosts == std::vector<std::string>{"*.home.example"});
  CHECK(policy.success == 10);
  CHECK(policy.failure == 2);
  REQUIRE(policy.failures.size() == 1);
  CHECK(policy.failures[0].detail.result_type == "certificate-expired");
  CHECK(policy.failures[0].detail.sending_ip == "2001:db8::1");
  CHECK(policy.failures[0].detail.mx_host == "mx1.home.example");
  CHECK(policy.failures[0].information == "https://x/");
  CHECK(policy.failures[0].count == 2);
}

TEST_CASE("our own report is read back as it was written") {
  PolicyCount count;
  count.key.type = "tlsa";
  count.key.policy_domain = "mx.b.example";
  count.key.policy_string = {"3 1 1 ABCD"};
  count.success = 7;
  count.failure = 1;
  DetailCount detail;
  detail.detail.result_type = "tlsa-invalid";
  detail.detail.mx_host = "mx.b.example";
  detail.count = 1;
  count.details.push_back(detail);
  ReportIdentity identity;
  identity.organization = "Größe";
  identity.contact = "tls@home.example";
  const auto text = to_text(build_report(identity, "2026-03-01", "b.example", {count}));
  const auto report = parse_received_report(text);
  REQUIRE(report);
  CHECK(report->notes.empty());
  CHECK(report->organization == "Größe");
  CHECK(report->policies.at(0).type == "tlsa");
  CHECK(report->policies[0].failures.at(0).detail.result_type == "tlsa-invalid");
}

TEST_CASE("what senders are known to get wrong is taken, and noted with its place") {
  const std::string good = wrapped("[" + one_policy + "]");
  CHECK(noted(replaced(good, R"("tls@noord.example")", "null"), "/contact-info is null"));
  CHECK(noted(replaced(good, "00:00:00Z", "00:00:00"), "/date-range/start-datetime has no time zone"));
  CHECK(noted(replaced(good, R"("policy-domain":"Home.example",)", ""),
              "/policies/0/policy/policy-domain is missing"));
  CHECK(noted(replaced(good, R"("sending-mta-ip":"2001:0DB8::1",)", R"("sending-mta-ip":"here",)"),
              "/policies/0/failure-details/0/sending-mta-ip is not an IP address"));
  CHECK(noted(replaced(good, "count\":10", "count\":\"10\""), "is text, not a number"));
  CHECK(noted(wrapped(one_policy), "/policies is not an array"));
  CHECK(noted(wrapped("[]"), "/policies holds nothing"));
  CHECK(noted("\xef\xbb\xbf" + good, "byte order mark"));
  CHECK(noted(replaced(good, R"("organization-name":"Noord",)", ""), "/organization-name is missing"));
  CHECK(noted(replaced(good, "\"sts\"", "\"spf\""), "is none of sts, tlsa and no-policy-found"));
  CHECK(parse_received_report(replaced(good, R"(["*.home.example"])", "\"*.home.example\""))->notes.empty());
}

TEST_CASE("times in the ways senders miss RFC 3339 are the times they mean") {
  const std::string good = wrapped("[" + one_policy + "]");
  const auto begins = [&](const std::string& written) {
    const auto report = parse_received_report(replaced(good, "2026-03-01T00:00:00Z", written));
    return report ? to_rfc3339(report->begins) + (report->notes.empty() ? "" : " " + report->notes[0]) : "!";
  };
  const std::string at = " /date-range/start-datetime has ";
  CHECK(begins("2026-03-01 00:00:00Z") == "2026-03-01T00:00:00Z" + at + "a blank instead of T");
  CHECK(begins("2026-03-01T00:00Z") == "2026-03-01T00:00:00Z" + at + "no seconds");
  CHECK(begins("2026-03-01 00:00:00 UTC") ==
        "2026-03-01T00:00:00Z" + at + "a blank instead of T, has its zone by name");
  CHECK(begins("2026-03-01T01:00+0100") ==
        "2026-03-01T00:00:00Z" + at + "a zone without colon, has no seconds");
  CHECK(begins("2026-03-01T00:00:00 +00:00") == "2026-03-01T00:00:00Z" + at + "a blank before its zone");
  CHECK(begins("2026-03-01 00:00") ==
        "2026-03-01T00:00:00Z" + at + "a blank instead of T, has no time zone; taken as UTC, has no seconds");
  CHECK(begins("2026-03-01t00:00:00.5z") == "2026-03-01T00:00:00Z");
  for (const char* no : {"2026-03-01", "1772323200", "2026-02-30T00:00:00Z", "01.03.2026 00:00:00",
                         "2026-03-01  00:00", "2026-03-01T00:00:00 CET"})
    CHECK(begins(no) == "!");
}

TEST_CASE("counts with a fraction of nothing, as text, null or left out") {
  const std::string good = wrapped("[" + one_policy + "]");
  const auto policy = [&](const std::string& what, const std::string& with) {
    const auto report = parse_received_report(replaced(good, what, with));
    REQUIRE(report);
    CHECK(report->notes.size() == 1);
    return report->policies.at(0);
  };
  CHECK(policy("count\":10", "count\":4.0").success == 4);
  CHECK(policy("count\":10", "count\":1e1").success == 10);
  CHECK(policy("count\":10", "count\":null").success == 0);
  CHECK(policy("count\":10", "count\":\" 7 \"").success == 7);
  // What else the report says of them stands for what it leaves out.
  CHECK(policy("failure-session-count\":2", "failure-session-count\":null").failure == 2);
  CHECK(policy(",\"total-failure-session-count\":2", "").failure == 2);
  CHECK(policy("\"failed-session-count\":2", "\"failed-session-count\":null").failures.at(0).count == 2);
  CHECK(why_not(replaced(good, "count\":10", "count\":4.5")).find("is not a whole") != std::string::npos);
  CHECK(why_not(replaced(good, "count\":10", "count\":-4.0")).find("is not a whole") != std::string::npos);
  CHECK(why_not(replaced(good, "count\":10", "count\":true")).find("is not a whole") != std::string::npos);
}

TEST_CASE("a domain with a last dot is the same domain, one that is missing is that of the mail") {
  const std::string good = wrapped("[" + one_policy + "]");
  const auto dotted = parse_received_report(
      replaced(replaced(good, "Home.example", "Home.example."), "MX1.home.example", "mx1.home.example."));
  CHECK(dotted->policies.at(0).domain == "home.example");
  CHECK(dotted->domain == "home.example");
  CHECK(dotted->policies[0].failures.at(0).detail.mx_host == "mx1.home.example");
  CHECK(dotted->notes.size() == 2);
  const std::string without = replaced(good, R"("policy-domain":"Home.example",)", "");
  CHECK(parse_received_report(without)->domain.empty());
  const auto known = parse_received_report(without, "mail.example");
  CHECK(known->domain == "mail.example");
  CHECK(known->notes ==
        std::vector<std::string>{"/policies/0/policy/policy-domain is missing; taken as mail.example, as "
                                 "the mail or the file's name says"});
  CHECK(parse_received_report(good, "mail.example")->domain == "home.example");
  const auto two =
      parse_received_report(wrapped("[" + replaced(one_policy, "Home", "zoo") + "," + one_policy + "]"));
  CHECK(two->domain == "home.example zoo.example");
}

TEST_CASE("what would make the numbers a guess is refused, saying where") {
  const std::string good = wrapped("[" + one_policy + "]");
  CHECK(why_not(replaced(good, "count\":10", "count\":-1"))
            .find("total-successful-session-count: is not a whole") != std::string::npos);
  CHECK(why_not(replaced(good, "count\":10", "count\":1.5")).find("is not a whole") != std::string::npos);
  CHECK(why_not(replaced(good, "2026-03-01T00:00:00Z", "yesterday")).find("/date-range/start-datetime") == 0);
  CHECK(why_not(replaced(good, "2026-03-01T00:00:00Z", "2026-03-05T00:00:00Z")).find("ends before") !=
        std::string::npos);
  CHECK(why_not(replaced(good, R"("report-id":"r1@noord.example",)", "")).find("/report-id") == 0);
  CHECK(why_not(wrapped("[{}]")).find("/policies/0: has no policy") == 0);
  CHECK(why_not(wrapped("[1]")).find("/policies/0") == 0);
  CHECK(why_not("[]").find("not a JSON object") != std::string::npos);
  CHECK_FALSE(why_not("").empty());
}

TEST_CASE("I-JSON (RFC 7493): duplicates, UTF-8 and numbers, with the place") {
  const std::string good = wrapped("[" + one_policy + "]");
  CHECK(why_not(wrapped("[" + one_policy + "]", R"("report-id":"r2",)")) ==
        "/report-id: member 'report-id' is there twice");
  CHECK(why_not(replaced(good, "\"sts\"", "\"s\xff\"")).find("/policies/0/policy/policy-type: octet ") == 0);
  CHECK(why_not(replaced(good, "\"sts\"", R"("\ud800")")).find("octet ") != std::string::npos);
  CHECK(why_not(replaced(good, "count\":10", "count\":9007199254740992")).find("beyond 2^53-1") !=
        std::string::npos);
  CHECK(why_not(replaced(good, "count\":10", "count\":99999999999999999999999")).find("beyond 2^53-1") !=
        std::string::npos);
  CHECK(why_not(replaced(good, "count\":10", "count\":1e999")).find("/summary") != std::string::npos);
  CHECK(parse_received_report(replaced(good, "count\":10", "count\":9007199254740991")));
}

TEST_CASE("T-46 hostile reports meet a bound") {
  const auto deep = [](std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  CHECK(parse_i_json(deep(16)));
  CHECK(parse_i_json(deep(17)).error().code == Errc::too_long);
  CHECK(parse_i_json(std::string(1'000'000, '[')).error().code == Errc::too_long);
  std::string many = "[0";
  for (int i = 0; i < 400'000; ++i) many += ",0";
  CHECK(parse_i_json(many + "]").error().code == Errc::too_long);
  std::string members = "{";
  for (int i = 0; i < 65; ++i) members += (i > 0 ? ",\"m" : "\"m") + std::to_string(i) + "\":0";
  CHECK(parse_i_json(members + "}").error().code == Errc::too_long);
  CHECK(parse_received_report(std::string(most_report_octets + 1, ' ')).error().code == Errc::too_long);
  std::string policies = one_policy;
  for (int i = 0; i < 10'000; ++i) policies += ",{\"policy\":{},\"summary\":{}}";
  CHECK(why_not(wrapped("[" + policies + "]")).find("more than 10000 policies") != std::string::npos);
  const auto cut = parse_received_report(
      replaced(wrapped("[" + one_policy + "]"), "\"Noord\"", "\"" + std::string(5000, 'x') + "\""));
  REQUIRE(cut);
  CHECK(cut->organization.size() == 1024);
  CHECK(cut->notes.size() == 1);
}

TEST_CASE("T-48 text of strangers: letters of all scripts stay, what moves a cursor does not") {
  CHECK(clean_text("Größe 株式会社", 100) == "Größe 株式会社");
  CHECK(clean_text("a\r\n\x1b[2Jb", 100) == "a???[2Jb");
  CHECK(clean_text("a\u202eb\u2028c\u200bd\u0085", 100) == "a?b?c?d?");
  CHECK(clean_text("\xff\xc0\x80", 100) == "???");
  CHECK(clean_text("ä", 1).empty());  // never half a character
}
