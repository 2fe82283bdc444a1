// SPDX-License-Identifier: Apache-2.0
#include <doctest.h>

#include "reading.hpp"

using namespace sealpost;
using namespace sealpost::importing;

namespace {

struct PostfixRow {
  std::string entry, rule, remark;  // rule as rules_in() has it, without its end
};

}  // namespace

TEST_CASE("Postfix: each level and what match= makes of it; what comes out never asks for less") {
  const std::string key(64, 'a'), other_key(64, 'b'), md5(32, 'c');
  const std::vector<PostfixRow> rows = {
      {"b.test none", "b.test: opportunistic", "stronger"},
      {"b.test may", "b.test: opportunistic", ""},
      {"b.test encrypt", "b.test: encrypt", ""},
      {"b.test dane", "b.test: opportunistic", ""},
      {"b.test dane-only", "b.test: dane", ""},
      {"b.test verify", "b.test: verify names=mx", ""},
      {"b.test secure", "b.test: verify names=domain", "stronger"},
      {".b.test secure", "*.b.test: verify names=domain", "stronger"},
      {"b.test SECURE", "b.test: verify names=domain", "stronger"},
      {"b.test verify match=hostname", "b.test: verify names=mx", ""},
      {"b.test verify match=hostname:nexthop", "b.test: verify names=mx", "stronger"},
      {"b.test secure match=nexthop:dot-nexthop", "b.test: verify names=domain", "stronger"},
      {"b.test secure match=nexthop match=dot-nexthop", "b.test: verify names=domain", "stronger"},
      {"b.test secure match=nexthop", "b.test: verify names=b.test", ""},
      {"b.test secure match=mx.c.test:mx.d.test", "b.test: verify names=mx.c.test,mx.d.test", ""},
      {"b.test secure match=nexthop:mx.c.test", "b.test: verify names=b.test,mx.c.test", ""},
      {"b.test secure match=.c.test", "b.test: verify mx=*.c.test names=mx", "stronger"},
      {"b.test secure match=c.test:.c.test", "b.test: verify mx=c.test,*.c.test names=mx", "stronger"},
      {"b.test secure match=mx.c.test:MX.c.test:.c.test", "b.test: verify mx=mx.c.test,*.c.test names=mx",
       "stronger"},
      {"b.test secure match=mx", "b.test: verify names=mx.", ""},
      {"b.test secure match=dot-nexthop", "b.test: verify mx=*.b.test names=mx", "stronger"},
      {"b.test secure match=nexthop:dot-nexthop:.c.test",
       "b.test: verify mx=*.c.test,b.test,*.b.test names=mx", "stronger"},
      {".b.test secure match=nexthop", "", "left_out"},
      {".b.test secure match=dot-nexthop", "", "left_out"},
      {".b.test secure match=nexthop:mx.c.test", "*.b.test: verify names=mx.c.test", "stronger"},
      {"b.test secure match=bad..name", "", "left_out"},
      {"b.test secure tafile=/etc/ca.pem", "", "left_out"},
      {"b.test fingerprint match=" + key, "b.test: pin pins=1", "stronger"},
      {"b.test fingerprint match=" + key + "|" + other_key, "b.test: pin pins=2", "stronger"},
      {"b.test fingerprint match=" + key + " match=" + md5, "b.test: pin pins=1", "stronger"},
      {"b.test fingerprint match=" + md5, "", "left_out"},
      {"b.test fingerprint", "", "left_out"},
      {"b.test encrypt protocols=!SSLv2:!SSLv3", "b.test: encrypt", ""},
      {"b.test encrypt protocols=!SSLv2,!SSLv3", "",
       "left_out"},  // the comma ends the attribute, for Postfix too
      {"b.test encrypt protocols=>=TLSv1.2", "b.test: encrypt 1.2", ""},
      {"b.test encrypt protocols=TLSv1.2:TLSv1.3", "b.test: encrypt 1.2", ""},
      {"b.test encrypt protocols=TLSv1.3", "b.test: encrypt 1.3", ""},
      {"b.test encrypt protocols=>=TLSv1.3", "b.test: encrypt 1.3", ""},
      {"b.test encrypt protocols=!TLSv1.2", "b.test: encrypt 1.3", ""},
      {"b.test encrypt protocols=<=TLSv1.2", "b.test: encrypt", ""},
      {"b.test encrypt protocols=TLSv1", "b.test: encrypt", "stronger"},
      {"b.test encrypt protocols=>=TLSv2", "b.test: encrypt", "left_out"},
      {"b.test may protocols=>=TLSv1.3", "b.test: opportunistic", ""},
      {"b.test encrypt ciphers=high exclude=aNULL:RC4:3DES", "b.test: encrypt", ""},
      {"b.test encrypt exclude=AES128", "b.test: encrypt", "left_out"},
      {"b.test may exclude=AES128", "b.test: opportunistic", ""},
      {"b.test encrypt servername=x.test connection_reuse=yes enable_rpk=yes", "b.test: encrypt", ""},
      {"b.test encrypt, servername=x.test", "b.test: encrypt", ""},
      {"b.test encrypt policy=x", "", "left_out"},
      {"b.test encrypt match", "", "left_out"},
      {"b.test strong", "", "left_out"},
      {"b.test", "", "left_out"},
  };
  for (const PostfixRow& row : rows) {
    INFO(row.entry);
    const Import made = imported(Format::postfix, row.entry + "\n");
    CHECK(rules_in(made) == (row.rule.empty() ? "" : row.rule + "\n"));
    INFO(remarks_in(made));
    CHECK(gravest(made) == row.remark);
    CHECK(made.entries == 1);
  }
}

TEST_CASE("Postfix: keys") {
  const std::vector<PostfixRow> rows = {
      {"B.TEST encrypt", "b.test: encrypt", ""},
      {"b.test. encrypt", "b.test: encrypt", ""},
      {"\"b.test\" encrypt", "b.test: encrypt", ""},
      {"b\xc3\xbc"
       "cher.test encrypt",
       "xn--bcher-kva.test: encrypt", ""},
      {"a_b.test encrypt", "a_b.test: encrypt", ""},
      {"[mx.b.test] encrypt", "mx.b.test: encrypt", ""},
      {"[mx.b.test]:587 encrypt", "mx.b.test: encrypt", ""},
      {"[mx.b.test]:submission encrypt", "mx.b.test: encrypt", ""},
      {"b.test:2525 encrypt", "b.test: encrypt", ""},
      {"[192.0.2.1]:25 encrypt", "", "left_out"},
      {"[2001:db8::1] encrypt", "", "left_out"},
      {"192.0.2.1 encrypt", "", "left_out"},
      {"2001:db8::1 encrypt", "", "left_out"},
      {"*.b.test encrypt", "", "left_out"},
      {"[mx.b.test encrypt", "", "left_out"},
      {"b..test encrypt", "", "left_out"},
      {"/\\.b\\.test$/ encrypt", "", "left_out"},
  };
  for (const PostfixRow& row : rows) {
    INFO(row.entry);
    const Import made = imported(Format::postfix, row.entry + "\n");
    CHECK(rules_in(made) == (row.rule.empty() ? "" : row.rule + "\n"));
    CHECK(gravest(made) == row.remark);
  }
}

TEST_CASE("Postfix: comments, empty lines and lines that go on (postmap(1))") {
  const Import made = imported(
      Format::postfix,
      "# head\n\nb.test\n  encrypt\n# between\n\n\tprotocols=>=TLSv1.3\r\n   # indented\nc.test may\r\n");
  CHECK(rules_in(made) == "b.test: encrypt 1.3\nc.test: opportunistic\n");
  CHECK(remarks_in(made).empty());
  CHECK(made.rules[0].line == 3);
  CHECK(made.rules[1].line == 9);
}

TEST_CASE("Postfix: a domain that is there twice has the stronger rule, and it is told") {
  const auto twice = [](const std::string& first, const std::string& second) {
    const Import made = imported(Format::postfix, "b.test " + first + "\nB.test " + second + "\n");
    return rules_in(made) + gravest(made) + std::to_string(made.remarks.size());
  };
  CHECK(twice("encrypt", "encrypt") == "b.test: encrypt\n1");
  CHECK(twice("encrypt protocols=>=TLSv1.3", "encrypt") == "b.test: encrypt 1.3\n1");
  CHECK(twice("encrypt", "secure match=nexthop") == "b.test: verify names=b.test\nstronger1");
  CHECK(twice("secure match=nexthop", "may") == "b.test: verify names=b.test\n1");
  CHECK(twice("encrypt protocols=>=TLSv1.3", "secure match=nexthop") == "b.test: encrypt 1.3\nleft_out1");
}

TEST_CASE("Postfix: on trial, too, the stronger of two entries is kept") {
  ImportOptions options = plain_options();
  options.audit = true;
  const Import made = imported(Format::postfix, "b.test may\nb.test secure match=nexthop\n", options);
  CHECK(rules_in(made) == "b.test: verify names=b.test audit\n");
  CHECK(gravest(made) == "stronger");
}

TEST_CASE("Postfix: the sample") {
  const Import made = imported(Format::postfix, sample("tls_policy"));
  CHECK(rules_in(made) ==
        "ministry.test: verify names=domain\n"
        "*.ministry.test: verify names=domain\n"
        "insurer.test: verify mx=*.mail.provider.test names=mx\n"
        "bank.test: verify names=mx\n"
        "clear.test: encrypt 1.2\n"
        "selfsigned.test: encrypt\n"
        "partner-verify.test: verify names=mx\n"
        "modern.test: encrypt 1.3\n"
        "dane.test: dane\n"
        "published.test: opportunistic\n"
        "legacy.test: opportunistic\n"
        "broken.test: opportunistic\n"
        "lab.test: pin pins=2\n"
        "smtp.relay.test: verify names=smtp.relay.test\n"
        "gate.test: encrypt\n"
        "xn--bcher-kva.test: encrypt\n"
        "exotic.test: encrypt\n");
  const std::string told = remarks_in(made);
  INFO(told);
  for (const char* left_out : {"24 old.test left_out", "25 private.test left_out", "27 [192.0.2.25] left_out",
                               "30 exotic.test left_out", "31 typo.test left_out"})
    CHECK(told.find(left_out) != told.npos);
  CHECK(made.count(Remark::Kind::left_out) == 5);
  CHECK(made.entries == 22);
}
