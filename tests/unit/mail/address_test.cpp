// SPDX-License-Identifier: Apache-2.0
#include "mail/address.hpp"

#include <doctest.h>

#include "base/text.hpp"

using namespace sealpost;
using namespace std::string_view_literals;

namespace {

std::string repeat(std::string_view s, int times) {
  std::string out;
  while (times-- > 0) out += s;
  return out;
}

const std::string label63 = repeat("a", 63);
// 3 * 64 + 61 = 253 octets: the longest domain DNS can hold.
const std::string domain253 = label63 + '.' + label63 + '.' + label63 + '.' + repeat("b", 61);

}  // namespace

TEST_CASE("SMTP-08 reverse-paths (RFC 5321 §4.1.2)") {
  struct Row {
    std::string text, address, rest;
  };
  const Row rows[] = {
      {"<>", "", ""},
      {"<> SIZE=1", "", " SIZE=1"},
      {"<a@b.example>", "a@b.example", ""},
      {" <a@b.example> BODY=8BITMIME", "a@b.example", " BODY=8BITMIME"},
      {"<A.b+c@B.Example>", "A.b+c@B.Example", ""},
      {"<!#$%&'*+-/=?^_`{|}~@x>", "!#$%&'*+-/=?^_`{|}~@x", ""},
      {"<\"a b\"@x>", "\"a b\"@x", ""},
      {"<\"a\\\"b@c\\\\\"@x>", "\"a\\\"b@c\\\\\"@x", ""},
      {"<\"<>,:;\"@x>", "\"<>,:;\"@x", ""},
      {"<\"\"@x>", "\"\"@x", ""},
      {"<a@[192.0.2.1]>", "a@[192.0.2.1]", ""},
      {"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", ""},
      {"<a@1.2.3.4>", "a@1.2.3.4", ""},
      {"<@one.example,@two.example:a@b.example>", "a@b.example", ""},
      {"<@one.example:a@b.example>", "a@b.example", ""},
      {"<" + repeat("l", 64) + "@x>", repeat("l", 64) + "@x", ""},
      {"<a@" + label63 + ".x>", "a@" + label63 + ".x", ""},
      {"<a@" + repeat("d.", 125) + "ex>", "a@" + repeat("d.", 125) + "ex", ""},  // 256 octets with brackets
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto path = parse_reverse_path(row.text);
    REQUIRE(path.has_value());
    CHECK(path->address == row.address);
    CHECK(row.text.substr(path->length) == row.rest);
    if (row.address.empty()) continue;
    CHECK(parse_forward_path(row.text)->address == row.address);
    CHECK(parse_mailbox(row.address).value_or("") == row.address);  // printed and parsed again
  }
}

TEST_CASE("SMTP-08 what is no path (T-23)") {
  const std::string_view rows[] = {
      "",
      " ",
      "a@b",
      "<a@b",
      "a@b>",
      "<a>",
      "<@b>",
      "<a@>",
      "<a b@x>",
      "<.a@x>",
      "<a.@x>",
      "<a..b@x>",
      "<a@.x>",
      "<a@x.>",
      "<a@x..y>",
      "<a@-x>",
      "<a@x->",
      "<a@x_y>",
      "<a@x y>",
      "<a@b@c>",
      "<\"a@x>",
      "<\"a\"b@x>",
      "<\"a\\\"@x>",
      "<a\"b\"@x>",
      "<(c)a@x>",
      "<a@[]>",
      "<a@[1.2.3]>",
      "<a@[1.2.3.4>",
      "<a@[01.2.3.4]>",
      "<a@[2001:db8::1]>",
      "<a@[IPv6:1.2.3.4]>",
      "<a@[IPv6:::g]>",
      "<a@[x:y]>",
      "<@a b@c>",
      "<@a,b@c>",
      "<@a,@b b@c>",
      "<@:a@b>",
      "<a@b:>",
      "<a@b,c@d>",
      "<a\r\nRCPT TO:<b@c>",
      "<a@b\r\n>",
      "<a@b\n>",
      "<a@b\t>",
      "<\"\t\"@b>",
      "<\"\x7f\"@b>",
      "<\"\\\x01\"@b>",
      "<a\0@b>"sv,
      "<a@b\0>"sv,
      "<\"\0\"@b>"sv,
      "<\xc3\xa9@x>",
      "<a@\xc3\xa9>",
      "<\"\xc3\xa9\"@x>",
      "<a@x;y>",
      "\t<a@b>",
      "  <a@b>",
  };
  for (const auto row : rows) {
    CAPTURE(text::printable(row));
    for (const auto& path : {parse_reverse_path(row), parse_forward_path(row)}) {
      REQUIRE_FALSE(path.has_value());
      CHECK(path.error().code == Errc::invalid);
      CHECK(path.error().detail == text::printable(path.error().detail));  // fit for a reply
    }
  }
}

TEST_CASE("SMTP-08 over-long parts (RFC 5321 §4.5.3.1)") {
  const std::string rows[] = {
      "<" + repeat("l", 65) + "@x>",
      "<\"" + repeat("l", 63) + "\"@x>",
      "<" + repeat("l.", 40) + "l@x>",
      "<a@" + domain253 + ">",  // each part fits, the path has 258 octets
      "<a@" + domain253 + "c>",
      "<a@" + repeat("d.", 5000) + "e>",
      "<@" + repeat("d.", 125) + "e:a@b>",
      "<@a" + repeat(",@a", 200) + ":a@b>",
  };
  for (const std::string& row : rows) {
    CAPTURE(row);
    const auto path = parse_forward_path(row);
    REQUIRE_FALSE(path.has_value());
    CHECK(path.error().code == Errc::too_long);
  }
  CHECK_FALSE(parse_forward_path("<a@" + label63 + "a.x>").has_value());
}

TEST_CASE("postmaster needs no domain, and only as a recipient (M9)") {
  CHECK(parse_forward_path("<PostMaster> NOTIFY=NEVER")->address == "PostMaster");
  CHECK(parse_forward_path("<PostMaster> NOTIFY=NEVER")->length == 12);
  CHECK_FALSE(parse_reverse_path("<postmaster>").has_value());
  CHECK_FALSE(parse_forward_path("<postmaste>").has_value());
  CHECK_FALSE(parse_forward_path("<postmasterx>").has_value());
  CHECK_FALSE(parse_forward_path("<>").has_value());
}

TEST_CASE("SMTPUTF8 addresses keep the local part, the domain becomes A-labels (RFC 6531, S42)") {
  struct Row {
    const char *text, *address;
  };
  const Row rows[] = {
      {"<\xc3\xa9@x.example>", "\xc3\xa9@x.example"},
      {"<\"\xc3\xa9 \"@x.example>", "\"\xc3\xa9 \"@x.example"},
      {"<a@b\xc3\xbc"
       "cher.example>",
       "a@xn--bcher-kva.example"},
      {"<a@B\xc3\x9c"
       "CHER.Example>",
       "a@xn--bcher-kva.example"},
      {"<a@stra\xc3\x9f"
       "e.example>",
       "a@xn--strae-oqa.example"},  // not "strasse": nontransitional
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK_FALSE(parse_reverse_path(row.text).has_value());
    CHECK(parse_reverse_path(row.text, Utf8::accept)->address == row.address);
  }
  for (const auto bad : {"<\xc3@x>", "<a@\xff.example>", "<a@\xe2\x80\xa8.example>", "<\"\\\xc3\xa9\"@x>",
                         "<a@b\xc3\xbc"
                         "cher.>"}) {
    CAPTURE(text::printable(bad));
    CHECK_FALSE(parse_reverse_path(bad, Utf8::accept).has_value());
  }
}

TEST_CASE("T-54 parts of an address that was read back") {
  struct Row {
    const char *address, *local, *domain;
  };
  const Row rows[] = {
      {"Joe@B.Example", "Joe", "b.example"},
      {"\"a@b\"@C.d", "\"a@b\"", "c.d"},
      {"a@[IPv6:2001:DB8::1]", "a", "[IPv6:2001:DB8::1]"},
      {"postmaster", "postmaster", ""},
      {"", "", ""},
  };
  for (const Row& row : rows) {
    CHECK(local_part_of(row.address) == row.local);
    CHECK(domain_of(row.address) == row.domain);
  }
}

TEST_CASE("T-30 a quoted @ in the local part") {
  for (const auto text : {"\"a@b\"@c", "\"@\"@c"}) CHECK(has_quoted_at(text));
  for (const auto text : {"a@c", "a%b@c", "a!b@c", "\"a b\"@c", "postmaster", ""})
    CHECK_FALSE(has_quoted_at(text));
}

TEST_CASE("SMTP-08 lenient paths: what is granted, and the valid address it becomes") {
  const std::string local245(245, 'l'), local200(200, 'l');
  struct Row {
    std::string text, address, rest;
  };
  const Row rows[] = {
      {"  <a@b.example>", "a@b.example", ""},
      {"\t<a@b.example> SIZE=1", "a@b.example", " SIZE=1"},
      {" \t <a@b.example>\tSIZE=1", "a@b.example", "\tSIZE=1"},
      {"< a@b.example >", "a@b.example", ""},
      {"a@b.example", "a@b.example", ""},
      {" a@b.example SIZE=1", "a@b.example", " SIZE=1"},
      {"\"a b\"@b.example BODY=7BIT", "\"a b\"@b.example", " BODY=7BIT"},
      {"<try..this@b.example>", "\"try..this\"@b.example", ""},
      {"try..this@b.example SIZE=1", "\"try..this\"@b.example", " SIZE=1"},
      {"<try.@b.example>", "\"try.\"@b.example", ""},
      {"<.try@b.example>", "\".try\"@b.example", ""},
      {"<...@b.example>", "\"...\"@b.example", ""},
      {"<" + local245 + "@b.example>", "", ""},
      {"<" + local200 + "@b.example>", local200 + "@b.example", ""},
      {"<a@b.example.>", "a@b.example", ""},
      {"a@b.example. SIZE=1", "a@b.example", " SIZE=1"},
      {"<a@under_score.example>", "a@under_score.example", ""},
      {"<a@_x.-y-.example>", "a@_x.-y-.example", ""},
      {"<b%other.example@b.example>", "b%other.example@b.example", ""},
      {"<other.example!b@b.example>", "other.example!b@b.example", ""},
      {"<@one.example.,@two_.example:a@b.example>", "a@b.example", ""},
      {"a@[192.0.2.1]", "a@[192.0.2.1]", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    for (const auto& path : {parse_reverse_path(row.text, Utf8::refuse, Syntax::lenient),
                             parse_forward_path(row.text, Utf8::refuse, Syntax::lenient)}) {
      if (row.address.empty()) {
        CHECK(path.error().code == Errc::too_long);
        continue;
      }
      REQUIRE(path.has_value());
      CHECK(path->address == row.address);
      CHECK(row.text.substr(path->length) == row.rest);
      // What is stored reads back as itself.
      CHECK(parse_mailbox(path->address, Utf8::refuse, Syntax::lenient).value_or("") == path->address);
    }
  }
  CHECK(parse_reverse_path(" < > SIZE=1", Utf8::refuse, Syntax::lenient)->length == 4);
  CHECK(parse_forward_path(" Postmaster NOTIFY=NEVER", Utf8::refuse, Syntax::lenient)->address ==
        "Postmaster");
}

TEST_CASE("SMTP-08 lenient paths end somewhere, too (T-23)") {
  const std::string_view rows[] = {
      "",
      " ",
      "<a@b",
      "a@b>",
      "<a>",
      "a",
      "@b",
      "<a@>",
      "a@",
      "<a b@x>",
      "a b@x",
      "<a@x..y>",
      "<a@x..>",
      "<a@.>",
      "<a@x y>",
      "a@b@c",
      "<\"a@x>",
      "\"a",
      "<(c)a@x>",
      "a@b,c@d",
      "Anna <a@b.example>",
      "<a\r\nRCPT TO:<b@c>",
      "a@b\r\n",
      "a@b\n",
      "<a\t@b>",
      "\"\t\"@b",
      "\x0b<a@b>",
      "a\0@b"sv,
      "a@b\0"sv,
      "\xc3\xa9@x",
      "a@\xc3\xa9",
  };
  for (const auto row : rows) {
    CAPTURE(text::printable(row));
    CHECK_FALSE(parse_reverse_path(row, Utf8::refuse, Syntax::lenient).has_value());
    CHECK_FALSE(parse_forward_path(row, Utf8::refuse, Syntax::lenient).has_value());
  }
  // 254 octets are the bound, quotes counted.
  const std::string fits = "<." + std::string(241, 'l') + "@b.example>";
  CHECK(parse_forward_path(fits, Utf8::refuse, Syntax::lenient)->address.size() == 254);
  CHECK_FALSE(parse_forward_path("<.l" + fits.substr(2), Utf8::refuse, Syntax::lenient).has_value());
}

TEST_CASE("domains as people write them") {
  CHECK(to_a_labels("Example.ORG.").value_or("") == "example.org");
  CHECK(to_a_labels("B\xc3\xbc"
                    "cher.example")
            .value_or("") == "xn--bcher-kva.example");
  CHECK(to_a_labels("xn--bcher-kva.example").value_or("") == "xn--bcher-kva.example");
  CHECK(to_a_labels(domain253).has_value());
  for (const std::string& bad :
       {std::string(""), std::string("."), std::string("a..b"), std::string("a b"), std::string("_dmarc.x"),
        std::string("*.x"), domain253 + "c", std::string("a\0b", 3), std::string("\xc3"), std::string("x.."),
        std::string("\xc3\xbc\0", 3), repeat("\xc3\xbc", 3000)}) {
    CAPTURE(text::printable(bad));
    CHECK_FALSE(to_a_labels(bad).has_value());
  }
}
