// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include "reading.hpp"

using namespace sealpost;
using namespace sealpost::importing;

namespace {

// A connector for b.test with these members in place of, or beside, those that all have.
std::string connector(const std::string& members, const std::string& domains = "[\"b.test\"]") {
  return R"({"Name": "B", "Enabled": true, "UseMXRecord": true, "RecipientDomains": )" + domains +
         (members.empty() ? "" : ", ") + members + "}";
}

struct ConnectorRow {
  std::string text, rule, remark;
};

}  // namespace

TEST_CASE("Microsoft 365: each setting of a connector") {
  const std::vector<ConnectorRow> rows = {
      {connector(R"("TlsSettings": null)"), "b.test: opportunistic", ""},
      {connector(""), "b.test: opportunistic", ""},
      {connector(R"("TlsSettings": "EncryptionOnly")"), "b.test: encrypt", ""},
      {connector(R"("TlsSettings": {"value": "EncryptionOnly", "Value": "EncryptionOnly"})"),
       "b.test: encrypt", ""},
      {connector(R"("TlsSettings": "CertificateValidation")"), "b.test: verify names=mx", "stronger"},
      {connector(R"("TlsSettings": "DomainValidation", "TlsDomain": "mx.c.test")"),
       "b.test: verify names=mx.c.test", ""},
      {connector(R"("TlsSettings": "DomainValidation", "TlsDomain": "*.c.test")"),
       "b.test: verify mx=*.c.test names=mx", "stronger"},
      {connector(R"("TlsSettings": "DomainValidation", "TlsDomain": null)"), "", "left_out"},
      {connector(R"("TlsSettings": 2)"), "", "left_out"},
      {connector(R"("TlsSettings": "EncryptionOnly")", R"("*.b.test")"), "*.b.test,b.test: encrypt",
       "stronger"},
      {connector(R"("TlsSettings": "EncryptionOnly")", R"(["*"])"), "*: encrypt", ""},
      {connector(R"("TlsSettings": "EncryptionOnly")",
                 R"([{"Address": "b.test", "IncludeSubDomains": false}])"),
       "b.test: encrypt", ""},
      {connector(R"("TlsSettings": "EncryptionOnly")", R"([{"What": "b.test"}])"), "", "left_out"},
      {connector(R"("TlsSettings": "EncryptionOnly")", R"(["b.test", "no domain"])"), "b.test: encrypt",
       "left_out"},
      {connector(R"("TlsSettings": "EncryptionOnly")", "[]"), "", "left_out"},
      {connector(R"("TlsSettings": "EncryptionOnly", "TestMode": true)"), "", ""},
      {R"({"Name": "B", "Enabled": false, "RecipientDomains": ["b.test"], "TlsSettings": "EncryptionOnly"})",
       "", ""},
      {connector(R"("TlsSettings": "EncryptionOnly", "IsTransportRuleScoped": true)", "[]"), "", "left_out"},
      {R"({"Name": "B", "Enabled": true, "UseMXRecord": false, "SmartHosts": ["gw.c.test"], "RecipientDomains": ["b.test"],
           "TlsSettings": "EncryptionOnly"})",
       "b.test: encrypt mx=gw.c.test", "left_out"},
      {R"({"Name": "B", "Enabled": true, "UseMXRecord": false, "SmartHosts": ["[192.0.2.1]"], "RecipientDomains": ["b.test"],
           "TlsSettings": "EncryptionOnly"})",
       "b.test: encrypt", "left_out"},
  };
  for (const ConnectorRow& row : rows) {
    INFO(row.text);
    const Import made = imported(Format::m365, row.text);
    CHECK(rules_in(made) == (row.rule.empty() ? "" : row.rule + "\n"));
    INFO(remarks_in(made));
    CHECK(gravest(made) == row.remark);
  }
}

TEST_CASE("Microsoft 365: a domain that a pattern brings along gives way to a connector that names it") {
  const Import made = imported(
      Format::m365,
      "[" + connector(R"("TlsSettings": "DomainValidation", "TlsDomain": "x.b.test")", R"(["*.b.test"])") +
          "," + connector(R"("TlsSettings": "EncryptionOnly")") + "]");
  CHECK(rules_in(made) == "*.b.test: verify names=x.b.test\nb.test: encrypt\n");
  CHECK(made.rules[1].rule.name == "B 2");  // two connectors of one name
}

TEST_CASE("Microsoft 365: the samples, JSON and CSV in UTF-16") {
  const Import json = imported(Format::m365, sample("connectors.json"));
  CHECK(rules_in(json) ==
        "ministry.test,*.agency.test,agency.test: verify names=mail.ministry.test\n"
        "insurer.test: verify mx=*.mail.provider.test names=mx\n"
        "clear.test,selfsigned.test: encrypt\n"
        "partner-verify.test: verify names=mx\n"
        "archive.test: verify mx=smtp.archive.test names=smtp.archive.test\n");
  const std::string told = remarks_in(json);
  INFO(told);
  CHECK(told.find("73 Outbound to on-premises left_out") != told.npos);
  CHECK(told.find("Scoped to a mail flow rule left_out") != told.npos);
  CHECK(told.find("Former partner note") != told.npos);
  CHECK(json.rules[2].rule.name == "Clear and self-signed \xe2\x80\x94 encryption only");

  const Import csv = imported(Format::m365, sample("connectors.csv"));
  CHECK(rules_in(csv) ==
        "ministry.test,*.agency.test,agency.test: verify names=mail.ministry.test\n"
        "clear.test,selfsigned.test: encrypt\nlegacy.test: opportunistic\n");
  CHECK(
      remarks_in(csv).find(
          "5 Straight from Export-Csv left_out: RecipientDomains holds no domains but the name of a type") !=
      std::string::npos);
}

TEST_CASE("Microsoft 365: what is no list of connectors") {
  CHECK(refused(Format::m365, "{\"Name\": \"x\"}").starts_with("holds no outbound connector"));
  CHECK(refused(Format::m365, "[1]").starts_with("holds something that is no connector"));
  CHECK(refused(Format::m365, "[{\"Name\": ").find("octet") != std::string::npos);
  CHECK(refused(Format::m365, "Name,Enabled\nB,True\n").starts_with("holds no outbound connector"));
}
