// SPDX-License-Identifier: Apache-2.0
#include "mail/dsn.hpp"

#include <doctest.h>

#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/mime_text.hpp"

using namespace sealpost;
using namespace std::string_view_literals;

namespace {

constexpr std::string_view original =
    "From: Alice <alice@a.example>\r\nTo: b@x.example\r\nMessage-ID: <m1@a.example>\r\nSubject: "
    "offer\r\n\r\nHello\r\n";

// A request about alice's mail; tests change what they are about.
struct Example {
  Envelope envelope;
  DsnRequest request;
  Example() {
    envelope.reverse_path = "alice@a.example";
    envelope.arrival = *from_rfc3339("2026-01-31T20:00:00Z");
    envelope.received_from = "client.example ([192.0.2.1])";
    request.reporting_mta = "relay.example.net";
    request.original_id = *MessageId::parse("01ARYZ6S410000000000000001");
    request.dsn_id = *MessageId::parse("01ARYZ6S410000000000000002");
    request.original_head = original;
    request.now = *from_rfc3339("2026-01-31T23:59:59Z");
    request.envelope = &envelope;
  }
  DsnRecipient& add(const char* address, const char* status, const char* diagnostic,
                    const char* remote_mta = "") {
    DsnRecipient& recipient = request.recipients.emplace_back();
    recipient.recipient.address = address;
    recipient.status = status;
    recipient.diagnostic = diagnostic;
    recipient.remote = *remote_mta != '\0';
    recipient.remote_mta = remote_mta;
    return recipient;
  }
  std::string text() const {
    const auto message = build_dsn(request);
    REQUIRE(message.has_value());
    return message->text;
  }
};

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// The three parts of a multipart text, without their MIME headers.
std::vector<std::string> parts_of(const std::string& text) {
  const std::size_t at = text.find("boundary=\"") + 10;
  const std::string line = "--" + text.substr(at, text.find('"', at) - at);
  std::vector<std::string> parts;
  std::size_t start = text.find("\r\n" + line + "\r\n");
  while (start != text.npos) {
    const std::size_t body = text.find("\r\n\r\n", start + line.size()) + 4;
    const std::size_t end = text.find("\r\n" + line, body - 2);
    REQUIRE(end != text.npos);
    parts.push_back(text.substr(body, end + 2 - body));
    start = text.compare(end + 2 + line.size(), 2, "--") == 0 ? text.npos : end;
  }
  return parts;
}

void check_lines(std::string_view text) {  // CRLF only, none over 998 octets
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) FAIL("bare LF");
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) FAIL("bare CR");
  }
  for (const auto line : text::split(text, '\n'))
    if (line.size() > 999) FAIL("long line");
}

}  // namespace

TEST_CASE("DSN-01 a refusal by the remote server (RFC 3464 §2, N9, N10)") {
  Example example;
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
  Example example;
  example.add("b@x.example", "5.1.1", "no such user");
  CHECK(contains(example.text(), "From: Mail delivery system <postmaster@relay.example.net>\r\n"));
  example.request.postmaster = "mail-team@example.net";
  CHECK(contains(example.text(), "From: Mail delivery system <mail-team@example.net>\r\n"));
}

TEST_CASE("DSN-01 our own verdict has no Remote-MTA (RFC 3464 §2.3.6)") {
  Example example;
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
  Example example;
  example.add("b@x.example", "4.4.1", "connect to mx1.x.example[192.0.2.1]:25: timed out");
  const auto parts = parts_of(example.text());
  CHECK(contains(parts[1], "Action: failed\r\nStatus: 4.4.1\r\n"));
}

TEST_CASE("DSN-01 several recipients share one report, blocks apart by one empty line") {
  Example example;
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
  Example example;
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
  Example example;
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
    Example example;
    example.add("b@x.example", "4.1.1", "no").recipient.notify = static_cast<std::uint8_t>(row.notify);
    CHECK(build_dsn(example.request).has_value() == row.failed);
    example.request.action = DsnAction::delayed;
    CHECK(build_dsn(example.request).has_value() == row.delayed);
  }
  Example mixed;
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
      {"rfc822;Bob+2Bx@X.Example", "Original-Recipient: rfc822; Bob+x@X.Example\r\n"},
      {"RFC822;a+20b@x", "Original-Recipient: RFC822; a b@x\r\n"},
      {"rfc822;" + long_local + "@x", "Original-Recipient: rfc822;\r\n " + long_local + "@x\r\n"},
      {"utf-8;b\\x{FC}@x", "Original-Recipient: utf-8; b\\x{FC}@x\r\n"},
      {"rfc822;bad+0D+0AInjected:+20x", ""},
      {"no-type", ""},
      {";x", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.original);
    Example example;
    example.add("b@x.example", "5.1.1", "no").recipient.original = row.original;
    const auto status = parts_of(example.text())[1];
    CHECK(contains(status, "Original-Recipient") == !row.field.empty());
    CHECK(contains(status, row.field));
  }
}

TEST_CASE("DSN-07 addresses beyond ASCII stay 7bit (RFC 6533 §3)") {
  Example example;
  example.add("b\xc3\xbc+r@x.example", "5.6.7", "no");
  CHECK(contains(parts_of(example.text())[1], "Final-Recipient: utf-8; b\\x{FC}\\x{2B}r@x.example\r\n"));
}

TEST_CASE("DSN-07 N8 to who may be reached without SMTPUTF8 all but the words is ASCII (RFC 6533 §4)") {
  Example example;
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
  Example example;
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
    Example example;
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
  Example example;
  const std::string huge(10240, 'x');
  example.add("b@x.example", "5.1.1", huge.c_str(), "mx.x.example");
  const std::string text = example.text();
  check_lines(text);
  CHECK(text.size() < 5000);
}

TEST_CASE("T-37 a thousand recipients stay bounded and are all told") {
  Example example;
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
      Example example;
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
  Example example;
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
    Example example;
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
  Example large;
  large.add("b@x.example", "5.1.1", "no");
  large.envelope.ret = 1;
  large.request.original_complete = true;
  const std::string body = std::string(original) + std::string(51 * 1024, 'x');
  large.request.original_head = body;
  CHECK(large.text().size() < 5000);
}

TEST_CASE("the quoted header is 7bit, cut between fields, and never the body") {
  Example example;
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

TEST_CASE("a host without a domain name says so (N10)") {
  Example example;
  example.request.reporting_mta = "my_host";
  example.add("b@x.example", "5.1.1", "no");
  CHECK(contains(example.text(), "Reporting-MTA: x-local-hostname; my_host\r\n"));
}
