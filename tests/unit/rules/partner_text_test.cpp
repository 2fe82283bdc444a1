// SPDX-License-Identifier: Apache-2.0
#include "rules/partner_text.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace sealpost::rules;

TEST_CASE("a rule as a partner file has it: every key, and none that is left to its default") {
  PartnerRule rule;
  rule.name = "B";
  rule.domains = {"b.test", "*.b.test"};
  rule.level = PartnerLevel::verify;
  CHECK(partner_text(rule) ==
        "[[partner]]\nname = \"B\"\ndomains = [\"b.test\", \"*.b.test\"]\ntls = \"verify\"\n");
  rule.mx = {"mx.b.test"};
  rule.pins = {"00ff"};
  rule.minimum = TlsVersion::tls1_3;
  rule.audit = true;
  rule.on_failure = PartnerRule::OnFailure::reroute;
  rule.reroute = "gw.test:25";
  rule.grace = std::chrono::minutes(90);
  rule.starts = from_rfc3339("2026-01-01T00:00:00Z");
  rule.review_by = from_rfc3339("2027-01-01T12:30:00Z");
  rule.owner = "o";
  rule.reference = "r";
  rule.exceptions.push_back({*from_rfc3339("2026-02-01T00:00:00Z"), PartnerLevel::encrypt, "why", "who"});
  CHECK(partner_text(rule) ==
        "[[partner]]\nname = \"B\"\ndomains = [\"b.test\", \"*.b.test\"]\ntls = \"verify\"\nmx = "
        "[\"mx.b.test\"]\nnames = [\"domain\"]\n"
        "pins = [\"00ff\"]\nminimum = \"1.3\"\nmode = \"audit\"\non_failure = \"reroute:gw.test:25\"\ngrace "
        "= \"90m\"\n"
        "starts = 2026-01-01\nreview_by = 2027-01-01T12:30:00Z\nowner = \"o\"\nreference = \"r\"\n"
        "[[partner.exception]]\nuntil = 2026-02-01\ntls = \"encrypt\"\nreason = \"why\"\napproved_by = "
        "\"who\"\n");
}

TEST_CASE("T-54 words of others stay within their quotes and their comment") {
  CHECK(toml_string("a\"b\\c\nd\x7f\xff\xe2\x80\xae\xc3\xbc") ==
        "\"a\\\"b\\\\c\\u000ad\\u007f?\\u202e\xc3\xbc\"");
  CHECK(comment_lines("a\n[[weaker]]\rb\xff\xe2\x80\xa8"
                      "c") == "# a [[weaker]] b? c\n");
  CHECK(comment_lines("one two three", 9) == "# one two\n# three\n");
  CHECK(comment_lines("") == "#\n");
}
