// SPDX-License-Identifier: Apache-2.0
//
// Submission (RFC 6409, 8314): nobody sends without AUTH, AUTH (RFC 4954) happens inside TLS only, and what it was about
// is told to nobody.
#include <doctest.h>

#include <string>
#include <vector>

#include "base/text.hpp"
#include "fake_tls.hpp"
#include "scripted_auth.hpp"
#include "server_fixture.hpp"

using namespace sealpost;
using namespace sealpost::test;
using Ending = smtp::ServerSession::Ending;

namespace {

const std::string good = text::base64(std::string_view("\0anna\0pencil", 12));
const std::string wrong = text::base64(std::string_view("\0anna\0penknife", 14));
constexpr std::string_view transaction = "MAIL FROM:<anna@home.example>\r\nRCPT TO:<b@example.org>\r\n";

struct Submission : SessionFixture {
  explicit Submission(smtp::Service service = smtp::Service::submission) {
    inside.end = false;
    tls = std::make_shared<FakeTls>(loop, inside);
    options->tls = tls;
    options->service = service;
    options->authenticator = &accounts;
    handler.trusts = false;
  }
  ~Submission() { scope.cancel(); }
  std::string say_inside(std::string_view input) {
    inside.say(input);
    loop.settle();
    return inside.take();
  }
  // Inside TLS and greeted; gives the reply to EHLO.
  std::string enter() {
    open();
    if (options->service == smtp::Service::submission) {
      say("EHLO outside\r\n");
      say("STARTTLS\r\n");
    } else {
      inside.take();
    }
    return say_inside("EHLO client.example.net\r\n");
  }
  std::string authenticate() { return say_inside("AUTH PLAIN " + good + "\r\n"); }

  Script inside;
  std::shared_ptr<FakeTls> tls;
  ScriptedAuthenticator accounts;
};

}  // namespace

TEST_CASE("T12 T-05 on 587 nothing but TLS may be asked for in clear") {
  for (const std::string_view line : {"MAIL FROM:<a@b.example>", "RCPT TO:<a@b.example>", "DATA", "VRFY a",
                                      "EXPN a", "HELP", "BDAT 3 LAST\r\nx\r\n"}) {
    CAPTURE(line);
    Submission fixture;
    fixture.open();
    CHECK(fixture.say(std::string(line) + "\r\n").starts_with("530 5.7.0 say STARTTLS first\r\n"));
    const std::string hello = fixture.say("EHLO c\r\n");
    CHECK(hello.find("250-STARTTLS\r\n") != std::string::npos);
    CHECK(hello.find("AUTH") == std::string::npos);
    CHECK(fixture.say(std::string(line) + "\r\n").starts_with("530 5.7.0 say STARTTLS first\r\n"));
    CHECK(codes(fixture.say("NOOP\r\nRSET\r\nHELO c\r\nFOO\r\nQUIT\r\n")) == "250 250 250 500 221");
    CHECK(fixture.handler.begun == 0);
  }
}

TEST_CASE("T-05 X7 AUTH in clear is 538, wherever it comes, and nobody asks for the password") {
  Submission fixture;
  fixture.open();
  for (const std::string_view line : {"AUTH PLAIN", "AUTH LOGIN", "AUTH", "AUTH FOO =", "AUTH PLAIN YQ=="}) {
    CHECK(fixture.say(std::string(line) + "\r\n").starts_with("538 5.7.11 "));
    fixture.say("EHLO c\r\n");
  }
  CHECK(fixture.accounts.heard.empty());
}

TEST_CASE(
    "T-30 SMTP-11 inside TLS nobody sends without AUTH, and after it everything is as for who may relay") {
  for (const auto service : {smtp::Service::submission, smtp::Service::submissions}) {
    Submission fixture(service);
    CHECK(fixture.enter().find("250-AUTH TALK PLAIN LOGIN\r\n") != std::string::npos);
    for (const std::string_view line :
         {"MAIL FROM:<a@b.example>", "RCPT TO:<postmaster>", "DATA", "VRFY a", "BDAT 3 LAST\r\nx\r\n"})
      CHECK(fixture.say_inside(std::string(line) + "\r\n").starts_with("530 5.7.0 authentication required"));
    CHECK(codes(fixture.say_inside("NOOP\r\nRSET\r\nSTARTTLS\r\n")) == "250 250 503");
    CHECK(fixture.authenticate() == "235 2.7.0 authenticated\r\n");
    CHECK(fixture.handler.authentications == std::vector<std::string>{"PLAIN anna"});
    CHECK(codes(fixture.say_inside("MAIL FROM: try..this@home.example\r\n")) == "250");
    CHECK(codes(fixture.say_inside("RCPT TO:<b@example.org>\r\nDATA\r\n")) == "250 354");
    CHECK(codes(fixture.say_inside("x\nbare LF\r\n.\r\nQUIT\r\n")) == "250 221");
    REQUIRE(fixture.handler.received.size() == 1);
    CHECK(fixture.handler.received[0].body == "x\r\nbare LF\r\n");
  }
}

TEST_CASE("T21 on 465 TLS comes first, and the greeting behind it; STARTTLS is neither offered nor taken") {
  Submission fixture(smtp::Service::submissions);
  CHECK(fixture.open().empty());
  CHECK(fixture.inside.take() == "220 relay.example.net ESMTP\r\n");
  CHECK(fixture.say_inside("EHLO c\r\n").find("STARTTLS") == std::string::npos);
  CHECK(codes(fixture.say_inside("STARTTLS\r\n")) == "503");

  Submission failing(smtp::Service::submissions);
  failing.tls->fail = true;
  CHECK(failing.open().empty());
  REQUIRE(failing.ending);
  CHECK(*failing.ending == Ending::failed);
  CHECK(failing.handler.refusals == std::vector<std::string>{"tls tls"});

  Submission clear(smtp::Service::submissions);
  clear.script.say("EHLO c\r\n");
  CHECK(clear.open().empty());
  CHECK(clear.ending == Ending::failed);
}

TEST_CASE("T-05 a listener for relaying has no AUTH, in TLS or out of it") {
  Submission fixture(smtp::Service::relay);
  fixture.options->service = smtp::Service::relay;
  fixture.open();
  CHECK(fixture.say("EHLO c\r\n").find("AUTH") == std::string::npos);
  CHECK(fixture.say("AUTH PLAIN " + good + "\r\n").starts_with("503 5.5.1 "));
  fixture.say("STARTTLS\r\n");
  CHECK(fixture.say_inside("EHLO c\r\n").find("AUTH") == std::string::npos);
  CHECK(fixture.authenticate().starts_with("503 5.5.1 "));
  CHECK(fixture.say_inside("MAIL FROM:<a@b.example> AUTH=<>\r\n").starts_with("555 5.5.4 "));
  CHECK(fixture.accounts.heard.empty());
}

TEST_CASE("T-30 who comes through a proxy that names nobody cannot authenticate") {
  Submission fixture;
  fixture.handler.named = false;
  CHECK(fixture.enter().find("AUTH") == std::string::npos);
  CHECK(fixture.authenticate().starts_with("503 5.5.1 "));
  CHECK(fixture.say_inside("MAIL FROM:<a@b.example>\r\n").starts_with("530 5.7.0 "));
  CHECK(fixture.accounts.heard.empty());
}

TEST_CASE("SMTP-09 X7 what a client says in AUTH, and the reply") {
  struct Row {
    std::vector<std::string> lines;
    std::string codes;
    std::string last;
  };
  const std::string anna = text::base64("anna"), pencil = text::base64("pencil");
  const std::vector<Row> rows = {
      {{"AUTH PLAIN " + good}, "235", "2.7.0"},
      {{"auth plain " + good}, "235", "2.7.0"},
      {{"AUTH PLAIN", good}, "334 235", "2.7.0"},
      {{"AUTH PLAIN " + wrong}, "535", "5.7.8"},
      {{"AUTH PLAIN", "*"}, "334 501", "5.7.0"},
      {{"AUTH PLAIN", "not base64"}, "334 501", "5.5.2"},
      {{"AUTH PLAIN ??"}, "501", "5.5.2"},
      {{"AUTH PLAIN " + good + " x"}, "501", "5.5.2"},
      {{"AUTH PLAIN ="}, "501", "5.5.2"},  // an empty message, which PLAIN does not know
      {{"AUTH PLAIN", ""}, "334 501", "5.5.2"},
      {{"AUTH PLAIN =="}, "501", "5.5.2"},
      {{"AUTH"}, "501", "5.5.4"},
      {{"AUTH CRAM-MD5"}, "504", "5.5.4"},
      {{"AUTH " + std::string(900, 'X')}, "504", "5.5.4"},
      {{"AUTH LOGIN", anna, pencil}, "334 334 235", "2.7.0"},
      {{"AUTH LOGIN " + anna, pencil}, "334 235", "2.7.0"},
      {{"AUTH LOGIN =", anna, pencil}, "334 334 235", "2.7.0"},
      {{"AUTH LOGIN", anna, anna}, "334 334 535", "5.7.8"},
      {{"AUTH LOGIN", anna, "*"}, "334 334 501", "5.7.0"},
      {{"AUTH TALK " + pencil, ""}, "334 235", "2.7.0"},
      {{"AUTH TALK " + pencil, "*"}, "334 501", "5.7.0"},
      {{"AUTH TALK " + pencil, anna}, "334 501", "5.5.2"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.lines[0]);
    Submission fixture;
    fixture.enter();
    std::string said;
    for (const std::string& line : row.lines) said += fixture.say_inside(line + "\r\n");
    CHECK(codes(said) == row.codes);
    CHECK(said.find(" " + row.last + " ") != std::string::npos);
    const bool known = row.last == "2.7.0";
    CHECK((fixture.session->info().account != nullptr) == known);
    CHECK(fixture.accounts.open == 0);
    CHECK(fixture.say_inside("MAIL FROM:<anna@home.example>\r\n").starts_with(known ? "250" : "530"));
  }
}

TEST_CASE("X7 challenges are base64, and an empty one is a code and a blank") {
  Submission fixture;
  fixture.enter();
  CHECK(fixture.say_inside("AUTH PLAIN\r\n") == "334 \r\n");
  fixture.say_inside("*\r\n");
  CHECK(fixture.say_inside("AUTH LOGIN\r\n") == "334 VXNlcm5hbWU6\r\n");
  fixture.say_inside("*\r\n");
  CHECK(fixture.say_inside("AUTH TALK " + text::base64("pencil") + "\r\n") ==
        "334 " + text::base64("v=proof") + "\r\n");
}

TEST_CASE("X7 AUTH comes once, after EHLO, and outside a transaction, which goes on") {
  Submission fixture;
  fixture.open();
  fixture.say("EHLO c\r\n");
  fixture.say("STARTTLS\r\n");
  CHECK(fixture.authenticate().starts_with("503 5.5.1 "));
  fixture.say_inside("HELO c\r\n");
  CHECK(fixture.authenticate().starts_with("503 5.5.1 "));
  fixture.say_inside("EHLO c\r\n");
  CHECK(fixture.authenticate().starts_with("235"));
  CHECK(fixture.authenticate().starts_with("503 5.5.1 "));
  CHECK(fixture.say_inside("EHLO c\r\n").find("AUTH") == std::string::npos);  // it would be of no use
  CHECK(codes(fixture.say_inside(transaction)) == "250 250");
  CHECK(fixture.authenticate().starts_with("503 5.5.1 "));
  CHECK(codes(fixture.say_inside("DATA\r\n")) == "354");
  CHECK(codes(fixture.say_inside("x\r\n.\r\n")) == "250");
  CHECK(codes(fixture.say_inside(transaction)) == "250 250");
  CHECK(codes(fixture.say_inside("BDAT 3\r\nx\r\n")) == "250");
  CHECK(fixture.authenticate().starts_with("503 5.5.1 "));
  CHECK(codes(fixture.say_inside("BDAT 3 LAST\r\ny\r\n")) == "503");  // as after every other command there
}

TEST_CASE("T-04 what lies behind AUTH, or behind an answer, ends the session and never runs") {
  const std::string anna = text::base64("anna");
  const std::vector<std::vector<std::string>> dialogues = {
      {"AUTH PLAIN " + good + "\r\nMAIL FROM:<anna@home.example>\r\n"},
      {"AUTH PLAIN " + wrong + "\r\nNOOP\r\n"},
      {"AUTH FOO\r\nNOOP\r\n"},
      {"AUTH PLAIN\r\n" + good + "\r\n"},  // an answer before the question
      {"AUTH PLAIN\r\n", good + "\r\nNOOP\r\n"},
      {"AUTH LOGIN\r\n", anna + "\r\n" + anna + "\r\n"},
  };
  for (const auto& dialogue : dialogues) {
    Submission fixture;
    fixture.enter();
    std::string said;
    for (const std::string& octets : dialogue) said = fixture.say_inside(octets);
    CAPTURE(dialogue.back());
    CHECK(said == "421 4.7.0 data sent behind AUTH, closing\r\n");
    CHECK(!fixture.session->info().account);
    fixture.inside.hang_up();
    fixture.loop.run();
    CHECK(fixture.ending == Ending::lost_step);
    CHECK(fixture.handler.begun == 0);
  }
}

TEST_CASE("M2 SMTP-09 a line of AUTH may have 12288 octets, and no other line more than 2048") {
  const auto line_of = [](std::size_t octets, std::string_view begin) {
    return std::string(begin) + std::string(octets - 2 - begin.size(), 'A') + "\r\n";
  };
  struct Row {
    std::string line;
    std::string_view said;
  };
  for (const Row& row : std::vector<Row>{{line_of(12'288, "AUTH PLAIN "), "501 5.5.2 "},
                                         {line_of(12'289, "AUTH PLAIN "), "500 5.5.6 "},
                                         {line_of(3'000, "AUTHX "), "500 5.5.2 "},
                                         {line_of(3'000, "NOOP "), "500 5.5.2 "}}) {
    Submission fixture;
    fixture.enter();
    CHECK(fixture.say_inside(row.line).starts_with(row.said));
  }
  Submission answers;
  answers.enter();
  answers.say_inside("AUTH PLAIN\r\n");
  CHECK(answers.say_inside(line_of(12'289, "")).starts_with("500 5.5.6 "));
  Submission clear;  // where AUTH would not be taken there is no room for it either
  clear.open();
  CHECK(clear.say(line_of(3'000, "AUTH PLAIN ")).starts_with("500 5.5.2 "));
  Submission known;
  known.enter();
  known.authenticate();
  CHECK(known.say_inside(line_of(3'000, "AUTH PLAIN ")).starts_with("500 5.5.2 "));
}

TEST_CASE("T-31 three wrong passwords end the session; what the accounts say else has a reply of its own") {
  Submission fixture;
  fixture.enter();
  CHECK(codes(fixture.say_inside("AUTH PLAIN " + wrong + "\r\n")) == "535");
  CHECK(codes(fixture.say_inside("AUTH PLAIN " + wrong + "\r\n")) == "535");
  CHECK(codes(fixture.say_inside("AUTH PLAIN " + wrong + "\r\n")) == "535 421");
  CHECK(fixture.handler.authentications == std::vector<std::string>(3, "PLAIN -anna"));

  struct Row {
    auth::Step::Kind kind;
    std::string_view said;
    bool over;
  };
  for (const Row& row : std::vector<Row>{{auth::Step::Kind::unavailable, "454 4.7.0 ", false},
                                         {auth::Step::Kind::too_many, "454 4.7.0 ", true},
                                         {auth::Step::Kind::malformed, "501 5.5.2 ", false}}) {
    Submission other;
    other.enter();
    other.accounts.outcome = row.kind;
    CHECK(other.authenticate().starts_with(row.said));
    CHECK(!other.session->info().account);
    CHECK((other.say_inside("NOOP\r\n").empty()) == row.over);
  }
}

TEST_CASE("T-26 an exchange has a minute, for the client and for the accounts; its end gives it up") {
  Submission silent;
  silent.enter();
  silent.say_inside("AUTH LOGIN\r\n");
  silent.loop.advance(std::chrono::seconds(61));
  CHECK(silent.inside.take().starts_with("421 4.4.2 "));
  CHECK(silent.accounts.open == 0);

  Submission slow;
  event::Signal never(slow.loop);
  slow.accounts.hold = &never;
  slow.enter();
  CHECK(slow.authenticate().empty());
  slow.loop.advance(std::chrono::seconds(61));
  CHECK(slow.inside.take().starts_with("454 4.7.0 "));
  CHECK(slow.accounts.open == 0);
  slow.accounts.hold = nullptr;
  CHECK(slow.authenticate().starts_with("235"));
  slow.loop.advance(std::chrono::seconds(120));
  CHECK(codes(slow.say_inside("NOOP\r\n")) == "250");  // the minute was that of the exchange

  Submission talker;
  talker.enter();
  std::string said = talker.say_inside("AUTH TALK " + text::base64("again") + "\r\n");
  unsigned rounds = 0;
  for (; said.starts_with("334") && rounds < 100; ++rounds)
    said = talker.say_inside(text::base64("again") + "\r\n");
  CHECK(said.starts_with("501 5.5.2 "));
  CHECK(rounds <= 10);
}

TEST_CASE("T-04 an exchange is destroyed at each of its waits") {
  for (const std::string_view line : {"AUTH LOGIN\r\n", "AUTH PLAIN AGFubmEAcGVuY2ls\r\n"}) {
    Submission fixture;
    event::Signal never(fixture.loop);
    fixture.accounts.hold = &never;
    fixture.enter();
    fixture.say_inside(line);
    CHECK(fixture.accounts.open == 1);
    fixture.scope.cancel();
    fixture.session.reset();
    CHECK(fixture.accounts.open == 0);
  }
}

TEST_CASE("X7 MAIL takes AUTH= after authentication, and it goes no further") {
  Submission fixture;
  fixture.enter();
  fixture.authenticate();
  CHECK(fixture.say_inside("MAIL FROM:<anna@home.example> AUTH=e+3Dmc2@example.com\r\n").starts_with("250"));
  fixture.say_inside("RSET\r\n");
  CHECK(fixture.say_inside("MAIL FROM:<anna@home.example> AUTH=<> SIZE=9\r\n").starts_with("250"));
  fixture.say_inside("RSET\r\n");
  for (const std::string_view parameter : {"AUTH", "AUTH=", "AUTH=a+zz", "AUTH=<> AUTH=<>"})
    CHECK(fixture.say_inside("MAIL FROM:<anna@home.example> " + std::string(parameter) + "\r\n")
              .starts_with("501 5.5.4 "));
}

TEST_CASE("what a mechanism may know of the connection: the client, and what it can bind itself to") {
  Submission fixture;
  fixture.script.peer = Endpoint(*IpAddress::parse("198.51.100.9"), 40000);
  fixture.enter();
  REQUIRE(!fixture.accounts.channels.empty());
  const auth::Channel& channel = fixture.accounts.channels.back();
  CHECK(channel.encrypted);
  CHECK(channel.client.to_string() == "198.51.100.9");
  CHECK(channel.tls_exporter == std::string(32, 'x'));
  CHECK(channel.tls_server_end_point == std::string(32, 'c'));
}

TEST_CASE("SMTP-08 names that desktops have are taken before anybody is known") {
  Submission fixture;
  fixture.open();
  CHECK(codes(fixture.say("EHLO Annas PC\r\nEHLO M\xc3\x9cLLER-PC\r\n")) == "250 250");
  CHECK(codes(fixture.say("EHLO \x01\r\n")) == "501");
}

TEST_CASE("a session that authenticates gives way to the end of the relay as others do") {
  Submission fixture;
  fixture.enter();
  fixture.say_inside("AUTH LOGIN\r\n");
  fixture.session->drain();
  fixture.loop.settle();
  CHECK(fixture.inside.take().starts_with("421 4.3.2 "));
  CHECK(fixture.accounts.open == 0);
}
