// SPDX-License-Identifier: Apache-2.0
//
// DATA as a session handles it: smuggling, sizes, pace, and what a refusal leaves behind.
#include <doctest.h>

#include "server_fixture.hpp"
#include "smtp/dot_stuffing.hpp"

using namespace sealpost;
using namespace sealpost::test;
using Ending = smtp::ServerSession::Ending;

namespace {

const std::string opening =
    "EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
const std::string smuggled =
    "MAIL FROM:<ceo@example.net>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nsmuggled\r\n.\r\n";

// Every string of up to five octets that servers have disagreed about.
std::vector<std::string> middles() {
  constexpr std::string_view alphabet("\r\n.\0a", 5);
  std::vector<std::string> all{""};
  for (std::size_t from = 0, length = 0; length < 5; ++length) {
    const std::size_t to = all.size();
    for (; from < to; ++from)
      for (const char c : alphabet) all.push_back(all[from] + c);
  }
  return all;
}

// Sent on, the laxest of servers, to whom a CR is a line end as an LF is, finds one end in it (T-22).
bool ends_once(const std::string& body) {
  smtp::DotStuffer stuffer;
  std::string wire;
  stuffer.append(body, wire);
  wire += stuffer.finish();
  std::size_t ends = 0;
  std::string line;
  for (const char c : wire) {
    if (c != '\r' && c != '\n') {
      line += c;
      continue;
    }
    if (line == ".") ++ends;
    line.clear();
  }
  return ends == 1 && ("\r\n" + wire).ends_with("\r\n.\r\n");
}

// `around` puts each between a beginning and a smuggled message and says what a client sends; and whether it has an end
// there that is the client's own.
template <class Around>
void try_smuggling(smtp::BareNewline bare, bool trusted, Around around) {
  for (const std::string& middle : middles()) {
    for (const std::string_view before : {"", "text", "text\r\n"}) {
      const auto [said, ended] = around(std::string(before) + middle);
      SessionFixture fixture;
      fixture.options->bare_newline = bare;
      fixture.handler.trusts = trusted;
      fixture.talk(said, 1 + middle.size() * 3);
      const std::size_t count = fixture.handler.received.size();
      CAPTURE(middle);
      CAPTURE(before);
      REQUIRE(count <= (ended ? 2U : 1U));
      if (count > 0) REQUIRE(fixture.handler.received[0].envelope.reverse_path == "a@example.net");
      for (const Received& message : fixture.handler.received) REQUIRE(ends_once(message.body));
      REQUIRE(fixture.handler.begun == fixture.handler.dropped + count);
    }
  }
}

}  // namespace

TEST_CASE("T-21 SMTP-01 around a smuggled MAIL in DATA: one message or none, never two") {
  std::size_t two = 0;
  const auto around = [&](const std::string& data) {
    // Behind the one true end, and only there, a second message is the client's own.
    const bool ended = ("\r\n" + data).find("\r\n.\r\n") != std::string::npos;
    if (ended) ++two;
    return std::pair(opening + data + smuggled + "QUIT\r\n", ended);
  };
  SUBCASE("bare LF refused") { try_smuggling(smtp::BareNewline::reject, true, around); }
  SUBCASE("bare LF normalized") { try_smuggling(smtp::BareNewline::normalize, true, around); }
  SUBCASE("a stranger's is never normalized") { try_smuggling(smtp::BareNewline::normalize, false, around); }
  CHECK(two > 0);
}

TEST_CASE("T-21 SMTP-01 around a smuggled MAIL in BDAT: one message or none, never two") {
  const std::string mail =
      "EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n";
  const auto chunk = [](const std::string& octets, std::string_view last) {
    return "BDAT " + std::to_string(octets.size()) + std::string(last) + "\r\n" + octets;
  };
  const auto whole = [&](const std::string& data) {
    return std::pair(mail + chunk(data + smuggled, " LAST") + "QUIT\r\n", false);
  };
  const auto two_chunks = [&](const std::string& data) {
    return std::pair(mail + chunk(data, "") + chunk(smuggled, " LAST") + "QUIT\r\n", false);
  };
  for (const auto bare : {smtp::BareNewline::reject, smtp::BareNewline::normalize}) {
    try_smuggling(bare, true, whole);
    try_smuggling(bare, true, two_chunks);
  }
  try_smuggling(smtp::BareNewline::normalize, false, whole);
}

TEST_CASE(
    "T-21 a bare CR in the data is refused and the connection closed, a bare LF where it is not normalized") {
  const auto try_end = [](std::string_view end, smtp::BareNewline bare, bool trusted) {
    CAPTURE(end);
    SessionFixture fixture;
    fixture.options->bare_newline = bare;
    fixture.handler.trusts = trusted;
    const std::string heard = fixture.talk(opening + "text" + std::string(end) + smuggled);
    CHECK(codes(heard) == "220 250 250 250 354 550");
    CHECK(heard.find("550 5.5.2 ") != std::string::npos);
    CHECK(*fixture.ending == Ending::lost_step);
    CHECK(fixture.handler.received.empty());
    CHECK(fixture.handler.dropped == 1);
  };
  for (const std::string_view end : {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n"}) {
    try_end(end, smtp::BareNewline::reject, true);
    try_end(end, smtp::BareNewline::normalize, false);
  }
  for (const std::string_view end : {"\r.\r", "\r\n.\r", "\r.\r\n", "\r\r\n", "\n\r\n.\r"})
    try_end(end, smtp::BareNewline::normalize, true);
}

TEST_CASE("SMTP-01 bare LF of a client that may relay becomes CRLF, and only CRLF . CRLF is the end") {
  SessionFixture fixture;  // smtplib: lines end in LF, their dots are doubled, CRLF . CRLF is put behind
  CHECK(codes(fixture.talk(opening + "Subject: x\n\n..dot\n.\nafter\n\r\n.\r\nQUIT\r\n", 5)) ==
        "220 250 250 250 354 250 221");
  REQUIRE(fixture.handler.received.size() == 1);
  CHECK(fixture.handler.received[0].body == "Subject: x\r\n\r\n.dot\r\n\r\nafter\r\n\r\n");
}

TEST_CASE("SMTP-02 dots, long lines and 8-bit octets arrive as they were meant") {
  SessionFixture fixture;
  const std::string text =
      "Subject: \xc3\xa9\r\n\r\n.dot\r\n" + std::string(998, 'x') + "\r\n" + std::string(5000, 'y') + "\r\n";
  std::string stuffed = text;
  stuffed.insert(stuffed.find("\r\n.dot") + 2, ".");
  CHECK(codes(fixture.talk(opening + stuffed + ".\r\nQUIT\r\n", 11)) == "220 250 250 250 354 250 221");
  REQUIRE(fixture.handler.received.size() == 1);
  CHECK(fixture.handler.received[0].body == text);
  CHECK(fixture.handler.received[0].eight_bit);
}

TEST_CASE("SMTP-02 a line of more than 998 octets and an 8-bit header are refused from strangers only") {
  const std::string long_line = std::string(999, 'y') + "\r\n", fitting = std::string(998, 'y') + "\r\n";
  const struct {
    std::string text;
    std::string_view stranger;
  } rows[] = {
      {"Subject: x\r\n\r\n" + fitting, "250"},      {"Subject: x\r\n\r\n" + long_line, "550"},
      {"Subject: caf\xc3\xa9\r\n\r\nx\r\n", "550"}, {"Subject: caf\xe9\r\n", "550"},
      {"Subject: x\r\n\r\ncaf\xc3\xa9\r\n", "250"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    SessionFixture stranger;
    stranger.handler.trusts = false;
    const std::string heard = stranger.talk(opening + row.text + ".\r\nNOOP\r\n", 100);
    CHECK(codes(heard) == "220 250 250 250 354 " + std::string(row.stranger) + " 250");
    if (row.stranger == "550") CHECK(heard.find("550 5.6.0 ") != std::string::npos);
    SessionFixture trusted;
    CHECK(codes(trusted.talk(opening + row.text + ".\r\nNOOP\r\n", 100)) == "220 250 250 250 354 250 250");
    CHECK(trusted.handler.received[0].body == row.text);
  }
}

TEST_CASE("a message with a NUL octet is refused, and the session goes on") {
  SessionFixture fixture;
  CHECK(codes(fixture.talk(opening + std::string("a\0b\r\n.\r\nNOOP\r\n", 14))) ==
        "220 250 250 250 354 550 250");
  CHECK(fixture.handler.received.empty());
  CHECK(fixture.handler.dropped == 1);
}

TEST_CASE("T-29 the real size counts, whatever SIZE said") {
  SessionFixture fixture;
  fixture.options->limits.message_size = 10'000;
  const std::string mail =
      "EHLO c\r\nMAIL FROM:<a@example.net> SIZE=1\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
  SUBCASE("at the limit") {
    CHECK(codes(fixture.talk(mail + std::string(9998, 'x') + "\r\n.\r\n")) == "220 250 250 250 354 250");
  }
  SUBCASE("dot-stuffing and the final dot do not count (RFC 1870 §5)") {
    CHECK(codes(fixture.talk(mail + "." + std::string(9997, '.') + "x\r\n.\r\n")) ==
          "220 250 250 250 354 250");
  }
  SUBCASE("one octet over: told at the end, and the session goes on") {
    CHECK(codes(fixture.talk(mail + std::string(9999, 'x') + "\r\n.\r\nNOOP\r\n", 700)) ==
          "220 250 250 250 354 552 250");
    CHECK(fixture.handler.received.empty());
    CHECK(fixture.handler.dropped == 1);
  }
  SUBCASE("far over: not read to its end") {
    std::string flood;
    for (int i = 0; i < 400'000; ++i) flood += "0123456789012345678901234567890123456789\r\n";
    CHECK(codes(fixture.talk(mail + flood)) == "220 250 250 250 354 552");
    CHECK(*fixture.ending == Ending::abuse);
    CHECK(!fixture.script.input.empty());
  }
}

TEST_CASE("T-24 whatever fails after DATA leaves the session without a transaction") {
  const std::string rest = "x\r\n.\r\nRCPT TO:<c@example.org>\r\nDATA\r\nMAIL FROM:<d@example.net>\r\n";
  SessionFixture stored_badly;
  stored_badly.handler.store_error = smtp::ServerReply{451, "4.3.0", "disk"};
  CHECK(codes(stored_badly.talk(opening + rest)) == "220 250 250 250 354 451 503 503 250");
  SessionFixture not_begun;
  not_begun.handler.begin_error = smtp::ServerReply{451, "4.3.0", "no"};
  CHECK(codes(not_begun.talk(opening + "RCPT TO:<c@example.org>\r\nMAIL FROM:<d@example.net>\r\n")) ==
        "220 250 250 250 451 503 250");
  SessionFixture settled_badly;
  settled_badly.handler.part = 10;
  settled_badly.handler.settle_error = smtp::ServerReply{452, "4.3.1", "no room"};
  CHECK(codes(settled_badly.talk(opening + std::string(5000, 'y') + rest, 100)) ==
        "220 250 250 250 354 452 503 503 250");
  CHECK(settled_badly.handler.dropped == 1);
}

TEST_CASE("a long body goes on in parts, in order") {
  SessionFixture fixture;
  fixture.handler.part = 3000;
  std::string body;
  for (int i = 0; i < 5000; ++i) body += std::to_string(i) + "\r\n";
  CHECK(codes(fixture.talk(opening + body + ".\r\n")) == "220 250 250 250 354 250");
  REQUIRE(fixture.handler.received.size() == 1);
  CHECK(fixture.handler.received[0].body == body);
}

TEST_CASE("D-01 no 250 before the message is kept, and nothing is read meanwhile") {
  SessionFixture fixture;
  event::Signal kept(fixture.loop);
  fixture.handler.hold = &kept;
  fixture.open();
  CHECK(codes(fixture.say(opening)) == "250 250 250 354");
  CHECK(fixture.say("x\r\n.\r\nNOOP\r\n").empty());
  fixture.loop.advance(std::chrono::seconds(30));
  CHECK(fixture.script.take().empty());
  CHECK(fixture.handler.received.empty());
  kept.notify();
  fixture.loop.settle();
  CHECK(codes(fixture.script.take()) == "250 250");
  CHECK(fixture.handler.received.size() == 1);
}

TEST_CASE("D-09 a client that hangs up before its 250 has still given its message") {
  SessionFixture fixture;
  event::Signal kept(fixture.loop);
  fixture.handler.hold = &kept;
  fixture.open();
  fixture.say(opening + "x\r\n.\r\n");
  fixture.script.hang_up();
  fixture.loop.settle();
  kept.notify();
  fixture.loop.settle();
  CHECK(fixture.handler.received.size() == 1);
  CHECK(*fixture.ending == Ending::closed);
}

TEST_CASE("T-26 silence in the data ends it after five minutes") {
  SessionFixture fixture;
  fixture.open();
  fixture.say(opening);
  fixture.loop.advance(std::chrono::seconds(299));
  CHECK(!fixture.ending);
  fixture.loop.advance(std::chrono::seconds(2));
  REQUIRE(fixture.ending);
  CHECK(*fixture.ending == Ending::timed_out);
  CHECK(codes(fixture.script.take()) == "421");
  CHECK(fixture.handler.dropped == 1);
}

TEST_CASE("T-26 data that drips ends it; data that only comes slowly does not") {
  SessionFixture dripping;
  dripping.open();
  dripping.say(opening);
  int seconds = 0;
  for (; seconds < 3600 && !dripping.ending; seconds += 10) {
    dripping.say("x");
    dripping.loop.advance(std::chrono::seconds(10));
  }
  CHECK(seconds <= 140);  // two minutes of grace
  SessionFixture slow;
  slow.open();
  slow.say(opening);
  for (seconds = 0; seconds < 3600 && !slow.ending; seconds += 10) {
    slow.say(std::string(6000, 'x') + "\r\n");
    slow.loop.advance(std::chrono::seconds(10));
  }
  CHECK(!slow.ending);
}

namespace {

// Sends `octets` a second until the session has ended or a day has passed; how long that took.
std::chrono::seconds drip(SessionFixture& fixture, std::size_t octets) {
  fixture.options->limits.message_size = 50U << 20;
  fixture.open();
  fixture.say(opening);
  std::chrono::seconds spent{0};
  const std::string piece = std::string(octets * 10 - 2, 'x') + "\r\n";
  while (!fixture.ending && spent < std::chrono::hours(24)) {
    fixture.say(piece);
    fixture.loop.advance(std::chrono::seconds(10));
    spent += std::chrono::seconds(10);
  }
  return spent;
}

}  // namespace

TEST_CASE("T-26 data at just the lowest rate has an end: hours for who may relay, minutes for a stranger") {
  SessionFixture trusted;
  CHECK(drip(trusted, 520) <= std::chrono::hours(2));
  CHECK(*trusted.ending == Ending::timed_out);
  CHECK(codes(trusted.script.take()) == "421");
  SessionFixture stranger;
  stranger.handler.trusts = false;
  CHECK(drip(stranger, 520) <= std::chrono::minutes(2));
  SessionFixture quicker;
  quicker.handler.trusts = false;
  CHECK(drip(quicker, 4200) <= std::chrono::minutes(16));
  SessionFixture scarce;
  scarce.handler.trusts = false;
  scarce.handler.stress = true;
  CHECK(drip(scarce, 4200) <= std::chrono::minutes(2));
}

TEST_CASE("T-26 a session's time counts within the data, too") {
  SessionFixture fixture;
  fixture.options->limits.session = std::chrono::minutes(30);
  CHECK(drip(fixture, 5000) <= std::chrono::minutes(30));
  CHECK(*fixture.ending == Ending::timed_out);
  CHECK(fixture.handler.dropped == 1);
}

TEST_CASE("T-26 places get scarce while data drips in: the stricter limits hold from then on") {
  SessionFixture fixture;
  fixture.handler.trusts = false;
  fixture.open();
  fixture.say(opening);
  for (int i = 0; i < 5; ++i) {
    fixture.say("x");
    fixture.loop.advance(std::chrono::seconds(5));
  }
  CHECK(!fixture.ending);
  fixture.handler.stress = true;
  fixture.session->limits_changed();
  fixture.loop.settle();
  REQUIRE(fixture.ending);
  CHECK(*fixture.ending == Ending::timed_out);
}

TEST_CASE("T-27 shed: 421 in the middle of data, and nothing is kept of it") {
  SessionFixture fixture;
  fixture.handler.trusts = false;
  fixture.open();
  fixture.say(opening);
  fixture.say("half a message\r\n");
  REQUIRE(fixture.session->can_be_shed());
  fixture.session->shed();
  CHECK_FALSE(fixture.session->can_be_shed());
  fixture.loop.settle();
  CHECK(codes(fixture.script.take()) == "421");
  CHECK(*fixture.ending == Ending::shed);
  CHECK(fixture.handler.dropped == 1);
}
