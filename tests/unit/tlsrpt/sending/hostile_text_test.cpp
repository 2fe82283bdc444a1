// SPDX-License-Identifier: Apache-2.0
//
// T-46: whatever a remote server or domain puts into any field, the report stays one well-formed I-JSON text.
#include <doctest.h>

#include <functional>

#include "base/text.hpp"
#include "tlsrpt/sending/report.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;

namespace {

using Json = nlohmann::json;

const std::string hostile[] = {
    "\"",
    "\\",
    "\"}],\"policies\":[",
    "a\\\"b",
    "\r\nX-Evil: 1",
    std::string("nul\0in it", 9),
    "\x1b[31m\x7f",
    "\xff\xfe",
    "\xc3",
    "\xed\xa0\x80",
    "\xe2\x80\xa8",
    "\xf0\x9f\x92\xa9",
    "</script>",
    "{{7*7}}",
    "%0d%0a",
    std::string(10'000, 'x'),
    std::string(10'000, '"'),
};

PolicyCount sound() {
  PolicyCount count;
  count.key.type = "sts";
  count.key.policy_domain = "b.example";
  count.key.policy_string = {"version: STSv1"};
  count.key.mx_hosts = {"*.b.example"};
  count.failure = 1;
  DetailCount detail;
  detail.detail.result_type = "validation-failure";
  detail.detail.mx_host = "mx.b.example";
  detail.detail.mx_helo = "mx.b.example";
  detail.detail.receiving_ip = "192.0.2.1";
  detail.detail.reason_code = "x";
  detail.count = 1;
  count.details = {detail};
  return count;
}

const std::pair<const char*, std::function<void(PolicyCount&, const std::string&)>> places[] = {
    {"policy-domain", [](PolicyCount& c, const std::string& t) { c.key.policy_domain = t; }},
    {"policy-string", [](PolicyCount& c, const std::string& t) { c.key.policy_string.push_back(t); }},
    {"mx-host", [](PolicyCount& c, const std::string& t) { c.key.mx_hosts.push_back(t); }},
    {"receiving-mx-hostname", [](PolicyCount& c, const std::string& t) { c.details[0].detail.mx_host = t; }},
    {"receiving-mx-helo", [](PolicyCount& c, const std::string& t) { c.details[0].detail.mx_helo = t; }},
    {"receiving-ip", [](PolicyCount& c, const std::string& t) { c.details[0].detail.receiving_ip = t; }},
    {"failure-reason-code",
     [](PolicyCount& c, const std::string& t) { c.details[0].detail.reason_code = t; }},
};

// Names of an object's members, of all objects within it.
void collect_names(const Json& value, std::vector<std::string>& names) {
  if (value.is_object())
    for (const auto& [name, member] : value.items()) names.push_back(name);
  if (value.is_structured())
    for (const Json& member : value) collect_names(member, names);
}

std::vector<std::string> names_of(const std::string& text) {
  std::vector<std::string> names;
  collect_names(Json::parse(text), names);
  return names;
}

std::string report_with(const PolicyCount& count) {
  ReportIdentity identity;
  identity.organization = "Home";
  identity.contact = "tls@home.example";
  return to_text(build_report(identity, "2026-01-04", "b.example", {count}));
}

}  // namespace

TEST_CASE("T-46 hostile text in every remote field changes no member and is no control octet") {
  const auto members = names_of(report_with(sound()));
  for (const auto& [place, put] : places) {
    const std::string where = place;
    for (const std::string& text : hostile) {
      CAPTURE(where);
      CAPTURE(text::printable(text, 60));
      PolicyCount count = sound();
      put(count, text);
      const std::string report = report_with(count);
      CHECK(names_of(report) == members);  // parses, and has what it had
      CHECK(text::is_utf8(report));
      CHECK(std::none_of(report.begin(), report.end(), [](char c) { return c >= 0 && c < ' '; }));
      const Json detail = Json::parse(report)["policies"][0]["failure-details"][0];
      for (const auto& [name, value] : detail.items()) {
        if (!value.is_string()) continue;
        const auto said = value.get<std::string>();
        CHECK(said.size() <= 256);
        CHECK(std::all_of(said.begin(), said.end(), [](char c) { return c >= ' ' && c <= '~'; }));
      }
    }
  }
}
