// SPDX-License-Identifier: Apache-2.0
//
// What a client may not overdo: errors, idle commands, long lines, unread replies, time.
#include "server_dialogue.hpp"

using namespace sealpost;
using namespace sealpost::test;
using Ending = smtp::ServerSession::Ending;

TEST_CASE("T-06 few errors a session; a trusted client's refused recipients do not count") {
  SessionFixture fixture;
  std::string input(hello);
  for (int i = 0; i < 30; ++i) input += "XYZZY\r\n";
  const std::string heard = codes(fixture.talk(input));
  CHECK(heard.ends_with("500 500 421"));
  CHECK(std::count(heard.begin(), heard.end(), ' ') == 1 + 20 + 1);
  CHECK(*fixture.ending == Ending::abuse);

  std::string list = join({hello, mail});
  for (int i = 0; i < 50; ++i) list += "RCPT TO:<refused@example.org>\r\n";
  SessionFixture trusted;
  CHECK(codes(trusted.talk(list)).find("421") == std::string::npos);
  SessionFixture stranger;
  stranger.handler.trusts = false;
  CHECK(codes(stranger.talk(list)).ends_with("550 421"));
}

TEST_CASE("T-06 a stranger cannot pass the time with commands that do nothing") {
  std::string input(hello);
  for (int i = 0; i < 200; ++i) input += "NOOP\r\n";
  SessionFixture stranger;
  stranger.handler.trusts = false;
  CHECK(codes(stranger.talk(input)).ends_with("250 421"));
  SessionFixture trusted;
  CHECK(codes(trusted.talk(input)).ends_with("250 250"));
}

TEST_CASE("T-06 T-27 nobody is refused for ever: recipients over the limit, a trusted client's wrong ones") {
  std::string input = join({hello, mail});
  for (int i = 0; i < 300; ++i) input += "RCPT TO:<r" + std::to_string(i) + "@example.org>\r\n";
  SessionFixture stranger;
  stranger.handler.trusts = false;
  stranger.options->limits.recipients = 10;
  CHECK(codes(stranger.talk(input)).ends_with("452 421"));
  SessionFixture trusted;
  trusted.options->limits.recipients = 10;
  CHECK(codes(trusted.talk(input)).find("421") == std::string::npos);
  trusted.options->limits.refusals = 200;
  CHECK(codes(trusted.talk(input)).ends_with("452 421"));
}

TEST_CASE("T-06 T-27 while places are scarce a stranger may make one mistake") {
  SessionFixture fixture;
  fixture.handler.trusts = false;
  fixture.handler.stress = true;
  CHECK(codes(fixture.talk(join({hello, "XYZZY\r\n", "NOOP\r\n"}))) == "220 250 500 421");
}

TEST_CASE("T-21 command lines end in CRLF or the session does") {
  for (const std::string_view line :
       {"NOOP\n", "MAIL FROM:<a@example.net>\n", "NOOP\rNOOP\r\n", "NOOP\r\r\n", "\n"}) {
    CAPTURE(line);
    SessionFixture fixture;
    CHECK(after_hello(fixture, join({line, mail, rcpt, message})) == "550");
    CHECK(*fixture.ending == Ending::lost_step);
    CHECK(fixture.handler.begun == 0);
  }
}

TEST_CASE("T-25 a command line may have 2 KiB; a longer one ends the session and is not read on") {
  SessionFixture fixture;
  CHECK(after_hello(fixture, "NOOP " + std::string(2048 - 7, 'x') + "\r\nNOOP\r\n") == "250 250");
  SessionFixture too_long;
  CHECK(after_hello(too_long, "NOOP " + std::string(2048 - 6, 'x') + "\r\nNOOP\r\n") == "500");
  CHECK(*too_long.ending == Ending::lost_step);

  SessionFixture endless;  // 8 MiB and no line end
  endless.script.peer.port = 1;
  CHECK(codes(endless.talk(join({hello, std::string(8 << 20, 'x')}))) == "220 250 500");
  CHECK(endless.script.input.empty() == false);  // most of it was never read
}

TEST_CASE("T-28 a client that pipelines and never reads is not read on") {
  SessionFixture fixture;
  fixture.open();
  fixture.script.stalled = true;
  std::string flood;
  for (int i = 0; i < 100'000; ++i) flood += "NOOP\r\n";
  fixture.say(flood);
  CHECK(fixture.script.input.size() > 500'000);
  fixture.loop.advance(std::chrono::minutes(6));
  REQUIRE(fixture.ending);
  CHECK(*fixture.ending == Ending::timed_out);
}

TEST_CASE("M18 a silent client is kept for five minutes, then told (RFC 5321 §4.5.3.2.7)") {
  SessionFixture fixture;
  fixture.open();
  fixture.say(hello);
  fixture.loop.advance(std::chrono::seconds(299));
  CHECK(!fixture.ending);
  CHECK(codes(fixture.say("NOOP\r\n")) == "250");
  fixture.loop.advance(std::chrono::seconds(299));
  CHECK(!fixture.ending);
  fixture.loop.advance(std::chrono::seconds(2));
  REQUIRE(fixture.ending);
  CHECK(*fixture.ending == Ending::timed_out);
  CHECK(codes(fixture.script.take()) == "421");
}

TEST_CASE("T-26 a command that drips in has the same five minutes as one that does not come") {
  SessionFixture fixture;
  fixture.open();
  int minutes = 0;
  for (; minutes < 10 && !fixture.ending; ++minutes) {
    fixture.say("E");
    fixture.loop.advance(std::chrono::minutes(1));
  }
  CHECK(minutes == 5);
}

TEST_CASE("T-26 a transaction has a time of its own, whatever is said in it") {
  SessionFixture fixture;
  fixture.open();
  fixture.say(hello);
  fixture.say(mail);
  int minutes = 0;
  for (; minutes < 60 && !fixture.ending; ++minutes) {
    fixture.say(rcpt);
    fixture.loop.advance(std::chrono::minutes(1));
  }
  CHECK(minutes == 30);
  CHECK(*fixture.ending == Ending::timed_out);
}
