// SPDX-License-Identifier: Apache-2.0
#include "mail/header.hpp"

#include <doctest.h>

#include <vector>

#include "mail/xtext.hpp"

using namespace sealpost;

namespace {

std::vector<std::string> fields_of(std::string_view message) {
  std::vector<std::string> out;
  HeaderReader reader(message);
  HeaderField field;
  while (reader.next(field)) out.push_back(std::string(field.name) + "=" + unfold(field.value));
  return out;
}

}  // namespace

TEST_CASE("header fields (RFC 5322 §2.2)") {
  using List = std::vector<std::string>;
  struct Row {
    const char* message;
    List fields;
    std::size_t octets;
  };
  const Row rows[] = {
      {"", {}, 0},
      {"\r\nbody: no\r\n", {}, 2},
      {"A: 1\r\nB:2\r\n\r\nC: 3\r\n", {"A=1", "B=2"}, 13},
      {"A: 1\nB:2\n\nC: 3\n", {"A=1", "B=2"}, 10},
      {"A: 1\r\n  2\r\n\t3\r\nB: x\r\n", {"A=1 2 3", "B=x"}, 21},
      {"A : 1\r\n", {"A=1"}, 7},
      {"A:\r\nB: \r\n", {"A=", "B="}, 9},
      {"From somebody Sat\r\nA: 1\r\n", {"A=1"}, 25},  // an mbox line: no field
      {" stray: fold\r\nA: 1\r\n", {"A=1"}, 20},
      {"no colon\r\n  more\r\nA: 1\r\n", {"A=1"}, 24},
      {": empty\r\nA: 1\r\n", {"A=1"}, 15},
      {"A b: 1\r\nC: 2\r\n", {"C=2"}, 14},
      {"A: 1", {"A=1"}, 4},
      {"A: 1\r\n \r\nB: 2\r\n", {"A=1", "B=2"}, 15},  // a line of blanks is a fold, not the end
  };
  for (const Row& row : rows) {
    CAPTURE(row.message);
    CHECK(fields_of(row.message) == row.fields);
    CHECK(scan_head(row.message).header_octets == row.octets);
  }
}

TEST_CASE("fields are found whatever their case, the first one counts") {
  CHECK(find_field("a: 1\r\nSubject:\r\n  Hello\r\n there\r\nSUBJECT: x\r\n\r\n", "subject") ==
        "Hello there");
  CHECK_FALSE(find_field("a: 1\r\n\r\nsubject: in the body\r\n", "subject").has_value());
  CHECK(unfold("abcdef", 3) == "abc");
  CHECK(unfold("ab   cd", 3) == "ab");
}

TEST_CASE("T-38 Received fields are counted, however many") {
  std::string message;
  for (int i = 0; i < 120; ++i) message += i % 2 == 0 ? "Received: by a;\r\n\tnow\r\n" : "RECEIVED:x\r\n";
  CHECK(scan_head(message + "\r\nReceived: in the body\r\n").received == 120);
}

TEST_CASE("the scan is bounded") {
  std::string message = "A: " + std::string(2 * header_scan_cap, 'x') + "\r\nReceived: late\r\n\r\n";
  const HeadFacts facts = scan_head(message);
  CHECK(facts.header_octets == header_scan_cap);
  CHECK(facts.received == 0);
}

TEST_CASE("TLS-Required: only one field and only No (RFC 8689 §3, T6)") {
  struct Row {
    const char* head;
    bool no;
  };
  const Row rows[] = {
      {"TLS-Required: No\r\n", true},
      {"tls-required:  nO \r\n", true},
      {"TLS-Required:\r\n No\r\n", true},
      {"TLS-Required: Yes\r\n", false},
      {"TLS-Required: No, really\r\n", false},
      {"TLS-Required:\r\n", false},
      {"TLS-Required: No\r\nTLS-Required: No\r\n", false},
      {"TLS-Required: Yes\r\nTLS-Required: No\r\n", false},
      {"X-TLS-Required: No\r\n", false},
      {"A: b\r\n\r\nTLS-Required: No\r\n", false},
      {"", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.head);
    CHECK(scan_head(row.head).tls_required_no == row.no);
  }
}

TEST_CASE("Message-ID is repeated only when it is harmless") {
  struct Row {
    std::string head, id;
  };
  const Row rows[] = {
      {"Message-ID: <a@b>\r\n", "<a@b>"}, {"Message-Id:\r\n <a@b> (comment)\r\n", "<a@b>"},
      {"Message-ID: a@b\r\n", ""},        {"Message-ID: <a b>\r\n", ""},
      {"Message-ID: <a\r\n b>\r\n", ""},  {"Message-ID: <\xc3\xa9@b>\r\n", ""},
      {"Message-ID: ><\r\n", ""},         {"Message-ID: <" + std::string(300, 'x') + ">\r\n", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.head);
    CHECK(scan_head(row.head).message_id == row.id);
  }
}

TEST_CASE("Date, From, Auto-Submitted") {
  const HeadFacts facts = scan_head("From: a@b\r\nDate: today\r\nAuto-Submitted: auto-generated; x=y\r\n");
  CHECK(facts.has_from);
  CHECK(facts.has_date);
  CHECK(facts.auto_submitted);
  CHECK_FALSE(scan_head("Auto-Submitted: No (really)\r\nAuto-Submitted: no\r\n").auto_submitted);
  CHECK_FALSE(scan_head("Auto-Submitted: no; x=y\r\n").auto_submitted);
}

TEST_CASE("DSN-03 xtext (RFC 3461 §4)") {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},
      {"abc", "abc"},
      {"a+b=c", "a+2Bb+3Dc"},
      {"with blank", "with+20blank"},
      {"rfc822;Bob@x", "rfc822;Bob@x"},
  };
  for (const auto& [plain, encoded] : rows) {
    CHECK(to_xtext(plain) == encoded);
    CHECK(from_xtext(encoded) == plain);
  }
  std::string all;
  for (char c = 0x20; c < 0x7f; ++c) all += c;
  CHECK(from_xtext(to_xtext(all)) == all);
  CHECK(from_xtext("+41bc") == "Abc");
  for (const auto bad : {"a b", "a=b", "+", "+4", "a+", "+4g", "+2b", "+0D", "+0A", "+00", "+7F", "+C3+A9",
                         "\xc3\xa9", "a\r\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(from_xtext(bad).has_value());
  }
}
