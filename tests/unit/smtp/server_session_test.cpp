// SPDX-License-Identifier: Apache-2.0
//
// The dialogue: greeting, order, replies. What a client may not overdo is in server_limits_test.cpp, message data in
// server_data_test.cpp, TLS in server_tls_test.cpp.
#include <doctest.h>

#include "server_dialogue.hpp"

using namespace sealpost;
using namespace sealpost::test;
using Ending = smtp::ServerSession::Ending;

TEST_CASE("session: a whole dialogue, word for word") {
  SessionFixture fixture;
  const std::string heard = fixture.talk(join({hello, mail, rcpt, message, "QUIT\r\n"}));
  CHECK(heard ==
        "220 relay.example.net ESMTP\r\n"
        "250-relay.example.net\r\n"
        "250-PIPELINING\r\n"
        "250-SIZE 52428800\r\n"
        "250-8BITMIME\r\n"
        "250-CHUNKING\r\n"
        "250-BINARYMIME\r\n"
        "250-FUTURERELEASE 2592000 " +
            to_rfc3339(fixture.loop.date() + std::chrono::days(30)) +
            "\r\n"
            "250-XTLS encrypt verify\r\n"
            "250-LIMITS RCPTMAX=1000\r\n"
            "250 ENHANCEDSTATUSCODES\r\n"
            "250 2.1.0 sender ok\r\n"
            "250 2.1.5 recipient ok\r\n"
            "354 send the message, end with CRLF . CRLF\r\n"
            "250 2.0.0 queued as 00000000000000000000000000\r\n"
            "221 2.0.0 goodbye\r\n");
  REQUIRE(fixture.handler.received.size() == 1);
  const Received& got = fixture.handler.received[0];
  CHECK(got.envelope.reverse_path == "a@example.net");
  REQUIRE(got.envelope.recipients.size() == 1);
  CHECK(got.envelope.recipients[0].address == "b@example.org");
  CHECK(got.body == "Subject: x\r\n\r\nhi\r\n");
  CHECK(*fixture.ending == Ending::quit);
  CHECK(fixture.script.closed);
}

TEST_CASE("X13 mail may be sent later, and TLS asked for it, by who may relay (RFC 4865)") {
  SessionFixture fixture;
  const SystemTime now = fixture.loop.date();
  const auto from = [](const std::string& parameters) {
    return "MAIL FROM:<a@example.net> " + parameters + "\r\nRSET\r\n";
  };
  const std::string in_a_week = "HOLDUNTIL=" + to_rfc3339(now + std::chrono::days(7));
  CHECK(codes(fixture.talk(join({hello, from("HOLDFOR=2592001"), from("HOLDUNTIL=2001-01-01T00:00:00Z"),
                                 "MAIL FROM:<a@example.net> XTLS=verify " + in_a_week + "\r\n", rcpt,
                                 message}))) == "220 250 501 250 501 250 250 250 354 250");
  REQUIRE(fixture.handler.received.size() == 1);
  const Envelope& envelope = fixture.handler.received[0].envelope;
  CHECK(std::chrono::abs(envelope.not_before - (now + std::chrono::days(7))) <= std::chrono::seconds(1));
  CHECK(envelope.flags.tls_need == TlsNeed::verify);

  SessionFixture past;  // what was to be sent a moment ago is sent now
  past.talk(
      join({hello, "MAIL FROM:<a@example.net> HOLDUNTIL=" + to_rfc3339(now - std::chrono::hours(1)) + "\r\n",
            rcpt, message}));
  REQUIRE(past.handler.received.size() == 1);
  CHECK(past.handler.received[0].envelope.not_before == SystemTime{});

  SessionFixture stranger;
  stranger.handler.trusts = false;
  const std::string heard = stranger.talk(join({hello, from("HOLDFOR=60"), from("XTLS=verify")}));
  CHECK(heard.find("FUTURERELEASE") == std::string::npos);
  CHECK(heard.find("XTLS") == std::string::npos);
  CHECK(codes(heard) == "220 250 555 250 555 250");
}

TEST_CASE("session: the same in slices of every size") {
  const std::string input = join({hello, mail, rcpt, message, mail, rcpt, rcpt, message, "QUIT\r\n"});
  for (std::size_t slice = 1; slice < input.size(); ++slice) {
    SessionFixture fixture;
    REQUIRE(codes(fixture.talk(input, slice)) == "220 250 250 250 354 250 250 250 250 354 250 221");
    REQUIRE(fixture.handler.received.size() == 2);
    REQUIRE(fixture.handler.received[1].envelope.recipients.size() == 2);
  }
}

TEST_CASE("M7 commands and their replies") {
  const struct {
    std::string_view input, replies;
  } rows[] = {
      {"NOOP\r\n", "250"},
      {"NOOP whatever\r\n", "250"},
      {"RSET\r\n", "250"},
      {"VRFY someone\r\n", "252"},
      {"HELP\r\n", "214"},
      {"EXPN list\r\n", "502"},
      {"HELO other\r\n", "250"},
      {"XYZZY\r\n", "500"},
      {"\r\n", "500"},
      {"RSET now\r\nNOOP\r\n", "501 250"},
      {"QUIT now\r\nNOOP\r\n", "501 250"},
      {"STARTTLS\r\n", "502"},
      {"EHLO\r\n", "501"},
      {"EHLO two\twords\r\n", "501"},
      {"MAIL\r\n", "501"},
      {"RCPT TO:<b@example.org>\r\n", "503"},
      {"DATA\r\nNOOP\r\n", "503 250"},
      {"QUIT\r\nNOOP\r\n", "221"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.input);
    SessionFixture fixture;
    CHECK(after_hello(fixture, row.input) == row.replies);
  }
}

TEST_CASE("M8 order: EHLO first, MAIL once, RCPT before DATA") {
  const struct {
    std::string_view input, replies;
    std::size_t messages;
  } rows[] = {
      {"MAIL FROM:<>\r\n", "220 503", 0},
      {"RSET\r\nNOOP\r\nVRFY x\r\nHELP\r\nQUIT\r\n", "220 250 250 252 214 221", 0},
      {"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n.\r\n", "220 250 250 250 354 250", 1},
      // A second MAIL ends the transaction: nothing is put together from two halves.
      {"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nMAIL FROM:<>\r\nRCPT "
       "TO:<b@example.org>\r\nDATA\r\n",
       "220 250 250 250 503 503 503", 0},
      // EHLO, HELO and RSET end it too; refused, they leave it.
      {"HELO c\r\nMAIL FROM:<>\r\nEHLO c\r\nRCPT TO:<b@example.org>\r\n", "220 250 250 250 503", 0},
      {"HELO c\r\nMAIL FROM:<>\r\nRSET\r\nRCPT TO:<b@example.org>\r\n", "220 250 250 250 503", 0},
      {"HELO c\r\nMAIL FROM:<>\r\nEHLO\r\nRSET x\r\nRCPT TO:<b@example.org>\r\nDATA\r\n.\r\n",
       "220 250 250 501 501 250 354 250", 1},
      // No valid recipient: 554, and the transaction is over (RFC 2920 §3.1).
      {"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<refused@example.org>\r\nDATA\r\nMAIL FROM:<>\r\n",
       "220 250 250 550 554 250", 0},
      // One refused recipient does not touch the others.
      {"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<refused@example.org>\r\nDATA\r\n.\r\n",
       "220 250 250 250 550 354 250", 1},
      {"HELO c\r\nMAIL FROM:<full@example.net>\r\nRCPT TO:<b@example.org>\r\n", "220 250 452 503", 0},
      {"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA now\r\nDATA\r\n", "220 250 250 250 501 503",
       0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.input);
    SessionFixture fixture;
    CHECK(codes(fixture.talk(std::string(row.input))) == row.replies);
    CHECK(fixture.handler.received.size() == row.messages);
  }
}

TEST_CASE(
    "N13 every 2yz, 4yz and 5yz line carries an enhanced code of its class, but for greeting, HELO and "
    "EHLO") {
  SessionFixture fixture;
  const std::string heard = fixture.talk(
      join({"HELO c\r\nEHLO\r\nNOOP\r\nVRFY x\r\nHELP\r\nEXPN x\r\nXYZZY\r\nAUTH PLAIN x\r\nMAIL "
            "FROM:<full@example.net>\r\n",
            "MAIL FROM:<> X=1\r\nMAIL FROM:x\r\n", mail, "RCPT TO:<refused@example.org>\r\nRCPT TO:<x>\r\n",
            rcpt, message, "DATA\r\nRSET\r\nQUIT\r\n"}));
  std::size_t seen = 0;
  std::string_view rest = heard;
  for (int line_number = 0; !rest.empty(); ++line_number) {
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    rest.remove_prefix(line.size() + 2);
    CAPTURE(line);
    if (line_number < 3 || line[0] == '3') {
      CHECK(!(line.size() > 6 && line[5] == '.'));
      continue;
    }
    CHECK(line[4] == line[0]);
    CHECK(line[5] == '.');
    ++seen;
  }
  CHECK(seen == 17);
}

TEST_CASE("MAIL parameters meet what is offered (M11, T1, X1)") {
  const struct {
    std::string_view parameters, reply;
  } rows[] = {
      {" BODY=8BITMIME SIZE=1000", "250"},
      {" SIZE=52428800", "250"},
      {" SIZE=52428801", "552"},
      {" SIZE=99999999999999999999", "552"},
      {" SMTPUTF8", "555"},
      {" AUTH=<>", "555"},
      {" RET=HDRS", "555"},
      {" REQUIRETLS", "530"},
      {" REQUIRETLS=1", "501"},
      {" X", "555"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.parameters);
    SessionFixture fixture;
    CHECK(after_hello(fixture, join({"MAIL FROM:<a@example.net>", row.parameters, "\r\n"})) == row.reply);
  }
  SessionFixture fixture;
  CHECK(codes(fixture.talk("HELO c\r\nMAIL FROM:<> SIZE=1\r\nMAIL FROM:<>\r\n")) == "220 250 555 250");
}

TEST_CASE("X6 SMTPUTF8 is offered, and holds for the transaction that said it (RFC 6531 §3)") {
  SessionFixture fixture;
  fixture.options->offer_smtputf8 = true;
  const std::string heard = fixture.talk(join(
      {hello, "MAIL FROM:<\xc3\xa4@example.net> SMTPUTF8\r\nRCPT TO:<\xc3\xbc@b\xc3\xbc.example>\r\n",
       "DATA\r\nSubject: \xc3\xbc\r\n\r\nhi\r\n.\r\n", mail, "RCPT TO:<\xc3\xbc@example.org>\r\n",
       "RCPT TO:<b@b\xc3\xbc.example>\r\n", "RSET\r\nMAIL FROM:<\xc3\xa4@example.net>\r\n", "QUIT\r\n"}));
  CHECK(heard.find("250-SMTPUTF8\r\n") != std::string::npos);
  CHECK(codes(heard) == "220 250 250 250 354 250 250 501 501 250 501 221");
  REQUIRE(fixture.handler.received.size() == 1);
  const Envelope& envelope = fixture.handler.received[0].envelope;
  CHECK(envelope.smtputf8);
  CHECK(envelope.reverse_path == "\xc3\xa4@example.net");
  CHECK(envelope.recipients[0].address == "\xc3\xbc@xn--b-eha.example");

  SessionFixture old;  // HELO offers nothing
  old.options->offer_smtputf8 = true;
  CHECK(codes(old.talk("HELO c\r\nMAIL FROM:<> SMTPUTF8\r\nMAIL FROM:<\xc3\xa4@example.net>\r\n")) ==
        "220 250 555 501");
}

TEST_CASE("X6 a stranger's header beyond ASCII is taken with SMTPUTF8, and refused without") {
  for (const bool said : {true, false}) {
    SessionFixture fixture;
    fixture.options->offer_smtputf8 = true;
    fixture.handler.trusts = false;
    CHECK(codes(fixture.talk(join({hello, said ? "MAIL FROM:<> SMTPUTF8\r\n" : "MAIL FROM:<>\r\n", rcpt,
                                   "DATA\r\nSubject: \xc3\xbc\r\n\r\nhi\r\n.\r\n"}))) ==
          (said ? "220 250 250 250 354 250" : "220 250 250 250 354 550"));
  }
}

TEST_CASE("N1 DSN parameters reach the envelope when DSN is offered") {
  SessionFixture fixture;
  fixture.options->offer_dsn = true;
  const std::string heard = fixture.talk(join(
      {hello, "MAIL FROM:<a@example.net> RET=HDRS ENVID=x+2By\r\n",
       "RCPT TO:<b@example.org> NOTIFY=DELAY,FAILURE ORCPT=rfc822;B@example.org\r\n", message, "QUIT\r\n"}));
  CHECK(heard.find("250-DSN\r\n") != std::string::npos);
  REQUIRE(fixture.handler.received.size() == 1);
  const Envelope& envelope = fixture.handler.received[0].envelope;
  CHECK(envelope.ret == 2);
  CHECK(envelope.envid == "x+y");
  CHECK(envelope.recipients[0].notify == (notify_delay | notify_failure));
  CHECK(envelope.recipients[0].original == "rfc822;B@example.org");
}

TEST_CASE("M12 recipients over the limit get 452, those before it the message (T-29)") {
  SessionFixture fixture;
  fixture.options->limits.recipients = 100;
  std::string input = join({hello, mail});
  for (int i = 0; i < 103; ++i) input += "RCPT TO:<r" + std::to_string(i) + "@example.org>\r\n";
  const std::string heard = fixture.talk(input + std::string(message));
  CHECK(codes(heard).find("250 452 452 452 354 250") != std::string::npos);
  CHECK(heard.find("LIMITS RCPTMAX=100") != std::string::npos);
  REQUIRE(fixture.handler.received.size() == 1);
  CHECK(fixture.handler.received[0].envelope.recipients.size() == 100);
}

TEST_CASE("X2 a pipelined group is answered in order, with one write") {
  SessionFixture fixture;
  fixture.open();
  fixture.say(hello);
  const std::size_t before = fixture.script.writes;
  const std::string group =
      fixture.say(join({mail, rcpt, "RCPT TO:<refused@example.org>\r\n", rcpt, "DATA\r\n"}));
  CHECK(codes(group) == "250 250 550 250 354");
  CHECK(fixture.script.writes == before + 1);
  // What follows the final dot belongs to the next group.
  const std::string next = fixture.say(join({"x\r\n.\r\n", mail, rcpt, "DATA\r\n"}));
  CHECK(codes(next) == "250 250 250 354");
  CHECK(fixture.script.writes == before + 2);
}

TEST_CASE("T-05 AUTH is refused in clear and changes nothing") {
  for (const std::string_view auth : {"AUTH PLAIN AGEAYg==", "AUTH LOGIN", "auth plain", "AUTH"}) {
    SessionFixture fixture;
    CHECK(after_hello(fixture, join({auth, "\r\n", mail, rcpt, message})) == "503 250 250 354 250");
    CHECK(fixture.handler.refusals == std::vector<std::string>{"AUTH 503"});
  }
  SessionFixture fixture;
  CHECK(fixture.talk(join({hello, "QUIT\r\n"})).find("AUTH") == std::string::npos);
}

TEST_CASE("T-06 a web client is shown out at its first line") {
  for (const std::string_view request :
       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n", "OPTIONS * HTTP/1.1\r\n", "put /x HTTP/1.0\r\n"}) {
    CAPTURE(request);
    SessionFixture fixture;
    const std::string heard = fixture.talk(join({request, hello, mail, rcpt, message}));
    CHECK(codes(heard) == "220 421");
    CHECK(fixture.handler.begun == 0);
    CHECK(*fixture.ending == Ending::abuse);
  }
}

TEST_CASE("D-28 drain: a waiting session goes at once, one in a transaction when that is over") {
  SessionFixture idle;
  idle.open();
  idle.say(hello);
  idle.session->drain();
  idle.loop.settle();
  CHECK(codes(idle.script.take()) == "421");
  CHECK(*idle.ending == Ending::shut_down);

  SessionFixture busy;
  busy.open();
  busy.say(join({hello, mail}));
  busy.session->drain();
  busy.loop.settle();
  CHECK(!busy.ending);
  CHECK(codes(busy.say(rcpt)) == "250");
  CHECK(codes(busy.say("DATA\r\n")) == "354");
  CHECK(codes(busy.say("x\r\n.\r\n")) == "250 421");
  CHECK(*busy.ending == Ending::shut_down);
  CHECK(busy.handler.received.size() == 1);
}

TEST_CASE("session: a client that goes away leaves nothing behind, at every octet") {
  const std::string input = join({hello, mail, rcpt, message});
  for (std::size_t cut = 0; cut < input.size(); ++cut) {
    SessionFixture fixture;
    fixture.talk(input.substr(0, cut));
    REQUIRE(*fixture.ending == Ending::closed);
    REQUIRE(fixture.handler.received.empty());
    REQUIRE(fixture.handler.begun == fixture.handler.dropped);
  }
}

TEST_CASE("session: destroyed at every point where it waits") {
  const std::string input = join({hello, mail, rcpt, message});
  for (std::size_t cut = 0; cut <= input.size(); ++cut) {
    SessionFixture fixture;
    fixture.open();
    fixture.say(std::string_view(input).substr(0, cut));
    fixture.scope.cancel();
    REQUIRE(fixture.script.reader == nullptr);
    REQUIRE(fixture.handler.begun == fixture.handler.dropped + fixture.handler.received.size());
  }
}
