// SPDX-License-Identifier: Apache-2.0
//
// Notifications of thousands, of hostile replies and of any original: bounded, 7bit, and told all the same.
#include "dsn_example.hpp"
#include "mail/mime_text.hpp"

using namespace sealpost;
using namespace sealpost::test;
using namespace std::string_view_literals;

TEST_CASE("DSN-06 N11 hostile reply text cannot inject fields") {
  const std::string_view texts[] = {
      "no\r\nStatus: 2.0.0",
      "no\r\n\r\nFinal-Recipient: rfc822; evil@x\r\nAction: delivered",
      "no\nStatus: 2.0.0",
      "no\rStatus: 2.0.0",
      "no\r\n--=_01ARYZ6S410000000000000002--\r\n",
      "\0\x1b[2J\xff\xfe\x7f"sv,
      "                                                                                                      "
      "      Status: 2.0.0",
      "\r\n.\r\nMAIL FROM:<evil@x>\r\n",
  };
  for (const auto hostile : texts) {
    CAPTURE(text::printable(hostile));
    DsnExample example;
    DsnRecipient& recipient = example.add("b@x.example", "5.1.1", "", "mx.x.example");
    recipient.diagnostic = hostile;
    recipient.remote_mta = hostile;
    recipient.status = hostile;
    example.request.original_head = "";
    example.envelope.received_from = hostile;
    example.envelope.envid = hostile;
    const std::string text = example.text();
    check_lines(text);
    CHECK_FALSE(contains(text, "\r\nStatus: 2.0.0"));
    CHECK_FALSE(contains(text, "\r\nAction: delivered"));
    CHECK_FALSE(contains(text, "\r\nMAIL"));
    CHECK(contains(text, "\r\nStatus: 5.0.0\r\n"));
    CHECK_FALSE(contains(text, "Remote-MTA"));
    CHECK(parts_of(text).size() == 3);
    for (const char c : text) CHECK((c == '\r' || c == '\n' || (c >= 0x20 && c < 0x7f)));
  }
}

TEST_CASE("DSN-06 ten kilobytes of reply are cut") {
  DsnExample example;
  const std::string huge(10240, 'x');
  example.add("b@x.example", "5.1.1", huge.c_str(), "mx.x.example");
  const std::string text = example.text();
  check_lines(text);
  CHECK(text.size() < 5000);
}

TEST_CASE("T-37 a thousand recipients stay bounded and are all told") {
  DsnExample example;
  const std::string diagnostic(500, 'd');
  for (int i = 0; i < 1000; ++i)
    example.add(("recipient" + std::to_string(i) + "@x.example").c_str(), "5.1.1", diagnostic.c_str(),
                "mx.x.example");
  example.envelope.ret = 1;
  const std::string original_text = std::string(original) + std::string(500, 'x') + "\r\nthe end\r\n";
  example.request.original_head = original_text;
  example.request.original_complete = true;
  const std::string text = example.text();
  check_lines(text);
  CHECK(text.size() <= dsn_octets);
  CHECK_FALSE(contains(text, "the end"));  // headers only, whatever RET says
  for (int i = 0; i < 1000; ++i) {
    const std::string address = "recipient" + std::to_string(i) + "@x.example";
    const bool named = contains(text, "Final-Recipient: rfc822; " + address + "\r\n") ||
                       contains(text, "  <" + address + ">\r\n");
    if (!named) FAIL("not named: " << address);
  }
  CHECK(contains(text, "and 980 more"));
  CHECK(build_dsn(example.request)->named == 1000);
}

TEST_CASE("T-37 five thousand recipients: as many as fit are named, the others counted, and the size holds") {
  for (const std::size_t diagnostic : {0U, 60U, 900U}) {
    for (const bool long_names : {false, true}) {
      CAPTURE(diagnostic);
      CAPTURE(long_names);
      DsnExample example;
      for (int i = 0; i < 5000; ++i)
        example.add(
            ((long_names ? std::string(200, 'r') : std::string()) + std::to_string(i) + "@x.example").c_str(),
            "5.1.1", std::string(diagnostic, 'd').c_str(), "mx.x.example");
      std::string head = "Subject: the offer\r\n";
      for (int i = 0; i < 200; ++i)
        head += "X-" + std::to_string(i) + ": \xc3\xa9" + std::string(60, 'h') + "\r\n";
      example.request.original_head = head;
      const auto message = build_dsn(example.request);
      REQUIRE(message.has_value());
      check_lines(message->text);
      CHECK(message->text.size() <= dsn_octets);
      CHECK(message->text.size() > dsn_octets - 8 * 1024);
      CHECK(contains(message->text, "Subject: Mail not delivered (5000 recipients)\r\n"));
      CHECK(contains(message->text, "Subject: the offer\r\n"));
      const auto parts = parts_of(message->text);
      REQUIRE(parts.size() == 3);
      std::size_t blocks = 0;
      for (std::size_t at = parts[1].find("\r\nFinal-Recipient:"); at != parts[1].npos;
           at = parts[1].find("\r\nFinal-Recipient:", at + 1))
        ++blocks;
      CHECK(blocks > (long_names ? 100 : 500));
      CHECK(contains(parts[1],
                     "X-Sealpost-Recipients-Without-Block: " + std::to_string(5000 - blocks) + "\r\n"));
      CHECK(message->named > blocks);
      CHECK(
          contains(parts[0], "and " + std::to_string(5000 - message->named) + " for whom there is no room"));
      CHECK(contains(parts[0], "log of the relay names"));
    }
  }
}

TEST_CASE("T-37 when all have a block, what room is left goes to diagnostics, first come first served") {
  DsnExample example;
  for (int i = 0; i < 400; ++i)
    example.add((std::to_string(i) + "@x.example").c_str(), "5.1.1", std::string(300, 'd').c_str(),
                "mx.x.example");
  const auto message = build_dsn(example.request);
  REQUIRE(message.has_value());
  CHECK(message->named == 400);
  CHECK(message->text.size() <= dsn_octets);
  const auto parts = parts_of(message->text);
  CHECK(contains(parts[1], "Diagnostic-Code"));
  CHECK(contains(parts[1], "Final-Recipient: rfc822; 399@x.example\r\n"));
  CHECK_FALSE(contains(parts[1], "Without-Block"));
}

TEST_CASE("DSN-05 RET decides what comes back of the original (N7, T5)") {
  struct Row {
    int ret;
    bool complete, requiretls, full;
  };
  const Row rows[] = {{0, true, false, false},
                      {2, true, false, false},
                      {1, true, false, true},
                      {1, false, false, false},
                      {1, true, true, false}};
  for (const Row& row : rows) {
    DsnExample example;
    example.add("b@x.example", "5.1.1", "no");
    example.envelope.ret = static_cast<std::uint8_t>(row.ret);
    example.envelope.flags.requiretls = row.requiretls;
    example.request.original_complete = row.complete;
    const auto message = build_dsn(example.request);
    REQUIRE(message.has_value());
    CHECK(contains(message->text, "Hello") == row.full);
    CHECK(contains(message->text,
                   row.full ? "Content-Type: message/rfc822\r\n" : "Content-Type: text/rfc822-headers\r\n"));
    CHECK(message->envelope.flags.requiretls == row.requiretls);
  }
  DsnExample large;
  large.add("b@x.example", "5.1.1", "no");
  large.envelope.ret = 1;
  large.request.original_complete = true;
  const std::string body = std::string(original) + std::string(51 * 1024, 'x');
  large.request.original_head = body;
  CHECK(large.text().size() < 5000);
}

TEST_CASE("the quoted header is 7bit, cut between fields, and never the body") {
  DsnExample example;
  example.add("b@x.example", "5.1.1", "no");
  std::string head = "Subject: caf\xc3\xa9 = good\r\n";
  example.request.original_head = head;
  CHECK(contains(example.text(),
                 "Content-Transfer-Encoding: quoted-printable\r\n\r\nSubject: caf=C3=A9 =3D good\r\n"));

  head = "A: 1\nB: 2\r\r\n\nBody\r\n";  // line ends a lax peer might have let in (T-22)
  example.request.original_head = head;
  check_lines(example.text());
  CHECK_FALSE(contains(example.text(), "Body"));

  head = "First: 1\r\nLong: " + std::string(20000, 'x') + "\r\nLast: 3\r\n\r\n";
  example.request.original_head = head;
  const auto part = parts_of(example.text())[2];
  CHECK(contains(part, "First: 1\r\n"));
  CHECK_FALSE(contains(part, "Long"));
  CHECK_FALSE(contains(part, "Last"));

  example.envelope.ret = 1;
  example.request.original_complete = true;
  head = "A: 1\r\n\r\ncaf\xc3\xa9\r\n";
  example.request.original_head = head;
  const auto message = build_dsn(example.request);
  CHECK(message->envelope.body == BodyType::eight_bit_mime);
  CHECK(contains(message->text, "Content-Transfer-Encoding: 8bit\r\n"));
}
