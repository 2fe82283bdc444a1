// SPDX-License-Identifier: Apache-2.0
//
// Notifications about addresses beyond ASCII, and to them (RFC 6533).
#include "dsn_example.hpp"
#include "mail/mime_text.hpp"

using namespace sealpost;
using namespace sealpost::test;

TEST_CASE("DSN-07 addresses beyond ASCII stay 7bit (RFC 6533 §3)") {
  DsnExample example;
  example.add("b\xc3\xbc+r@x.example", "5.6.7", "no");
  CHECK(contains(parts_of(example.text())[1], "Final-Recipient: utf-8; b\\x{FC}\\x{2B}r@x.example\r\n"));
}

TEST_CASE("DSN-07 N8 to who may be reached without SMTPUTF8 all but the words is ASCII (RFC 6533 §4)") {
  DsnExample example;
  example.add("b\xc3\xbc@x.example", "5.6.7", "no").recipient.original = "utf-8;B\xc3\xbc@x.example";
  example.envelope.smtputf8 = true;
  example.envelope.ret = 1;
  example.request.original_head = "Subject: caf\xc3\xa9\r\n\r\nhi\r\n";
  example.request.original_complete = true;
  const auto message = build_dsn(example.request);
  REQUIRE(message);
  CHECK_FALSE(message->envelope.smtputf8);
  CHECK(message->envelope.body == BodyType::eight_bit_mime);
  const auto parts = parts_of(message->text);
  CHECK(contains(message->text, "report-type=delivery-status;"));
  CHECK(contains(message->text,
                 "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"));
  CHECK(contains(parts[0], "<b\xc3\xbc@x.example>"));
  CHECK(contains(message->text, "Content-Type: message/delivery-status\r\n"));
  CHECK(contains(parts[1], "Final-Recipient: utf-8; b\\x{FC}@x.example\r\n"));
  CHECK(contains(parts[1], "Original-Recipient: utf-8; B\\x{FC}@x.example\r\n"));
  CHECK(contains(message->text,
                 "Content-Type: message/global\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                 "Subject: caf=C3=A9\r\n"));
  example.request.original_complete = false;
  CHECK(contains(example.text(), "Content-Type: message/global-headers\r\n"));
}

TEST_CASE("DSN-07 a sender beyond ASCII gets message/global-delivery-status (RFC 6533 §4, §5)") {
  DsnExample example;
  example.envelope.reverse_path = "\xc3\xa4@a.example";
  example.add("b\xc3\xbc@x.example", "5.6.7", "no").recipient.original = "utf-8;B\xc3\xbc@x.example";
  example.add("c@x.example", "5.1.1", "no");
  const auto message = build_dsn(example.request);
  REQUIRE(message);
  CHECK(message->envelope.smtputf8);
  CHECK(message->envelope.recipients[0].address == "\xc3\xa4@a.example");
  CHECK(contains(message->text, "To: <\xc3\xa4@a.example>\r\n"));
  CHECK(contains(message->text, "report-type=global-delivery-status;"));
  const auto parts = parts_of(message->text);
  CHECK(contains(message->text,
                 "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n"));
  CHECK(contains(parts[1], "Final-Recipient: utf-8; b\xc3\xbc@x.example\r\n"));
  CHECK(contains(parts[1], "Original-Recipient: utf-8; B\xc3\xbc@x.example\r\n"));
  CHECK(contains(parts[1], "Final-Recipient: rfc822; c@x.example\r\n"));
}
