// SPDX-License-Identifier: Apache-2.0
//
// BDAT as a session handles it (RFC 3030): chunks, what ends them, sizes before they are read, pace. Smuggling is in
// server_data_test.cpp, the order of commands in server_state_test.cpp.
#include <doctest.h>

#include "server_fixture.hpp"

using namespace sealpost;
using namespace sealpost::test;
using Ending = smtp::ServerSession::Ending;

namespace {

const std::string chunk_opening =
    "EHLO client.example.net\r\nMAIL FROM:<a@example.net> BODY=8BITMIME\r\nRCPT TO:<b@example.org>\r\n";

std::string chunk(std::string_view octets, std::string_view last = "") {
  return "BDAT " + std::to_string(octets.size()) + std::string(last) + "\r\n" + std::string(octets);
}

std::string after_opening(SessionFixture& fixture, const std::string& input, std::size_t slice = SIZE_MAX) {
  const std::string replies = codes(fixture.talk(chunk_opening + input, slice));
  REQUIRE(replies.starts_with("220 250 250 250"));
  return replies.size() > 16 ? replies.substr(16) : "";
}

}  // namespace

TEST_CASE("X3 X4 CHUNKING is offered, BINARYMIME to who may relay") {
  for (const bool trusted : {true, false}) {
    SessionFixture fixture;
    fixture.handler.trusts = trusted;
    const std::string heard = fixture.talk("EHLO c\r\nMAIL FROM:<a@example.net> BODY=BINARYMIME\r\n");
    CHECK(heard.find("250-CHUNKING\r\n") != std::string::npos);
    CHECK((heard.find("250-BINARYMIME\r\n") != std::string::npos) == trusted);
    CHECK(codes(heard) == (trusted ? "220 250 250" : "220 250 501"));
  }
}

TEST_CASE("X4 of binary mail the header is lines, and what follows is octets (RFC 3030 §3)") {
  const std::string envelope =
      "EHLO c\r\nMAIL FROM:<a@example.net> BODY=BINARYMIME\r\nRCPT TO:<b@example.org>\r\n";
  const std::string octets("Subject: x\r\n\r\n\0\n\r.\r\n.\r\n" + std::string(2000, '\0') + "\xff\r");
  for (std::size_t cut = 0; cut < 40; ++cut) {
    SessionFixture fixture;
    fixture.handler.trusts = true;
    REQUIRE(codes(fixture.talk(envelope + chunk(octets.substr(0, cut)) + chunk(octets.substr(cut), " LAST"),
                               7)) == "220 250 250 250 250 250");
    REQUIRE(fixture.handler.received.size() == 1);
    REQUIRE(fixture.handler.received[0].body == octets);
  }
  for (const std::string& header :
       {std::string("Sub\0ject: x\r\n\r\nx", 17), std::string("Subject: x\rFrom: y\r\n\r\nx")}) {
    SessionFixture fixture;
    fixture.handler.trusts = true;
    CHECK(codes(fixture.talk(envelope + chunk(header, " LAST"))) == "220 250 250 250 550");
  }
  SessionFixture fixture;
  fixture.handler.trusts = true;
  CHECK(codes(fixture.talk(envelope + "DATA\r\nNOOP\r\n")) == "220 250 250 250 503 250");
  CHECK(fixture.handler.received.empty());
}

TEST_CASE("X3 a message in chunks, in slices of every size, word for word") {
  const std::string input = chunk("Subject: x\r\n\r") + chunk("") + chunk("\n.\r\n..\r\nQUIT\r\n") +
                            chunk("caf\xc3\xa9", " LAST") + "QUIT\r\n";
  for (std::size_t slice = 1; slice < input.size(); ++slice) {
    SessionFixture fixture;
    REQUIRE(after_opening(fixture, input, slice) == "250 250 250 250 221");
    REQUIRE(fixture.handler.received.size() == 1);
    // Dots are what they are; the last line gets the end that DATA would have given it.
    REQUIRE(fixture.handler.received[0].body == "Subject: x\r\n\r\n.\r\n..\r\nQUIT\r\ncaf\xc3\xa9\r\n");
    REQUIRE(fixture.handler.received[0].eight_bit);
  }
}

TEST_CASE("X3 one chunk, LAST with nothing, and the next message behind it") {
  SessionFixture fixture;
  const std::string again = "MAIL FROM:<c@example.net>\r\nRCPT TO:<d@example.org>\r\n";
  CHECK(after_opening(fixture, chunk("one\r\n", " LAST") + again + chunk("two\r\n") + chunk("", " last") +
                                   again + chunk("", " LAST") + again + "DATA\r\nfour\r\n.\r\n") ==
        "250 250 250 250 250 250 250 250 250 250 354 250");
  REQUIRE(fixture.handler.received.size() == 4);
  CHECK(fixture.handler.received[0].body == "one\r\n");
  CHECK(fixture.handler.received[1].body == "two\r\n");
  CHECK(fixture.handler.received[2].body.empty());
  CHECK(fixture.handler.received[3].body == "four\r\n");
}

TEST_CASE("X3 RFC 2920 replies go out when the input is empty, in the middle of a chunk too") {
  SessionFixture fixture;
  fixture.open();
  CHECK(codes(fixture.say(chunk_opening + "BDAT 10\r\n")) == "250 250 250");
  CHECK(fixture.say("12345").empty());
  CHECK(codes(fixture.say("678\r\n" + chunk("", " LAST"))) == "250 250");
}

TEST_CASE("X3 a refused chunk is read to its end, and those behind it; they hear the same, up to the last") {
  SUBCASE("no recipient was accepted") {
    SessionFixture fixture;
    CHECK(codes(fixture.talk("EHLO c\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<refused@example.org>\r\n" +
                             chunk("QUIT\r\n") + chunk("QUIT\r\n", " LAST") + "NOOP\r\n")) ==
          "220 250 250 550 554 554 250");
    CHECK(fixture.handler.begun == 0);
  }
  SUBCASE("before EHLO, after HELO, without MAIL") {
    SessionFixture fixture;
    CHECK(codes(fixture.talk(chunk("QUIT\r\n", " LAST") + "HELO c\r\n" + chunk("QUIT\r\n", " LAST") +
                             "MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n" +
                             chunk("QUIT\r\n", " LAST") + "NOOP\r\n")) == "220 503 250 503 250 250 503 250");
    CHECK(fixture.handler.begun == 0);
  }
  SUBCASE("the store refuses to begin") {
    SessionFixture fixture;
    fixture.handler.begin_error = smtp::ServerReply{451, "4.3.0", "no"};
    CHECK(after_opening(fixture, chunk("QUIT\r\n") + chunk("QUIT\r\n", " LAST") + "NOOP\r\n") ==
          "451 451 250");
  }
  SUBCASE("the store refuses on the way, and at the end") {
    SessionFixture fixture;
    fixture.handler.part = 10;
    fixture.handler.settle_error = smtp::ServerReply{452, "4.3.1", "no room"};
    CHECK(after_opening(fixture, chunk(std::string(5000, 'y')) + chunk("QUIT\r\n", " LAST") + "NOOP\r\n",
                        100) == "452 452 250");
    CHECK(fixture.handler.dropped == 1);
    SessionFixture late;
    late.handler.store_error = smtp::ServerReply{451, "4.3.0", "disk"};
    CHECK(after_opening(late, chunk("x\r\n") + chunk("y\r\n", " LAST") + "RCPT TO:<b@example.org>\r\n") ==
          "250 451 503");
    CHECK(late.handler.dropped == 1);
  }
}

TEST_CASE("X3 what the content of DATA must be, that of chunks must be") {
  const struct {
    std::string_view octets;
    smtp::BareNewline bare;
    bool trusted;
    std::string_view said;
  } rows[] = {
      {std::string_view("a\0b\r\n", 5), smtp::BareNewline::normalize, true, "550 250"},
      {"a\nb\r\n", smtp::BareNewline::reject, true, "550 250"},
      {"a\nb\r\n", smtp::BareNewline::normalize, true, "250 250"},
      {"a\nb\r\n", smtp::BareNewline::normalize, false, "550 250"},
      {"a\rb\r\n", smtp::BareNewline::normalize, true, "550 250"},
      {"ab\r", smtp::BareNewline::normalize, true, "550 250"},
      {"Subject: \xc3\xa9\r\n\r\n", smtp::BareNewline::normalize, false, "550 250"},
      {"Subject: \xc3\xa9\r\n\r\n", smtp::BareNewline::normalize, true, "250 250"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.octets);
    SessionFixture fixture;
    fixture.options->bare_newline = row.bare;
    fixture.handler.trusts = row.trusted;
    CHECK(after_opening(fixture, chunk(row.octets, " LAST") + "NOOP\r\n") == row.said);
    CHECK(fixture.handler.begun == 1);
    CHECK(fixture.handler.dropped == (row.said.starts_with("550") ? 1 : 0));
  }
  SessionFixture split;  // a CR that ends a chunk has its LF in the next
  CHECK(after_opening(split, chunk("a\r") + chunk("\nb", " LAST")) == "250 250");
  CHECK(split.handler.received[0].body == "a\r\nb\r\n");
}

TEST_CASE("T-29 the size of a chunk counts before it is read, and all of them together") {
  SessionFixture fixture;
  fixture.options->limits.message_size = 10'000;
  SUBCASE("at the limit, in two") {
    CHECK(after_opening(fixture, chunk(std::string(4998, 'x') + "\r\n") +
                                     chunk(std::string(4998, 'x') + "\r\n", " LAST")) == "250 250");
  }
  SUBCASE("one octet over: the chunk is swallowed and the session goes on") {
    CHECK(after_opening(fixture, chunk(std::string(4998, 'x') + "\r\n") +
                                     chunk(std::string(4999, 'x') + "\r\n", " LAST") + "NOOP\r\n") ==
          "250 552 250");
    CHECK(fixture.handler.dropped == 1);
  }
  SUBCASE("over by the line end that is added") {
    CHECK(after_opening(fixture, chunk(std::string(9999, 'x'), " LAST") + "NOOP\r\n") == "552 250");
    CHECK(fixture.handler.dropped == 1);
  }
  SUBCASE("over by what normalizing adds") {
    CHECK(after_opening(fixture, chunk(std::string(6000, '\n'), " LAST") + "NOOP\r\n") == "552 250");
  }
  SUBCASE("more than twice a message is not read") {
    for (const std::string_view size :
         {"20001", "4294967296", "9223372036854775808", "18446744073709551615", "99999999999999999999"}) {
      CAPTURE(size);
      SessionFixture huge;
      huge.options->limits.message_size = 10'000;
      CHECK(after_opening(huge, "BDAT " + std::string(size) + "\r\n" + std::string(100'000, 'x')) == "552");
      CHECK(*huge.ending == Ending::abuse);
      CHECK(huge.handler.dropped == 1);
    }
  }
  SUBCASE("once as much as a message may have is read, so that its sender hears why") {
    SessionFixture over;
    over.options->limits.message_size = 10'000;
    CHECK(after_opening(over, chunk(std::string(20'000, 'x'), " LAST") + "NOOP\r\n", 700) == "552 250");
  }
  SUBCASE("what is swallowed has an end, too") {
    std::string flood, said = "220 250";
    for (int i = 0; i < 18; ++i) flood += chunk(std::string(4000, 'x'));
    for (int i = 0; i < 17; ++i) said += " 503";  // 64 KiB of who sends them without a transaction
    SessionFixture swallowing;
    CHECK(codes(swallowing.talk("EHLO c\r\n" + flood)) == said);
    CHECK(*swallowing.ending == Ending::abuse);
    SessionFixture stressed;
    stressed.handler.trusts = false;
    stressed.handler.stress = true;
    CHECK(codes(stressed.talk(chunk("QUIT\r\n"))) == "220 503");
    CHECK(*stressed.ending == Ending::abuse);
  }
  SUBCASE("MAIL begins a new count, and many pipelined chunks behind a failed one are no errors") {
    SessionFixture again;
    again.options->limits.message_size = 10'000;
    again.options->limits.errors = 5;
    again.handler.begin_error = smtp::ServerReply{452, "4.3.1", "no"};
    std::string chunks, said;
    for (int i = 0; i < 50; ++i) {
      chunks += chunk(std::string(300, 'x'), i == 49 ? " LAST" : "");
      said += "452 ";
    }
    const std::string envelope = "MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n";
    CHECK(after_opening(again, chunks + envelope + chunks + "NOOP\r\n") == said + "250 250 " + said + "250");
  }
}

TEST_CASE("T-29 a million chunks of one octet are cut short") {
  SessionFixture fixture;
  fixture.options->limits.idle_commands = 1000;
  std::string octets;
  for (int i = 0; i < 999; ++i) octets += "BDAT 1\r\nx";  // and EHLO
  const std::string end = chunk("", " LAST");
  CHECK(after_opening(fixture, octets + end).ends_with("250 250"));
  REQUIRE(fixture.handler.received.size() == 1);
  CHECK(fixture.handler.received[0].body == std::string(999, 'x') + "\r\n");
  SessionFixture more;
  more.options->limits.idle_commands = 1000;
  CHECK(after_opening(more, octets + "BDAT 0\r\n" + end).ends_with("250 421"));
  CHECK(*more.ending == Ending::abuse);
  CHECK(more.handler.dropped == 1);
}

TEST_CASE(
    "X3 a chunk without a size that can be read ends the session: nobody knows where the next command is") {
  for (const std::string_view argument : {"", " ", " LAST", " -1", " 1x", " 0x10", " 1 2", " 1 LAST LAST",
                                          " 1,LAST", " 1 FIRST", " 123456789012345678901", " 1\tLAST"}) {
    CAPTURE(argument);
    SessionFixture fixture;
    CHECK(after_opening(fixture, "BDAT" + std::string(argument) + "\r\nNOOP\r\n") == "501");
    CHECK(*fixture.ending == Ending::lost_step);
    CHECK(fixture.handler.begun == 0);
  }
}

TEST_CASE("T-21 what nearly says BDAT ends the session: octets of a chunk are never commands") {
  for (const std::string_view line : {"BDAT60 LAST", "BDAT:60", "BDAT\v60 LAST", "\vBDAT 60 LAST", "BDATA",
                                      "bdat\f1", "BDAT\t60 LAST", " BDAT 60 LAST"}) {
    for (const bool trusted : {false, true}) {
      CAPTURE(line);
      SessionFixture fixture;
      fixture.handler.trusts = trusted;
      const std::string smuggled = "MAIL FROM:<x@y.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx\r\n.\r\n";
      const std::string heard = after_opening(fixture, std::string(line) + "\r\n" + smuggled);
      const bool understood = trusted && (line.starts_with(' ') || line.find('\t') != line.npos);
      CHECK(heard == (understood ? "250 500" : "501"));
      if (!understood) CHECK(*fixture.ending == Ending::lost_step);
      CHECK(fixture.handler.begun == (understood ? 1 : 0));
    }
  }
}

TEST_CASE("T-26 silence and dripping between chunks, and within one") {
  SessionFixture silent;
  silent.open();
  silent.say(chunk_opening + chunk("x\r\n"));
  silent.loop.advance(std::chrono::seconds(301));
  CHECK(*silent.ending == Ending::timed_out);
  CHECK(silent.handler.dropped == 1);
  SessionFixture within;
  within.open();
  within.say(chunk_opening + "BDAT 100\r\nx");
  within.loop.advance(std::chrono::seconds(301));
  CHECK(*within.ending == Ending::timed_out);
  SessionFixture dripping;
  dripping.open();
  dripping.say(chunk_opening);
  int seconds = 0;
  for (; seconds < 3600 && !dripping.ending; seconds += 10) {
    dripping.say(chunk("x"));
    dripping.loop.advance(std::chrono::seconds(10));
  }
  CHECK(seconds <= 140);  // two minutes of grace
  SessionFixture slow;
  slow.options->limits.transaction = std::chrono::minutes(30);
  slow.open();
  slow.say(chunk_opening);
  for (seconds = 0; seconds < 3600 && !slow.ending; seconds += 10) {
    slow.say(chunk(std::string(6000, 'x') + "\r\n"));
    slow.loop.advance(std::chrono::seconds(10));
  }
  CHECK(!slow.ending);
  for (; seconds < 24 * 3600 && !slow.ending; seconds += 10) {
    slow.say(chunk(std::string(6000, 'x') + "\r\n"));
    slow.loop.advance(std::chrono::seconds(10));
  }
  CHECK(seconds <= 2 * 3600 + 10);  // as for DATA
  CHECK(*slow.ending == Ending::timed_out);
}

TEST_CASE(
    "D-28 a relay that ends waits for the last chunk; RSET and a client that hangs up drop the message") {
  SessionFixture draining;
  draining.open();
  draining.say(chunk_opening + chunk("x\r\n"));
  draining.session->drain();
  draining.loop.settle();
  CHECK(!draining.ending);
  CHECK(codes(draining.say(chunk("", " LAST"))) == "250 421");
  CHECK(draining.handler.received.size() == 1);
  SessionFixture reset;
  CHECK(after_opening(reset, chunk("x\r\n") + "RSET\r\n" + chunk("y\r\n", " LAST")) == "250 250 503");
  CHECK(reset.handler.dropped == 1);
  SessionFixture lost;
  CHECK(after_opening(lost, chunk("x\r\n") + "BDAT 100 LAST\r\nhalf") == "250");
  CHECK(*lost.ending == Ending::closed);
  CHECK(lost.handler.received.empty());
  CHECK(lost.handler.dropped == 1);
}
