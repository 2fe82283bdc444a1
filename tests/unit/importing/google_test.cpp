// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include "reading.hpp"

using namespace sealpost;
using namespace sealpost::importing;

TEST_CASE(
    "Google: a list alone says nothing of what is required, so it is the most, or what the option says") {
  const std::string list = "b.test\nc.test\n# a remark\n";
  CHECK(rules_in(imported(Format::google, list)) == "b.test,*.b.test,c.test,*.c.test: verify names=mx\n");
  CHECK(remarks_in(imported(Format::google, list)).find("the list does not say what the setting requires") !=
        std::string::npos);

  ImportOptions options = plain_options();
  options.google = ImportOptions::GoogleDemand::tls;
  CHECK(rules_in(imported(Format::google, list, options)) == "b.test,*.b.test,c.test,*.c.test: encrypt\n");
  options.google = ImportOptions::GoogleDemand::certificate;
  CHECK(rules_in(imported(Format::google, list, options)) ==
        "b.test,*.b.test,c.test,*.c.test: verify names=mx\n");
  CHECK(remarks_in(imported(Format::google, list, options))
            .find("stronger: a CA-signed certificate for any name") != std::string::npos);
}

TEST_CASE("Google: addresses, domains below, what is neither") {
  const Import made = imported(
      Format::google, "Email or domain\nanna@b.test\nx.c.test\n*.c.test\nc.test\nnonsense here\nb@\n");
  CHECK(rules_in(made) == "b.test,*.b.test,x.c.test,*.x.c.test,*.c.test,c.test: verify names=mx\n");
  const std::string told = remarks_in(made);
  INFO(told);
  CHECK(told.find("2 anna@b.test stronger: is one address") != told.npos);
  CHECK(told.find("6 nonsense here left_out: is no domain") != told.npos);
  CHECK(told.find("7 b@ left_out: is no domain") != told.npos);
}

TEST_CASE("Google: the sample, each row with what is required of it") {
  const Import made = imported(Format::google, sample("google_list.csv"));
  CHECK(rules_in(made) ==
        "clear.test,*.clear.test,selfsigned.test,*.selfsigned.test: encrypt\n"
        "school.test,*.school.test: verify names=mx\n"
        "partner-verify.test,*.partner-verify.test,insurer.test,*.insurer.test: verify names=mx\n");
  CHECK(remarks_in(made).find("7 legacy.test note: the setting requires nothing of it") != std::string::npos);
}

TEST_CASE("Google: a long list is several rules") {
  std::string list;
  for (int n = 0; n < 1200; ++n) list += "d" + std::to_string(n) + ".test\n";
  const Import made = imported(Format::google, list);
  REQUIRE(made.rules.size() == 3);
  CHECK(made.rules[0].rule.name == "Google TLS compliance");
  CHECK(made.rules[2].rule.name == "Google TLS compliance 3");
  CHECK(made.rules[2].rule.domains.size() == 400);
}
