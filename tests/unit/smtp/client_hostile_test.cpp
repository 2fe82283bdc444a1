// SPDX-License-Identifier: Apache-2.0
//
// Peers that mean no good, in virtual time: T-34 (every kind of answer at every step ends in one defined outcome),
// T-25 (endless lines and replies), T-26 (tarpits), SMTP-06 (every limit runs by itself).
#include <doctest.h>

#include <functional>
#include <random>

#include "scripted_peer.hpp"

using namespace sealpost;
using namespace sealpost::smtp;
using namespace sealpost::test;

namespace {

// What an answer amounts to, whatever the step.
enum class Kind { positive, intermediate, transient, permanent, closing, nonsense, too_long, gone, silence };

struct Answer {
  std::string name;
  Say say;
  Kind kind;
};

std::vector<Answer> answers() {
  using K = Kind;
  const std::string nul("250 a\0b\r\n", 9);
  std::vector<Answer> all{
      {"plain", "250 ok\r\n", K::positive},
      {"bare code", "250\r\n", K::positive},
      {"code and blank", "250 \r\n", K::positive},
      {"bare LF", "250 ok\n", K::positive},
      {"unknown 2yz", "299 fine\r\n", K::positive},
      {"220", "220 x\r\n", K::positive},
      {"lines", "250-a\r\n250-b\r\n250 c\r\n", K::positive},
      {"100 lines",
       [] {
         std::string s;
         for (int i = 0; i < 99; ++i) s += "250-x\r\n";
         return s + "250 x\r\n";
       }(),
       K::positive},
      {"NUL", nul, K::positive},
      {"controls", "250 \x1b[2J\x07\x7f\xff\r\n", K::positive},
      {"bare CR inside", "250 a\rb\r\n", K::positive},
      {"long line", "250 " + std::string(4000, 'x') + "\r\n", K::positive},
      {"like another code", "250 550 5.1.1 no\r\n", K::positive},
      {"354", "354 go\r\n", K::intermediate},
      {"unknown 3yz", "399 go\r\n", K::intermediate},
      {"451", "451 4.3.0 later\r\n", K::transient},
      {"unknown 4yz", "499 later\r\n", K::transient},
      {"450 bare", "450\r\n", K::transient},
      {"550", "550 5.1.1 no\r\n", K::permanent},
      {"571", "571 no\r\n", K::permanent},
      {"lines 5yz", "554-a\r\n554-5.7.1 b\r\n554 c\r\n", K::permanent},
      {"class differs", "550 2.0.0 fine\r\n", K::permanent},
      {"421", "421 4.3.2 closing\r\n", K::closing},
      {"421 and gone", {"421 closing\r\n", Say::hang_up}, K::closing},
      {"421 in lines", "421-a\r\n421 b\r\n", K::closing},
      {"000", "000 x\r\n", K::nonsense},
      {"199", "199 x\r\n", K::nonsense},
      {"999", "999 x\r\n", K::nonsense},
      {"600", "600 x\r\n", K::nonsense},
      {"four digits", "2500 x\r\n", K::nonsense},
      {"no separator", "250ok\r\n", K::nonsense},
      {"blank first", " 250 ok\r\n", K::nonsense},
      {"negative", "-250 ok\r\n", K::nonsense},
      {"empty line", "\r\n", K::nonsense},
      {"empty line, then a reply", "\r\n250 ok\r\n", K::nonsense},
      {"words", "hello there\r\n", K::nonsense},
      {"HTTP", "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", K::nonsense},
      {"TLS alert", std::string("\x15\x03\x01\x00\x02\x02\x46\n", 8), K::nonsense},
      {"code changes", "250-a\r\n251 b\r\n", K::nonsense},
      {"class changes", "250-a\r\n550 b\r\n", K::nonsense},
      {"line without code", "250-a\r\nb\r\n250 c\r\n", K::nonsense},
      {"129 lines",
       [] {
         std::string s;
         for (std::size_t i = 0; i < most_reply_lines; ++i) s += "250-x\r\n";
         return s + "250 x\r\n";
       }(),
       K::too_long},
      {"4097 octets", "250 " + std::string(4091, 'x') + "\r\n", K::too_long},
      {"no line end", std::string(20000, '2'), K::too_long},
      {"never last",
       [] {
         std::string s;
         for (int i = 0; i < 2000; ++i) s += "250-x\r\n";
         return s;
       }(),
       K::too_long},
      {"nothing, gone", {"", Say::hang_up}, K::gone},
      {"half a line, gone", {"25", Say::hang_up}, K::gone},
      {"whole line without end, gone", {"250 ok", Say::hang_up}, K::gone},
      {"half a reply, gone", {"250-a\r\n", Say::hang_up}, K::gone},
      {"nothing, silent", {"", Say::fall_silent}, K::silence},
      {"half a line, silent", {"250 o", Say::fall_silent}, K::silence},
      {"half a reply, silent", {"250-a\r\n", Say::fall_silent}, K::silence},
      {"CR without LF, silent", {"250 ok\r", Say::fall_silent}, K::silence},
  };
  std::mt19937 random(34);
  for (int i = 0; i < 12; ++i) {  // octets at random: never a reply, as the first is no digit
    std::string junk = "~";
    for (int k = 0; k < 200; ++k) junk += static_cast<char>(random() & 0xff);
    all.push_back({"junk " + std::to_string(i), junk + "\n", K::nonsense});
  }
  return all;
}

Errc errc_of(Kind kind) {
  switch (kind) {
    case Kind::nonsense: return Errc::protocol;
    case Kind::too_long: return Errc::too_long;
    case Kind::gone: return Errc::closed;
    case Kind::silence: return Errc::timed_out;
    default: return Errc::protocol;
  }
}

// The session ended here: how it must look. 421 comes with its reply.
void check_lost(const SessionError& error, Stage stage, Kind kind, const Talk& talk) {
  CHECK(error.stage == stage);
  CHECK(talk.session->broken());
  if (kind == Kind::closing) {
    REQUIRE(error.reply);
    CHECK(error.reply->code == 421);
  } else {
    CHECK_FALSE(error.reply);
    CHECK(error.error.code == errc_of(kind));
  }
  for (const char c : error.error.detail) CHECK((c >= ' ' && c <= '~'));
}

bool lost(Kind kind) { return kind >= Kind::closing; }

// After a lost session nothing more is said, whatever is asked of it.
void check_mute(Talk& talk) {
  const auto heard = talk.peer.heard.size();
  CHECK(talk.send(message_to({"z@mx.test"})).failure);
  talk.quit();
  CHECK(talk.peer.heard.size() == heard);
}

}  // namespace

TEST_CASE("T-34: any answer at any step ends in one defined outcome") {
  std::size_t cases = 0;
  for (const Answer& answer : answers()) {
    CAPTURE(answer.name);
    const Kind kind = answer.kind;
    const bool no_3yz = lost(kind) || kind == Kind::intermediate;  // the session ends where 3yz is no answer

    {
      ++cases;
      Talk talk;
      talk.peer.always("", answer.say);
      const auto opened = talk.open();
      CHECK(opened.has_value() == (kind == Kind::positive));
      if (no_3yz) {
        check_lost(opened.error(), Stage::greeting, kind, talk);
        check_mute(talk);
      } else if (!opened) {
        CHECK(opened.error().stage == Stage::greeting);
        CHECK(opened.error().reply->transient() == (kind == Kind::transient));
      }
    }
    for (const bool helo : {false, true}) {
      ++cases;
      Talk talk;
      if (helo) talk.peer.always("EHLO", "500 no\r\n");
      talk.peer.always(helo ? "HELO" : "EHLO", answer.say);
      const auto opened = talk.open(helo);
      CHECK(opened.has_value() == (kind == Kind::positive));
      if (no_3yz) {
        check_lost(opened.error(), Stage::ehlo, kind, talk);
        check_mute(talk);
      } else if (!opened) {
        CHECK(opened.error().reply->transient() == (kind == Kind::transient));
        CHECK_FALSE(talk.session->broken());
      }
    }
    {
      ++cases;
      Talk talk;
      talk.peer.always("STARTTLS", answer.say);
      REQUIRE(talk.open());
      const auto started = talk.start_tls();
      if (kind == Kind::positive) {
        CHECK(started.has_value());
        CHECK(talk.session->encrypted());
      } else if (no_3yz) {
        REQUIRE_FALSE(started);
        check_lost(started.error(), Stage::starttls, kind, talk);
        check_mute(talk);
        CHECK(talk.tls.handshakes == 0);
      } else {
        REQUIRE(started);
        CHECK(started->starttls == StartTls::refused);
        CHECK_FALSE(talk.session->broken());
      }
    }
    for (const bool pipelining : {true, false}) {
      const auto begin = [&](Talk& talk, const std::string& verb) {
        ++cases;
        if (!pipelining) talk.peer.always("EHLO", "250 mx.test\r\n");
        talk.peer.always(verb, answer.say);
        REQUIRE(talk.open());
        return talk.send(message_to({"a@mx.test", "b@mx.test"}));
      };
      {
        Talk talk;
        const auto result = begin(talk, "MAIL");
        if (no_3yz) {
          REQUIRE(result.failure);
          check_lost(*result.failure, Stage::mail, kind, talk);
        } else {
          CHECK_FALSE(result.failure);
          CHECK(result.mail.has_value() == (kind != Kind::positive));
          CHECK(result.final.has_value() == (kind == Kind::positive));
        }
      }
      {
        Talk talk;
        const auto result = begin(talk, "RCPT");
        if (no_3yz) {
          REQUIRE(result.failure);
          check_lost(*result.failure, Stage::rcpt, kind, talk);
          CHECK_FALSE(result.final);
        } else {
          CHECK_FALSE(result.failure);
          CHECK(result.rcpt[0]->positive() == (kind == Kind::positive));
          CHECK(result.rcpt[1]->positive() == (kind == Kind::positive));
          CHECK(result.final.has_value() == (kind == Kind::positive));
        }
      }
      {
        Talk talk;
        const auto result = begin(talk, "DATA");
        if (kind == Kind::intermediate) {
          // The scripted peer takes data after a 3yz only when it is the first of its answers, as here.
          CHECK(result.final->code == 250);
        } else if (lost(kind) || kind == Kind::positive) {
          REQUIRE(result.failure);
          check_lost(*result.failure, Stage::data, kind, talk);
          CHECK_FALSE(result.final);
        } else {
          CHECK_FALSE(result.failure);
          CHECK(result.final->permanent() == (kind == Kind::permanent));
        }
        if (kind != Kind::intermediate) CHECK(talk.peer.data.empty());
      }
      {
        Talk talk;
        const auto result = begin(talk, ".");
        if (kind == Kind::closing) {
          CHECK_FALSE(result.failure);
          CHECK(result.final->code == 421);
          CHECK(talk.session->broken());
        } else if (no_3yz) {
          REQUIRE(result.failure);
          check_lost(*result.failure, Stage::final_dot, kind, talk);
          CHECK_FALSE(result.final);  // never taken for success (M27)
          check_mute(talk);
        } else {
          CHECK_FALSE(result.failure);
          CHECK(result.final->positive() == (kind == Kind::positive));
        }
      }
    }
  }
  CHECK(cases >= 300);
}

TEST_CASE("T-34: words the peer was not asked for are never taken for an answer") {
  struct Row {
    const char* name;
    const char* verb;
    const char* says;
    Stage stage;
    Errc code;
  };
  for (const Row& row : std::vector<Row>{
           {"more than three greetings", "", "220 a\r\n220 b\r\n220 c\r\n220 d\r\n", Stage::ehlo,
            Errc::protocol},
           {"greeting and half a word", "", "220 a\r\n2", Stage::ehlo, Errc::protocol},
           {"reply behind EHLO's", "EHLO", "250 PIPELINING\r\n250 ok\r\n", Stage::mail, Errc::protocol},
           {"250 before the message", "DATA", "354 go\r\n250 taken\r\n", Stage::data, Errc::protocol},
       }) {
    CAPTURE(row.name);
    Talk talk;
    talk.peer.always(row.verb, row.says);
    const auto opened = talk.open();
    if (row.stage == Stage::ehlo) {
      REQUIRE_FALSE(opened);
      CHECK(opened.error().stage == row.stage);
      CHECK(opened.error().error.code == row.code);
    } else {
      REQUIRE(opened);
      const auto result = talk.send(message_to({"a@mx.test"}));
      REQUIRE(result.failure);
      CHECK(result.failure->stage == row.stage);
      CHECK(result.failure->error.code == row.code);
      CHECK_FALSE(result.final);
      CHECK(talk.peer.data.empty());
    }
    CHECK(talk.session->broken());
  }
}

TEST_CASE("T-25: an endless line or reply is given up after a few kilobytes") {
  for (const char* unit : {"x", "220-x\r\n"}) {
    std::string flood;
    while (flood.size() < 32U << 20U) flood += unit;
    event::SimLink link;
    link.window = 1U << 20U;
    Talk talk(link);
    talk.peer.always("", flood);
    const auto opened = talk.open();
    REQUIRE_FALSE(opened);
    CHECK(opened.error().error.code == Errc::too_long);
    CHECK(talk.session->broken());
    CHECK(talk.wire.wire->carried() <= 2U << 20U);  // the rest of it was never read
  }
}

TEST_CASE("SMTP-06: every step has its own limit, and octets that drip in do not extend it") {
  struct Row {
    const char* verb;
    Duration ClientLimits::*limit;
    Stage stage;
  };
  for (const Row& row : std::vector<Row>{
           {"", &ClientLimits::greeting, Stage::greeting},
           {"EHLO", &ClientLimits::ehlo, Stage::ehlo},
           {"STARTTLS", &ClientLimits::starttls, Stage::starttls},
           {"MAIL", &ClientLimits::mail, Stage::mail},
           {"RCPT", &ClientLimits::rcpt, Stage::rcpt},
           {"DATA", &ClientLimits::data, Stage::data},
           {".", &ClientLimits::final_dot, Stage::final_dot},
       }) {
    for (const bool drips : {false, true}) {
      CAPTURE(row.verb);
      Talk talk;
      int seconds = 100;  // all different
      for (const auto limit :
           {&ClientLimits::greeting, &ClientLimits::ehlo, &ClientLimits::starttls, &ClientLimits::mail,
            &ClientLimits::rcpt, &ClientLimits::data, &ClientLimits::final_dot}) {
        talk.limits.*limit = std::chrono::seconds(seconds += 10);
      }
      Say say(std::string(1000, '2'), Say::fall_silent);
      if (drips) say.each_octet = std::chrono::seconds(1);
      if (!drips) say.text.clear();
      talk.peer.always(row.verb, say);
      std::optional<Stage> failed;
      auto opened = talk.open();
      if (!opened) failed = opened.error().stage;
      if (!failed && row.stage == Stage::starttls) {
        auto started = talk.start_tls();
        if (!started) failed = started.error().stage;
      } else if (!failed) {
        auto result = talk.send(message_to({"a@mx.test"}));
        if (result.failure) failed = result.failure->stage;
      }
      CHECK(failed == row.stage);
      CHECK(talk.since_start() == talk.limits.*row.limit);
    }
  }
}

TEST_CASE("D-14: the reply to the final dot is waited for ten minutes, and no longer") {
  for (const int seconds : {27, 28}) {  // an octet each, 22 octets
    Talk talk;
    Say say("250 2.0.0 taken as 1\r\n");
    say.each_octet = std::chrono::seconds(seconds);
    talk.peer.always(".", say);
    REQUIRE(talk.open());
    const auto result = talk.send(message_to({"a@mx.test"}));
    if (seconds == 27) {
      CHECK_FALSE(result.failure);
      REQUIRE(result.final);
      CHECK(result.final->code == 250);
      CHECK(talk.since_start() > std::chrono::minutes(9));
    } else {
      CHECK_FALSE(result.final);
      REQUIRE(result.failure);
      CHECK(result.failure->stage == Stage::final_dot);
      CHECK(talk.since_start() == std::chrono::minutes(10));
    }
  }
}

TEST_CASE("SMTP-06: a slow but steady reader of a large body is waited for") {
  event::SimLink link;
  link.window = 65536;
  Talk talk(link);
  talk.peer.data_step = 32768;  // 1 KiB/s: more than two hours for what may take three minutes a block
  talk.peer.data_pace = std::chrono::seconds(32);
  REQUIRE(talk.open());
  const std::vector<std::string> pieces(32, std::string(262142, 'x') + "\r\n");
  const auto result = talk.send(message_to({"a@mx.test"}), pieces);
  CHECK_FALSE(result.failure);
  CHECK(result.final->code == 250);
  CHECK(talk.peer.data.size() == 32 * 262144 + 3);
  CHECK(talk.since_start() > std::chrono::hours(2));
}

TEST_CASE("T-26: a reader slower than the minimum rate is given up, however steadily it drips") {
  event::SimLink link;
  link.window = 4096;
  Talk talk(link);
  talk.peer.data_step = 1;
  talk.peer.data_pace = std::chrono::seconds(100);  // within the limit of a block each time
  REQUIRE(talk.open());
  const auto result = talk.send(message_to({"a@mx.test"}), {std::string(60000, 'x') + "\r\n"});
  REQUIRE(result.failure);
  CHECK(result.failure->stage == Stage::body);
  CHECK(result.failure->error.code == Errc::timed_out);
  CHECK(talk.since_start() <= talk.limits.body + std::chrono::seconds(60000 / talk.limits.minimum_rate + 1));
}

TEST_CASE("T-26: a tarpit that answers every recipient just in time is given up as well") {
  Talk talk;
  Say slow(std::string("250 2.1.5 ok\r\n"));
  slow.each_octet = std::chrono::seconds(17);  // four minutes a reply, where five are allowed
  talk.peer.always("RCPT", slow);
  std::vector<std::string> recipients;
  for (int i = 0; i < 100; ++i) recipients.push_back("r" + std::to_string(i) + "@mx.test");
  REQUIRE(talk.open());
  const auto result = talk.send(message_to(recipients));
  REQUIRE(result.failure);
  CHECK(result.failure->stage == Stage::rcpt);
  CHECK(result.failure->error.code == Errc::timed_out);
  const auto& limits = talk.limits;
  CHECK(talk.since_start() == limits.mail + limits.rcpt + limits.data + 100 * limits.per_recipient);
  CHECK(result.rcpt[0]->positive());
  CHECK_FALSE(result.rcpt[99]);
}
