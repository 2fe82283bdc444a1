// SPDX-License-Identifier: Apache-2.0
//
// From a connection to the spool and the sink: what is kept, when 250 is said, and what refuses.
#include <doctest.h>

#include <algorithm>

#include "base/digest.hpp"
#include "intake_fixture.hpp"
#include "mail/header.hpp"

using namespace sealpost;
using namespace sealpost::test;

TEST_CASE("SMTP-07 a message arrives in spool and sink with our Received field in front") {
  IntakeFixture fixture;
  Script& client = fixture.connect();
  fixture.say(client, hello + envelope);
  const std::string said = fixture.say(client, "Subject: x\r\n\r\nhi\r\n.\r\n");
  REQUIRE(fixture.spool.stored.size() == 1);
  const auto& stored = *fixture.spool.stored[0];
  CHECK_FALSE(has_message_id(stored.envelope));
  CHECK(said == "250 2.0.0 queued as " + stored.id.to_string() + "\r\n");
  CHECK(fixture.spool.body(0) ==
        "Received: from client.example.net ([192.0.2.7])\r\n"
        "\tby relay.example.net with ESMTP id " +
            stored.id.to_string() +
            "\r\n"
            "\tfor <b@example.org>;\r\n"
            "\tMon, 05 Jan 2026 00:00:00 +0000\r\n"
            "Subject: x\r\n\r\nhi\r\n");
  CHECK(stored.envelope.reverse_path == "a@example.net");
  CHECK(stored.envelope.arrival == fixture.loop.wall());
  CHECK(stored.envelope.received_from == "client.example.net ([192.0.2.7])");
  REQUIRE(fixture.sink.messages.size() == 1);
  CHECK(fixture.sink.messages[0] == fixture.spool.stored[0]);
  CHECK(fixture.counters.messages == 1);
  CHECK(fixture.budget().used() == 0);
}

TEST_CASE("the Message-ID by which a message is found again is that of its header, as written") {
  IntakeFixture fixture;
  Script& client = fixture.connect();
  fixture.say(client, hello + envelope);
  fixture.say(client, "Message-Id: \r\n <One.2@a.example> \r\nSubject: x\r\n\r\nMessage-ID: <3@b>\r\n.\r\n");
  REQUIRE(fixture.spool.stored.size() == 1);
  const auto& found = fixture.spool.stored[0]->envelope.message_id;
  CHECK(found == digest_of_message_id("<One.2@a.example>"));
  CHECK(found != digest_of_message_id("<one.2@a.example>"));
  const Sha256 whole = sha256("<One.2@a.example>");
  CHECK(std::equal(found.begin(), found.end(), whole.begin()));
}

TEST_CASE("SMTP-07 the Received field: HELO, IPv6, several recipients, hidden client (T-49)") {
  IntakeFixture fixture;
  fixture.hide_client = true;
  Script& client = fixture.connect("2001:db8::7");
  fixture.say(client,
              "HELO old\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n");
  fixture.say(client, "x\r\n.\r\n");
  REQUIRE(fixture.spool.stored.size() == 1);
  const std::string& body = fixture.spool.body(0);
  CHECK(body.find("with SMTP id") != std::string::npos);
  CHECK(body.find(" for ") == std::string::npos);
  CHECK(body.find("2001") == std::string::npos);
  CHECK(body.find("old") == std::string::npos);

  IntakeFixture open;
  Script& shown = open.connect("2001:db8::7");
  open.say(shown, hello + envelope);
  open.say(shown, "x\r\n.\r\n");
  CHECK(open.spool.body(0).find("([IPv6:2001:db8::7])") != std::string::npos);
}

TEST_CASE("8-bit content is declared to the next hop even when the client did not (X5)") {
  IntakeFixture fixture;
  Script& client = fixture.connect();
  fixture.say(client, hello + envelope);
  fixture.say(client, "caf\xc3\xa9\r\n.\r\n");
  fixture.say(client, envelope);
  fixture.say(client, "cafe\r\n.\r\n");
  REQUIRE(fixture.spool.stored.size() == 2);
  CHECK(fixture.spool.stored[0]->envelope.body == BodyType::eight_bit_mime);
  CHECK(fixture.spool.stored[1]->envelope.body == BodyType::seven_bit);
}

TEST_CASE(
    "D-01 D-10 after the final dot there is the spool and nothing else, then sink and client hear of it") {
  IntakeFixture fixture;
  event::Signal kept(fixture.loop);
  fixture.spool.gate = &kept;
  Script& client = fixture.connect();
  fixture.say(client, hello + envelope);
  CHECK(fixture.say(client, "x\r\n.\r\n").empty());
  CHECK(fixture.sink.messages.empty());
  kept.notify();
  fixture.loop.settle();
  CHECK(client.take().starts_with("250 2.0.0 queued as "));
  CHECK(fixture.sink.messages.size() == 1);
}

TEST_CASE("D-02 D-07 D-08 storage that fails refuses, and never half") {
  IntakeFixture fixture;
  Script& client = fixture.connect();
  fixture.say(client, hello);
  fixture.spool.room_error = Error(Errc::no_space, "full");
  CHECK(fixture.say(client, "MAIL FROM:<a@example.net> SIZE=5000\r\n").starts_with("452 4.3.1 "));
  CHECK(fixture.spool.room_asked == 5000);
  fixture.spool.room_error = Error(Errc::unavailable, "sick");
  CHECK(fixture.say(client, "MAIL FROM:<a@example.net>\r\n").starts_with("451 4.3.0 "));
  fixture.spool.room_error.reset();
  Script& sent_away = fixture.connect();
  fixture.say(sent_away, hello);
  fixture.spool.sound = false;
  CHECK(fixture.say(sent_away, "MAIL FROM:<a@example.net>\r\n").starts_with("421 4.3.0 "));
  CHECK(fixture.say(sent_away, "NOOP\r\n").empty());  // closed (RFC 5321 §3.8)
  fixture.spool.sound = true;

  const struct {
    Errc code;
    std::string_view said;
  } rows[] = {{Errc::no_space, "452 4.3.1 "},
              {Errc::io, "451 4.3.0 "},
              {Errc::timed_out, "451 4.3.0 "},
              {Errc::unavailable, "451 4.3.0 "}};
  for (const auto& row : rows) {
    fixture.spool.store_error = Error(row.code, "on command");
    fixture.say(client, envelope);
    CHECK(fixture.say(client, "x\r\n.\r\n").starts_with(row.said));
  }
  CHECK(fixture.sink.messages.empty());
  CHECK(fixture.counters.storage_errors == 4);
  fixture.spool.store_error.reset();
  fixture.say(client, envelope);
  CHECK(fixture.say(client, "x\r\n.\r\n").starts_with("250 "));
}

TEST_CASE("T-28 a long body goes ahead in parts of 256 KiB and is put together again") {
  IntakeFixture fixture;
  Script& client = fixture.connect();
  fixture.say(client, hello + envelope);
  std::string body = "Subject: long\r\n\r\n";
  for (int i = 0; body.size() < (3U << 20); ++i) body += "line " + std::to_string(i) + "\r\n";
  for (std::size_t at = 0; at < body.size(); at += 10'000) {
    fixture.say(client, body.substr(at, 10'000));
    REQUIRE(fixture.budget().used() <= 400 * 1024);
  }
  CHECK(fixture.say(client, ".\r\n").starts_with("250 "));
  REQUIRE(fixture.spool.stored.size() == 1);
  CHECK(fixture.spool.body(0).ends_with(body));
  CHECK(fixture.spool.appends >= 10);
  CHECK(fixture.spool.largest_part < 340 * 1024);
  CHECK(fixture.spool.discarded == 0);
  CHECK(fixture.budget().used() == 0);
}

TEST_CASE("what went ahead is discarded when the message ends otherwise") {
  const std::string part = "Subject: x\r\n\r\n" + std::string(400 * 1024, 'x');
  SUBCASE("the client goes away") {
    IntakeFixture fixture;
    Script& client = fixture.connect();
    fixture.say(client, hello + envelope + part);
    CHECK(fixture.spool.parts.size() == 1);
    client.hang_up();
    fixture.loop.settle();
    CHECK(fixture.spool.discarded == 1);
  }
  SUBCASE("too big") {
    IntakeFixture fixture;
    fixture.options->limits.message_size = 500 * 1024;
    Script& client = fixture.connect();
    fixture.say(client, hello + envelope + part);
    CHECK(fixture.say(client, std::string(200 * 1024, 'x') + "\r\n.\r\n").starts_with("552 5.3.4 "));
    CHECK(fixture.spool.discarded == 1);
  }
  SUBCASE("a part cannot be written") {
    IntakeFixture fixture;
    fixture.spool.append_error = Error(Errc::no_space, "full");
    Script& client = fixture.connect();
    fixture.say(client, hello + envelope + part);
    CHECK(fixture.say(client, "\r\n.\r\n").starts_with("452 4.3.1 "));
  }
  SUBCASE("the message cannot be stored") {
    IntakeFixture fixture;
    Script& client = fixture.connect();
    fixture.say(client, hello + envelope + part);
    fixture.spool.store_error = Error(Errc::io, "broken");
    CHECK(fixture.say(client, "\r\n.\r\n").starts_with("451 4.3.0 "));
    CHECK(fixture.spool.discarded == 1);
  }
  SUBCASE("the session is cut") {
    IntakeFixture fixture;
    Script& client = fixture.connect();
    fixture.say(client, hello + envelope + part);
    event::TaskScope scope(fixture.loop);
    scope.spawn(fixture.acceptor().drain(std::chrono::seconds(5)));
    fixture.loop.advance(std::chrono::seconds(6));
    CHECK(fixture.acceptor().sessions() == 0);
    CHECK(fixture.spool.discarded == 1);
    CHECK(fixture.budget().used() == 0);
  }
}

TEST_CASE("T-28 many long bodies at once stay within the budget, and all arrive") {
  IntakeFixture fixture;
  fixture.body_memory = 256 * 1024;
  std::vector<Script*> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(&fixture.connect());
  for (Script* client : clients) fixture.say(*client, hello + envelope + "Subject: x\r\n\r\n");
  const std::string line = std::string(78, 'x') + "\r\n";
  std::string piece;
  for (int i = 0; i < 200; ++i) piece += line;
  for (int round = 0; round < 20; ++round) {
    for (Script* client : clients) {
      client->say(piece);
      fixture.loop.settle();
      REQUIRE(fixture.budget().used() <= 256 * 1024);
    }
  }
  for (Script* client : clients) CHECK(fixture.say(*client, ".\r\n").starts_with("250 "));
  REQUIRE(fixture.spool.stored.size() == 20);
  for (std::size_t i = 0; i < 20; ++i) CHECK(fixture.spool.stored[i]->size > 20 * piece.size());
  CHECK(fixture.budget().used() == 0);
}

TEST_CASE("T-28 no memory to be had for a minute: 452") {
  IntakeFixture fixture;
  fixture.body_memory = 8 * 1024;  // less than one step
  Script& client = fixture.connect();
  fixture.say(client, hello + envelope);
  CHECK(fixture.say(client, "Subject: x\r\n\r\nx\r\n.\r\n").empty());
  fixture.loop.advance(std::chrono::seconds(61));
  CHECK(client.take().starts_with("452 4.3.1 "));
  CHECK(fixture.sink.messages.empty());
}

TEST_CASE("SMTP-07 T-38 M17 a message that has passed fifty relays is refused") {
  IntakeFixture fixture;
  Script& client = fixture.connect();
  fixture.say(client, hello);
  const auto with_hops = [](int hops) {
    std::string message;
    for (int i = 0; i < hops; ++i) message += "Received: from x by y; Mon, 5 Jan 2026 00:00:00 +0000\r\n";
    return message + "Subject: x\r\n\r\nReceived: not a hop\r\n.\r\n";
  };
  fixture.say(client, envelope);
  CHECK(fixture.say(client, with_hops(49)).starts_with("250 "));
  fixture.say(client, envelope);
  CHECK(fixture.say(client, with_hops(50)).starts_with("554 5.4.6 "));
  // The same when the head has long gone ahead.
  fixture.say(client, envelope);
  std::string message = with_hops(50);
  message.insert(message.size() - 3, std::string(300 * 1024, 'x') + "\r\n");
  CHECK(fixture.say(client, message).starts_with("554 5.4.6 "));
  CHECK(fixture.spool.appends == 0);
  CHECK(fixture.spool.stored.size() == 1);
}

TEST_CASE("T-30 T-35 a stranger's mail is refused at RCPT: nothing is begun, stored or bounced") {
  IntakeFixture fixture;
  Script& stranger = fixture.connect("203.0.113.9");
  CHECK(fixture.say(stranger, hello + "MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n")
            .find("554 5.7.1 relaying") != std::string::npos);
  CHECK(fixture.say(stranger, "DATA\r\n").starts_with("554 5.5.1 "));
  CHECK(fixture.spool.stored.empty());
  CHECK(fixture.sink.messages.empty());
  CHECK(fixture.counters.refused == 2);
}

TEST_CASE("T-35 every refusal of ours leaves nothing in the spool that could bounce") {
  IntakeFixture fixture;
  fixture.options->limits.message_size = 1000;
  Script& client = fixture.connect();
  fixture.say(client, hello);
  fixture.say(client, envelope);
  CHECK(fixture.say(client, std::string(1500, 'x') + "\r\n.\r\n").starts_with("552 "));
  fixture.say(client, envelope);
  CHECK(fixture.say(client, std::string("\0\r\n.\r\n", 6)).starts_with("550 "));
  fixture.say(
      client,
      "MAIL FROM:<a@example.net>\r\nRCPT TO:<b%c@example.org>\r\nRCPT TO:<b@[192.0.2.1]>\r\nDATA\r\n");
  fixture.say(client, envelope);
  fixture.say(client, "x\n.\n");
  CHECK(fixture.spool.stored.empty());
  CHECK(fixture.sink.messages.empty());
}

TEST_CASE("T-61 T6 TLS-Required: No counts where the operator says so, and only whole and alone") {
  const struct {
    const char* name;
    bool honoured;
    const char* head;
    bool counts;
  } rows[] = {
      {"by default not", false, "TLS-Required: No\r\n\r\n", false},
      {"where it is honoured", true, "Subject: x\r\nTLS-Required: No\r\n\r\n", true},
      {"any case, folded", true, "tls-required:\r\n NO \r\n\r\n", true},
      {"no other value exists", true, "TLS-Required: Yes\r\n\r\n", false},
      {"nor one with more words", true, "TLS-Required: No way\r\n\r\n", false},
      {"twice is ignored", true, "TLS-Required: No\r\nTLS-Required: No\r\n\r\n", false},
      {"in the body it is text", true, "Subject: x\r\n\r\nTLS-Required: No\r\n", false},
      {"absent", true, "Subject: x\r\n\r\n", false},
      {"behind a line end that was mended", true, "Subject: x\nTLS-Required: No\r\n\r\n", false},
      {"nor before one", true, "TLS-Required: No\r\nSubject: x\n\r\n", false},
      {"the body may be mended", true, "TLS-Required: No\r\n\r\nx\ny\r\n", true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    IntakeFixture fixture;
    fixture.honour_tls_required = row.honoured;
    Script& client = fixture.connect();
    fixture.say(client, hello + envelope);
    fixture.say(client, std::string(row.head) + ".\r\n");
    REQUIRE(fixture.spool.stored.size() == 1);
    CHECK(fixture.spool.stored[0]->envelope.flags.tls_required_no == row.counts);
  }
}

TEST_CASE("T-61 a stranger's TLS-Required: No never counts") {
  IntakeFixture fixture;
  fixture.honour_tls_required = true;
  fixture.rules.postmaster = "ops@example.net";
  Script& client = fixture.connect("198.51.100.9");
  fixture.say(client, hello + "MAIL FROM:<a@example.com>\r\nRCPT TO:<postmaster>\r\nDATA\r\n");
  fixture.say(client, "TLS-Required: No\r\n\r\n.\r\n");
  REQUIRE(fixture.spool.stored.size() == 1);
  CHECK_FALSE(fixture.spool.stored[0]->envelope.flags.tls_required_no);
}
