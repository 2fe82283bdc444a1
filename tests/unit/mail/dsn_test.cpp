// SPDX-License-Identifier: Apache-2.0
//
// What a notification says, and to whom. Bounds and hostile text are in dsn_bounds_test.cpp, addresses beyond ASCII in
// dsn_utf8_test.cpp.
#include "dsn_example.hpp"
#include "mail/mime_text.hpp"

using namespace sealpost;
using namespace sealpost::test;

TEST_CASE("DSN-01 a refusal by the remote server (RFC 3464 §2, N9, N10)") {
  DsnExample example;
  example.envelope.envid = "QQ314159";
  DsnRecipient& recipient = example.add("Bob@x.example", "5.1.1", "550 5.1.1 no such user", "mx1.x.example");
  recipient.recipient.original = "rfc822;Bob+2Bold@x.example";
  recipient.last_attempt = example.request.now;
  const auto message = build_dsn(example.request);
  REQUIRE(message.has_value());
  CHECK(message->envelope.reverse_path.empty());
  CHECK(message->envelope.message_class == MessageClass::dsn);
  CHECK(message->envelope.body == BodyType::seven_bit);
  REQUIRE(message->envelope.recipients.size() == 1);
  CHECK(message->envelope.recipients[0].address == "alice@a.example");
  check_lines(message->text);
  CHECK(
      message->text.starts_with("From: Mail delivery system <postmaster@relay.example.net>\r\n"
                                "To: <alice@a.example>\r\n"
                                "Subject: Mail not delivered (1 recipient)\r\n"
                                "Date: Sat, 31 Jan 2026 23:59:59 +0000\r\n"
                                "Message-ID: <01ARYZ6S410000000000000002@relay.example.net>\r\n"
                                "References: <m1@a.example>\r\n"
                                "Auto-Submitted: auto-replied\r\n"
                                "MIME-Version: 1.0\r\n"
                                "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                                " boundary=\"=_01ARYZ6S410000000000000002\"\r\n"
                                "\r\n"
                                "--=_01ARYZ6S410000000000000002\r\n"
                                "Content-Type: text/plain; charset=us-ascii\r\n"));
  const auto parts = parts_of(message->text);
  REQUIRE(parts.size() == 3);
  CHECK(contains(parts[0], "  <Bob@x.example>\r\n    mx1.x.example answered: 550 5.1.1 no such user\r\n"));
  CHECK(contains(parts[0], "queue id 01ARYZ6S410000000000000001"));
  CHECK(parts[1] ==
        "Original-Envelope-Id: QQ314159\r\n"
        "Reporting-MTA: dns; relay.example.net\r\n"
        "Received-From-MTA: dns; client.example ([192.0.2.1])\r\n"
        "Arrival-Date: Sat, 31 Jan 2026 20:00:00 +0000\r\n"
        "\r\n"
        "Original-Recipient: rfc822; Bob+old@x.example\r\n"
        "Final-Recipient: rfc822; Bob@x.example\r\n"
        "Action: failed\r\n"
        "Status: 5.1.1\r\n"
        "Remote-MTA: dns; mx1.x.example\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
        "Last-Attempt-Date: Sat, 31 Jan 2026 23:59:59 +0000\r\n"
        "Final-Log-ID: 01ARYZ6S410000000000000001\r\n"
        "\r\n");
  CHECK(parts[2] ==
        "From: Alice <alice@a.example>\r\nTo: b@x.example\r\nMessage-ID: <m1@a.example>\r\nSubject: "
        "offer\r\n\r\n");
}

TEST_CASE("DSN-01 a notification comes from the postmaster who is configured") {
  DsnExample example;
  example.add("b@x.example", "5.1.1", "no such user");
  CHECK(contains(example.text(), "From: Mail delivery system <postmaster@relay.example.net>\r\n"));
  example.request.postmaster = "mail-team@example.net";
  CHECK(contains(example.text(), "From: Mail delivery system <mail-team@example.net>\r\n"));
}

TEST_CASE("DSN-01 our own verdict has no Remote-MTA (RFC 3464 §2.3.6)") {
  DsnExample example;
  example.add("b@noord.example", "5.7.4",
              "rule 'Zorgverzekeraar Noord' demands TLS, mx1.noord.example offers none");
  example.request.recipients[0].remote_mta = "mx1.noord.example";  // known, yet the verdict is ours
  const auto parts = parts_of(example.text());
  CHECK(
      contains(parts[0], "    rule 'Zorgverzekeraar Noord' demands TLS, mx1.noord.example offers none\r\n"));
  CHECK(contains(parts[1], "Diagnostic-Code: X-sealpost; rule"));
  CHECK_FALSE(contains(parts[1], "Remote-MTA"));
  CHECK_FALSE(contains(parts[1], "Original-Envelope-Id"));
  CHECK_FALSE(contains(parts[1], "Original-Recipient"));
}

TEST_CASE("DSN-01 expiry keeps the transient code with Action: failed (RFC 3464 §2.3.3)") {
  DsnExample example;
  example.add("b@x.example", "4.4.1", "connect to mx1.x.example[192.0.2.1]:25: timed out");
  const auto parts = parts_of(example.text());
  CHECK(contains(parts[1], "Action: failed\r\nStatus: 4.4.1\r\n"));
}

TEST_CASE("DSN-01 several recipients share one report, blocks apart by one empty line") {
  DsnExample example;
  example.add("b@x.example", "5.1.1", "no", "mx.x.example");
  example.add("c@y.example", "5.7.5", "certificate of mx.y.example not valid: expired");
  const std::string text = example.text();
  CHECK(contains(text, "Subject: Mail not delivered (2 recipients)\r\n"));
  const auto parts = parts_of(text);
  CHECK(contains(parts[1], "\r\n\r\nFinal-Recipient: rfc822; b@x.example\r\n"));
  CHECK(contains(parts[1], "\r\n\r\nFinal-Recipient: rfc822; c@y.example\r\n"));
  CHECK_FALSE(contains(parts[1], "\r\n\r\n\r\n"));
}

TEST_CASE("a delay notice") {
  DsnExample example;
  example.request.action = DsnAction::delayed;
  DsnRecipient& recipient = example.add("b@x.example", "5.4.1", "no answer");
  recipient.will_retry_until = *from_rfc3339("2026-02-05T20:00:00Z");
  example.envelope.ret = 1;
  example.request.original_complete = true;
  const std::string text = example.text();
  const auto parts = parts_of(text);
  CHECK(contains(text, "Subject: Mail not delivered yet, still trying (1 recipient)\r\n"));
  CHECK(contains(parts[0], "Attempts end at Thu, 05 Feb 2026 20:00:00 +0000."));
  CHECK(contains(parts[1], "Action: delayed\r\nStatus: 4.0.0\r\n"));  // class 5 cannot be delayed
  CHECK(contains(parts[1], "Will-Retry-Until: Thu, 05 Feb 2026 20:00:00 +0000\r\n"));
  CHECK_FALSE(contains(text, "Hello"));  // no failure in it: headers only, whatever RET says (N7)
}

TEST_CASE("DSN-04 T-36 no DSN for a null sender, a DSN or a report") {
  DsnExample example;
  example.add("b@x.example", "5.1.1", "no");
  CHECK(build_dsn(example.request).has_value());
  example.envelope.reverse_path.clear();
  CHECK_FALSE(build_dsn(example.request).has_value());
  example.envelope.reverse_path = "alice@a.example";
  for (const auto message_class : {MessageClass::dsn, MessageClass::report}) {
    example.envelope.message_class = message_class;
    CHECK_FALSE(build_dsn(example.request).has_value());
  }
}

TEST_CASE("NOTIFY decides who is told (RFC 3461 §5.2.6)") {
  struct Row {
    int notify;
    bool failed, delayed;
  };
  const Row rows[] = {
      {0, true, true},
      {notify_never, false, false},
      {notify_failure, true, false},
      {notify_delay, false, true},
      {notify_success, false, false},
      {notify_success | notify_failure | notify_delay, true, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.notify);
    DsnExample example;
    example.add("b@x.example", "4.1.1", "no").recipient.notify = static_cast<std::uint8_t>(row.notify);
    CHECK(build_dsn(example.request).has_value() == row.failed);
    example.request.action = DsnAction::delayed;
    CHECK(build_dsn(example.request).has_value() == row.delayed);
  }
  DsnExample mixed;
  mixed.add("quiet@x.example", "5.1.1", "no").recipient.notify = notify_never;
  mixed.add("loud@x.example", "5.1.1", "no");
  CHECK_FALSE(contains(mixed.text(), "quiet@x.example"));
}

TEST_CASE("DSN-03 ENVID and ORCPT come back decoded, with their case") {
  struct Row {
    std::string original, field;
  };
  const std::string long_local(400, 'x');
  const Row rows[] = {
      {"rfc822;Bob+2Bx@X.DsnExample", "Original-Recipient: rfc822; Bob+x@X.DsnExample\r\n"},
      {"RFC822;a+20b@x", "Original-Recipient: RFC822; a b@x\r\n"},
      {"rfc822;" + long_local + "@x", "Original-Recipient: rfc822;\r\n " + long_local + "@x\r\n"},
      {"utf-8;b\\x{FC}@x", "Original-Recipient: utf-8; b\\x{FC}@x\r\n"},
      {"rfc822;bad+0D+0AInjected:+20x", ""},
      {"no-type", ""},
      {";x", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.original);
    DsnExample example;
    example.add("b@x.example", "5.1.1", "no").recipient.original = row.original;
    const auto status = parts_of(example.text())[1];
    CHECK(contains(status, "Original-Recipient") == !row.field.empty());
    CHECK(contains(status, row.field));
  }
}

TEST_CASE("a host without a domain name says so (N10)") {
  DsnExample example;
  example.request.reporting_mta = "my_host";
  example.add("b@x.example", "5.1.1", "no");
  CHECK(contains(example.text(), "Reporting-MTA: x-local-hostname; my_host\r\n"));
}
