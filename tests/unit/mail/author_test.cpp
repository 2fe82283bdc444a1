// SPDX-License-Identifier: Apache-2.0
#include "mail/author.hpp"

#include <doctest.h>

using namespace sealpost;

namespace {

std::string of(std::string_view value) {
  const auto domain = author_domain_of(value);
  return domain ? *domain : "! " + domain.error().detail;
}

}  // namespace

TEST_CASE("the author's domain, in every way RFC 5322 §3.4 lets an address be written") {
  const struct {
    std::string_view value, domain;
  } rows[] = {
      {" a@b.example\r\n", "b.example"},
      {"<a@B.Example>", "b.example"},
      {"Anna <a@b.example>", "b.example"},
      {"\"Anna, <x@evil.example>\" <a@b.example>", "b.example"},
      {"\"quote \\\" <x@evil.example>\" <a@b.example>", "b.example"},
      {"Anna (of <x@evil.example>, (nested) \\) still) <a@b.example>", "b.example"},
      {"a@b.example (Anna)", "b.example"},
      {"a (comment) @ b . example", "b.example"},
      {"=?utf-8?q?J=C3=BCrgen?=\r\n <j@b.example>", "b.example"},
      {"\"a b\"@b.example", "b.example"},
      {"\"a@x\"@b.example", "b.example"},
      {"<@relay.example,@other.example:a@b.example>", "b.example"},
      {"a@b.example, c@b.example", "b.example"},
      {"a@b.example,,", "b.example"},
      {"J\xc3\xbcrgen <j@b\xc3\xbc"
       "cher.example>",
       "xn--bcher-kva.example"},
      {"", "! the From field holds no address"},
      {"Anna", "! the From field holds 'Anna', which is no address"},
      {"undisclosed:;", "! the From field names a group and no author"},
      {"Team: a@b.example;", "! the From field names a group and no author"},
      {"a@b.example, c@d.example",
       "! the From field names authors of different domains, b.example and d.example"},
      {"a@[192.0.2.1]", "! the From field holds an address without a domain name"},
      {"<>", "! the From field holds '', which is no address"},
      {"<a@b.example", "! the From field has a '<' without its '>'"},
      {"<a@b.example> <c@d.example>", "! the From field has two addresses without a comma between them"},
      {"(never ends <a@b.example>", "! the From field has a comment without end"},
      {"\"never ends <a@b.example>", "! the From field has a quote without end"},
      {"[Ticket #5] Anna <a@b.example>", "b.example"},
      {"a@b.example <A@b.example>", "b.example"},
      {"<ceo@bank.example> <:a@b.example>",
       "! the From field has two addresses without a comma between them"},
      {"[x <ceo@bank.example>] <a@b.example>", "! the From field has words behind an address"},
      {"[a, ceo@bank.example, b] <a@b.example>", "! the From field holds '[a', which is no address"},
      {"<ceo@bank.example:a@b.example>", "! the From field has a ':' where no address has one"},
      {"<@ceo.bank.example,x:a@b.example>", "! the From field has a ':' where no address has one"},
      {"ceo@bank.example: a@b.example", "! the From field names a group and no author"},
      {"ceo@bank.example <a@b.example>", "! the From field has another address for a name"},
      {"<a@b.example> ceo@bank.example", "! the From field has words behind an address"},
      {"<a@b.example> \"ceo@bank.example\"", "! the From field has words behind an address"},
      {"ev(x)il@b.example", "! the From field has two words where an address belongs"},
      {"anna smith@b.example", "! the From field has two words where an address belongs"},
      {"<anna smith@b.example>", "! the From field has two words where an address belongs"},
      {"a@b@c.example", "! the From field holds 'a@b@c.example', which is no address"},
  };
  for (const auto& row : rows) CHECK_MESSAGE(of(row.value) == row.domain, row.value);
  CHECK(of(std::string(200, '(') + std::string(200, ')') + "a@b.example") ==
        "! the From field nests its comments too deep");
  std::string many;
  for (int i = 0; i < 101; ++i) many += "a@b.example,";
  CHECK(of(many) == "! the From field has more than 100 authors");
}

TEST_CASE("exactly one From field") {
  CHECK(author_domain("To: x@y.example\r\nfrom : A\r\n <a@b.example>\r\n\r\nFrom: x@evil.example\r\n")
            .value() == "b.example");
  CHECK(author_domain("Subject: x\r\n\r\n").error().detail == "there is no From field");
  CHECK(author_domain("").error().detail == "there is no From field");
  CHECK(author_domain("From: a@b.example\r\nFrom: a@b.example\r\n\r\n").error().detail ==
        "there are 2 From fields");
}
