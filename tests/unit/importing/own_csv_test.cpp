// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include "reading.hpp"

using namespace sealpost;
using namespace sealpost::importing;

TEST_CASE("A table of rules: the sample, every key") {
  const Import made = imported(Format::csv, sample("rules.csv"));
  CHECK(rules_in(made) ==
        "ministry.test,*.ministry.test: verify names=domain 1.3\n"
        "insurer.test: verify mx=*.mail.provider.test names=mx\n"
        "clear.test: encrypt\n"
        "selfsigned.test: verify names=domain audit\n"
        "partner-verify.test: verify names=mx\n"
        "lab.test: pin pins=1\n"
        "*.below.test: encrypt\n");
  const PartnerRule& ministry = made.rules[0].rule;
  CHECK(ministry.grace == std::chrono::hours(4));
  CHECK(to_utc_day(*ministry.review_by) == "2027-06-01");
  CHECK(ministry.owner == "ciso@home.test");
  CHECK(ministry.reference == "agreement 2024-17");
  CHECK(made.rules[2].rule.on_failure == PartnerRule::OnFailure::defer);
  REQUIRE(made.rules[5].rule.exceptions.size() == 1);
  CHECK(made.rules[5].rule.exceptions[0].reason == "key ceremony ticket 4711");
  const std::string told = remarks_in(made);
  INFO(told);
  CHECK(told.find("1 phone left_out: no column of this name is known") != told.npos);
  CHECK(told.find("9 Wrong left_out: makes no rule: partner.tls: 'encrypted' is not one of") != told.npos);
}

TEST_CASE("A table of rules: how it may be written") {
  CHECK(rules_in(imported(Format::csv, "TLS;Domains\r\nencrypt;b.test, c.test\r\n\r\n")) ==
        "b.test,c.test: encrypt\n");
  CHECK(rules_in(imported(Format::csv, "\xef\xbb\xbftls\tdomains\nencrypt\t'@.test\nencrypt\tb.test\n")) ==
        "b.test: encrypt\n");
  CHECK(rules_in(imported(Format::csv, "domains,tls,review by\nb.test,encrypt,2027-01-01T00:00:00Z\n")) ==
        "b.test: encrypt\n");
  CHECK(gravest(imported(Format::csv,
                         "domains,tls,review by\nb.test,encrypt,next year\nc.test,encrypt,1234567890\n")) ==
        "left_out");
  CHECK(gravest(imported(Format::csv, "domains,tls\nb.test,encrypt,verify\n")) == "left_out");
}

TEST_CASE("T-54 what stands in a cell stays within it") {
  const Import made =
      imported(Format::csv,
               "name,domains,tls,owner\n\"a\"\"\n[[weaker]]\",b.test,encrypt,\"x\\\"\"\n# y\"\n"
               "\"\xe2\x80\xae"
               "evil\",c.test,encrypt,\n");
  CHECK(rules_in(made) == "c.test: encrypt\n");  // names and owners are one line
  ImportOptions options = plain_options();
  options.owner = "\"\\ #";
  CHECK(imported(Format::csv, "domains,tls\nb.test,encrypt\n", options).rules[0].rule.owner == "\"\\ #");
}

TEST_CASE("A table of rules: columns that must be there, and options") {
  CHECK(refused(Format::csv, "domain,tls\nb.test,encrypt\n") ==
        "line 1: the first row names the columns, and 'domains' is not among them");
  ImportOptions options = plain_options();
  options.audit = true;
  options.owner = "o@home.test";
  options.reference = "ticket 1";
  const Import made =
      imported(Format::csv, "domains,tls,owner\nb.test,encrypt,\nc.test,encrypt,own@home.test\n", options);
  CHECK(rules_in(made) == "b.test: encrypt audit\nc.test: encrypt audit\n");
  CHECK(made.rules[0].rule.owner == "o@home.test");
  CHECK(made.rules[1].rule.owner == "own@home.test");
  CHECK(made.rules[1].rule.reference == "ticket 1");
}

TEST_CASE("A table of rules: rules for one domain may follow each other, and else the stronger holds") {
  const std::string heading = "name,domains,tls,starts,ends\n";
  const std::string one = "one,b.test,encrypt,,2027-01-01\n", two = "two,b.test,verify,2027-01-01,\n";
  const Import both = imported(Format::csv, heading + one + two);
  CHECK(rules_in(both) == "b.test: encrypt\nb.test: verify names=domain\n");
  CHECK(remarks_in(both).empty());
  // Of two that ask for the same the one that holds longer stays; a stronger one that ends is told.
  const Import same = imported(Format::csv, heading + one + "three,b.test,encrypt,,\n");
  CHECK(same.rules.size() == 1);
  CHECK(same.rules[0].rule.name == "three");
  CHECK(gravest(same).empty());
  const Import ends = imported(Format::csv, heading + one + "four,b.test,opportunistic,,\n");
  CHECK(rules_in(ends) == "b.test: encrypt\n");
  CHECK(remarks_in(ends) ==
        "3 four left_out: 'b.test' is in line 2 and in line 3; the former holds, and not as long as the "
        "other\n");
}
