// SPDX-License-Identifier: Apache-2.0
//
// Mail of clients with an account (RFC 6409): as whom they send, how much, and what is made of their header; and what a
// listener for them is to those who have none.
#include <doctest.h>

#include "../log_capture.hpp"
#include "../mail/example_signer.hpp"
#include "../smtp/fake_tls.hpp"
#include "../smtp/scripted_auth.hpp"
#include "base/text.hpp"
#include "intake/sender_rights.hpp"
#include "intake_fixture.hpp"

using namespace sealpost;
using namespace sealpost::test;

namespace {

const std::string login = "AUTH PLAIN " + text::base64(std::string_view("\0anna\0pencil", 12)) + "\r\n";
const std::string guess = "AUTH PLAIN " + text::base64(std::string_view("\0anna\0penknife", 14)) + "\r\n";
const std::string anna = "MAIL FROM:<anna@home.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
const std::string dated = "Date: Mon, 05 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@home.example>\r\n";

struct Submission : IntakeFixture {
  Submission() {
    options->service = smtp::Service::submissions;
    options->tls = std::make_shared<ThroughTls>();
    options->authenticator = &accounts;
  }
  Script& enter(std::string_view address = "192.0.2.7") {
    Script& client = connect(address);
    say(client, hello);
    say(client, login);
    return client;
  }
  // The reply to the final dot.
  std::string send(Script& client, std::string_view message) {
    say(client, anna);
    say(client, message);
    return say(client, ".\r\n");
  }
  ScriptedAuthenticator accounts;
};

}  // namespace

TEST_CASE(
    "M15 X10 what an account sends gets what it lacks, in front; Bcc goes; the account is named to nobody") {
  Submission fixture;
  Script& client = fixture.enter();
  const std::string message =
      "Subject: x\r\nBcc: hidden@example.org\r\nFrom: Anna <anna@home.example>\r\n\r\nhi\r\n";
  CHECK(fixture.send(client, message).starts_with("250 "));
  REQUIRE(fixture.spool.stored.size() == 1);
  const std::string& body = fixture.spool.body(0);
  CHECK(body.find("with ESMTPSA id") != std::string::npos);
  CHECK(body.find("hidden") == std::string::npos);
  const auto received = body.find("\r\nDate: Mon, 05 Jan 2026 00:00:00 +0000\r\nMessage-ID: <");
  REQUIRE(received != std::string::npos);
  CHECK(body.substr(0, received).starts_with("Received: "));
  CHECK(body.substr(0, received).find("anna") == std::string::npos);
  CHECK(body.ends_with("@relay.example.net>\r\nSubject: x\r\nFrom: Anna <anna@home.example>\r\n\r\nhi\r\n"));
  CHECK(fixture.spool.stored[0]->size == body.size());
  CHECK(fixture.spool.stored[0]->envelope.account == fixture.accounts.account->name);  // our operator knows
}

TEST_CASE("K1 X10 what is added is there before it is signed") {
  Submission fixture;
  fixture.dkim = std::make_shared<const DkimKeyring>(std::vector<DkimSigner>{example_signer("home.example")});
  Script& client = fixture.enter();
  CHECK(
      fixture.send(client, "From: anna@home.example\r\nBcc: x@y.example\r\n\r\nhi\r\n").starts_with("250 "));
  REQUIRE(fixture.spool.stored.size() == 1);
  const std::string& kept = fixture.spool.body(0);
  const auto head = kept.find("\r\nDate: ") + 2, end = kept.find("\r\n\r\n");
  const std::string field = dkim_signature(example_signer("home.example"), kept.substr(head, end + 2 - head),
                                           "hi\r\n", fixture.loop.wall())
                                .value();
  CHECK(kept.starts_with(field + "Received: "));
  CHECK(kept.find("Bcc") == std::string::npos);
}

TEST_CASE("T-60 X10 as whom an account may send: the envelope") {
  const struct {
    std::string_view sender, said;
  } rows[] = {{"anna@home.example", "250"},     {"Anna@HOME.example", "250"},
              {"x.y@anna.example", "250"},      {"ceo@home.example", "550 5.7.1"},
              {"a@sub.anna.example", "550"},    {"anna@xanna.example", "550"},
              {"\"anna\"@home.example", "550"}, {"", "550 5.7.1"}};
  Submission fixture;
  Script& client = fixture.enter();
  for (const auto& row : rows) {
    CAPTURE(row.sender);
    CHECK(fixture.say(client, "MAIL FROM:<" + std::string(row.sender) + ">\r\n").starts_with(row.said));
    fixture.say(client, "RSET\r\n");
  }
  Submission anybody;
  anybody.accounts.account->senders.clear();
  Script& free = anybody.enter();
  CHECK(anybody.say(free, "MAIL FROM:<>\r\n").starts_with("250"));
  CHECK(intake::may_send_as(*anybody.accounts.account, ""));
}

TEST_CASE("T-60 X10 as whom an account may send: all authors of the From field, at the final dot") {
  const struct {
    std::string_view from, said;
  } rows[] = {
      {"From: Anna <anna@home.example>\r\n", "250"},
      {"From: anna@home.example, b@anna.example\r\n", "250"},
      {"", "250"},  // added from the envelope
      {"From: \"anna@home.example\" <ceo@bank.example>\r\n", "550 5.7.1"},
      {"From: anna@home.example, ceo@bank.example\r\n", "550 5.7.1"},
      {"From: anna@home.example\r\nFrom: ceo@bank.example\r\n", "554 5.6.0"},
      {"From: Anna\r\n", "554 5.6.0"},
      {"no field\r\nFrom: anna@home.example\r\n", "554 5.6.0"},
  };
  Submission fixture;
  Script& client = fixture.enter();
  std::size_t stored = 0;
  for (const auto& row : rows) {
    CAPTURE(row.from);
    CHECK(fixture.send(client, std::string(row.from) + "Subject: x\r\n\r\nhi\r\n").starts_with(row.said));
    if (row.said == "250") ++stored;
    CHECK(fixture.spool.stored.size() == stored);
  }
  fixture.say(client, "MAIL FROM:<anna@home.example>\r\nRCPT TO:<b@example.org>\r\n");
  const std::string chunk = "From: ceo@bank.example\r\n\r\nhi\r\n";
  CHECK(fixture.say(client, "BDAT " + std::to_string(chunk.size()) + " LAST\r\n" + chunk)
            .starts_with("550 5.7.1"));
}

TEST_CASE(
    "X10 T-28 of a long message the header is completed before its first part leaves; a header too long is "
    "malformed") {
  Submission fixture;
  Script& client = fixture.enter();
  std::string body;
  while (body.size() < (1U << 20)) body += std::string(98, 'y') + "\r\n";
  CHECK(fixture.send(client, dated + "From: anna@home.example\r\nBcc: x@y.example\r\n\r\n" + body)
            .starts_with("250 "));
  REQUIRE(fixture.spool.stored.size() == 1);
  CHECK(fixture.spool.appends > 0);
  CHECK(fixture.spool.body(0).ends_with("\r\n" + dated + "From: anna@home.example\r\n\r\n" + body));

  std::string fields;
  while (fields.size() < 300 * 1024) fields += "X: " + std::string(90, 'x') + "\r\n";
  for (const std::string& late : {fields + "From: ceo@bank.example\r\n\r\nx\r\n", fields}) {
    CHECK(fixture.send(client, "From: anna@home.example\r\n" + late).starts_with("554 5.6.0"));
  }
  CHECK(fixture.spool.stored.size() == 1);
  CHECK(fixture.budget().used() == 0);
}

TEST_CASE("X10 mail that is relayed for its network's sake is left as it is") {
  IntakeFixture fixture;
  Script& client = fixture.connect();
  fixture.say(client, hello + envelope);
  CHECK(fixture.say(client, "no field\r\nBcc: x@y.example\r\n\r\nhi\r\n.\r\n").starts_with("250 "));
  CHECK(fixture.spool.body(0).ends_with("+0000\r\nno field\r\nBcc: x@y.example\r\n\r\nhi\r\n"));
}

TEST_CASE("T-60 an account that has sent what it may hears so before it sends more") {
  Submission fixture;
  fixture.accounts.allowance = 1;
  Script& client = fixture.enter();
  CHECK(fixture.send(client, dated + "\r\nhi\r\n").starts_with("250 "));
  CHECK(fixture.say(client, anna)
            .ends_with("451 4.7.0 your account may not send more now: what it may in an hour is used up, "
                       "or it was disabled\r\n"));
  fixture.say(client, "MAIL FROM:<anna@home.example>\r\nRCPT TO:<b@example.org>\r\n");
  CHECK(fixture.say(client, "BDAT 3 LAST\r\nx\r\n").starts_with("451 4.7.0 "));
  CHECK(fixture.spool.stored.size() == 1);
}

TEST_CASE("T-27 T-30 a client is a stranger until it has authenticated, wherever it comes from") {
  Submission fixture;
  Script& client = fixture.connect("192.0.2.7");  // a network that may relay elsewhere
  CHECK(fixture.limits().strangers() == 1);
  fixture.say(client, hello);
  CHECK(fixture.say(client, "MAIL FROM:<anna@home.example>\r\n").starts_with("530 5.7.0 "));
  fixture.say(client, guess);
  CHECK(fixture.limits().strangers() == 1);
  CHECK(fixture.say(client, login).starts_with("235 "));
  CHECK(fixture.limits().strangers() == 0);
  CHECK(fixture.limits().open() == 1);
  CHECK(fixture.counters.authenticated == 1);
  CHECK(fixture.counters.auth_failed == 1);
  client.hang_up();
  fixture.loop.settle();
  CHECK(fixture.limits().open() == 0);
}

TEST_CASE("T-30 who may not connect is turned away: with 554, or without a word where TLS is spoken") {
  Submission implicit;
  CHECK(implicit.connect("203.0.113.9").take().empty());
  CHECK(implicit.acceptor().sessions() == 0);
  Submission fixture;
  fixture.options->service = smtp::Service::submission;
  CHECK(fixture.connect("203.0.113.9").take() == "554 5.7.1 no access from your address\r\n");
  CHECK(fixture.connect("192.0.2.9").take().starts_with("220 "));
  CHECK(fixture.counters.turned_away == 1);
}

TEST_CASE("T-05 T-31 T-48 the log says who came and who failed, and never what was tried") {
  Capture capture;
  Submission fixture;
  fixture.caps.stranger_rate = 10'000;
  Script& client = fixture.connect();
  fixture.say(client, hello);
  fixture.say(client, guess);
  fixture.say(client, login);
  fixture.send(client, dated + "\r\nhi\r\n");
  auto lines = capture.lines();
  REQUIRE(lines.size() == 4);
  CHECK(lines[1] ==
        "info auth_failed client=192.0.2.7 helo=client.example.net user=anna mechanism=PLAIN why=\"no such "
        "password\"");
  CHECK(lines[2] ==
        "info authenticated client=192.0.2.7:40000 helo=client.example.net user=anna mechanism=PLAIN "
        "tls=TLSv1.3");
  CHECK(lines[3].starts_with("info accepted "));
  CHECK(lines[3].ends_with(" user=anna"));
  for (int i = 0; i < 300; ++i) {
    Script& guesser = fixture.connect();
    fixture.say(guesser, hello);
    fixture.say(guesser, guess);
    fixture.say(guesser, "AUTH LOGIN\r\n");
    fixture.say(guesser, "cGVua25pZmU=\r\n");
    fixture.say(guesser, "cGVuY2ls???\r\n");
    guesser.hang_up();
    fixture.loop.settle();
  }
  lines = capture.lines();
  CHECK(std::count_if(lines.begin(), lines.end(),
                      [](const auto& line) { return line.starts_with("info auth_failed"); }) == 200);
  for (const std::string& line : lines) {
    CHECK(line.find("penc") == std::string::npos);
    CHECK(line.find("penknife") == std::string::npos);
    CHECK(line.find("cGVu") == std::string::npos);
    CHECK(line.find(text::base64(std::string_view("\0anna\0p", 7)).substr(0, 8)) == std::string::npos);
  }
}
