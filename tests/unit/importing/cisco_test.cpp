// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include "reading.hpp"

using namespace sealpost;
using namespace sealpost::importing;

TEST_CASE("Cisco: each TLS setting, by word and by number") {
  struct CiscoRow {
    std::string setting, rule, remark;
  };
  const std::vector<CiscoRow> rows = {
      {"table_tls = off", "opportunistic", "stronger"},
      {"table_tls = 0", "opportunistic", "stronger"},
      {"table_tls = on", "opportunistic", ""},
      {"table_tls = 1", "opportunistic", ""},
      {"tls_support = preferred", "opportunistic", ""},
      {"table_tls = on_verify", "opportunistic", ""},
      {"table_tls = 3", "opportunistic", ""},
      {"tls_support = preferred_verify", "opportunistic", ""},
      {"table_tls = required", "encrypt", ""},
      {"table_tls = Require", "encrypt", ""},
      {"table_tls = 2", "encrypt", ""},
      {"table_tls = require_verify", "verify names=mx", "stronger"},
      {"table_tls = 4", "verify names=mx", "stronger"},
      {"tls_support = required_verify", "verify names=mx", "stronger"},
      {"table_tls = required\ndane = mandatory", "dane", ""},
      {"table_tls = required\ndane = opportunistic", "encrypt", ""},
      {"table_tls = sometimes", "", "left_out"},
      {"table_tls = required\ndane = perhaps", "", "left_out"},
      {"bounce_profile = Default", "", ""},
  };
  for (const CiscoRow& row : rows) {
    INFO(row.setting);
    const Import made = imported(Format::cisco, "[b.test]\n" + row.setting + "\n");
    CHECK(rules_in(made) == (row.rule.empty() ? "" : "b.test: " + row.rule + "\n"));
    INFO(remarks_in(made));
    CHECK(gravest(made) == row.remark);
  }
}

TEST_CASE("Cisco: the default is a rule for everybody only when it demands something") {
  CHECK(rules_in(imported(Format::cisco, "[DEFAULT]\ntable_tls = off\n[b.test]\ntable_tls = 2\n")) ==
        "b.test: encrypt\n");
  CHECK(rules_in(imported(Format::cisco, "[DEFAULT]\ntable_tls = on\n[b.test]\ntable_tls = 2\n")) ==
        "b.test: encrypt\n");
  CHECK(rules_in(imported(
            Format::cisco,
            "[DEFAULT]\ntable_tls = 2\n[b.test]\ntable_tls = on\n[c.test]\nmax_host_concurrency = 5\n")) ==
        "*: encrypt\nb.test: opportunistic\n");
}

TEST_CASE("Cisco: the sample") {
  const Import made = imported(Format::cisco, sample("destinations.txt"));
  CHECK(rules_in(made) ==
        "clear.test: encrypt\nselfsigned.test: verify names=mx\npartner-verify.test: verify "
        "names=mx\ndane.test: dane\n"
        "*.ministry.test: verify names=mx\nbroken.test: opportunistic\nlegacy.test: opportunistic\n");
  CHECK(made.entries == 9);
  CHECK(remarks_in(made).find("40 fast.test note: says nothing of TLS") != std::string::npos);
}

TEST_CASE("Cisco: what is no export says where") {
  CHECK(refused(Format::cisco, "[b.test]\ntable_tls = 2\nhello\n") ==
        "line 3: is neither [domain] nor name = value of one");
  CHECK(refused(Format::cisco, "max = 2\n") == "line 1: is neither [domain] nor name = value of one");
  CHECK(refused(Format::cisco, "[b.test\n") == "line 1: a section begins here, and ']' is missing");
}
