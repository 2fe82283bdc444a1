// SPDX-License-Identifier: Apache-2.0
//
// Dialogues of the client with a well-meaning server: what goes out, in which order, and what comes back for each
// recipient (RFC 5321 §3.3, §4.5.4; RFC 2920; SMTP-05).
#include <doctest.h>

#include "scripted_peer.hpp"
#include "smtp/client_command.hpp"

using namespace sealpost;
using namespace sealpost::smtp;
using namespace sealpost::test;

namespace {

using Lines = std::vector<std::string>;

int code(const std::optional<Reply>& reply) { return reply ? reply->code : 0; }

std::vector<int> rcpt_codes(const TransactionResult& result) {
  std::vector<int> codes;
  for (const auto& reply : result.rcpt) codes.push_back(code(reply));
  return codes;
}

}  // namespace

TEST_CASE("one message, pipelined: envelope in one write, body and dot in another") {
  Talk talk;
  REQUIRE(talk.open());
  const auto before = talk.wire.wire->carried();
  const auto result = talk.send(message_to({"a@mx.test", "b@mx.test"}, 7), {".hello\r\n"});
  CHECK_FALSE(result.failure);
  CHECK(rcpt_codes(result) == std::vector{250, 250});
  CHECK(code(result.final) == 250);
  CHECK(result.final->to_string() == "250 2.0.0 taken as 1");
  CHECK(talk.peer.heard == Lines{"EHLO relay.test", "MAIL FROM:<sender@source.test> SIZE=7",
                                 "RCPT TO:<a@mx.test>", "RCPT TO:<b@mx.test>", "DATA"});
  CHECK(talk.peer.data == "..hello\r\n.\r\n");
  CHECK(talk.wire.wire->carried() > before);
  talk.quit();
  CHECK(talk.peer.heard.back() == "QUIT");
  CHECK(talk.session->broken());
}

TEST_CASE("without PIPELINING every command waits for its reply, and SIZE is for those who offer it") {
  Talk talk;
  talk.peer.always("EHLO", "250 mx.test\r\n");
  REQUIRE(talk.open());
  const auto result = talk.send(message_to({"a@mx.test"}, 7));
  CHECK(code(result.final) == 250);
  CHECK(talk.peer.heard ==
        Lines{"EHLO relay.test", "MAIL FROM:<sender@source.test>", "RCPT TO:<a@mx.test>", "DATA"});
}

TEST_CASE("round trips: two for a pipelined message, four for one that is not") {
  for (const bool pipelining : {true, false}) {
    event::SimLink link;
    link.latency = std::chrono::milliseconds(50);
    Talk talk(link);
    if (!pipelining) talk.peer.always("EHLO", "250 mx.test\r\n");
    REQUIRE(talk.open());
    const SteadyTime start = talk.loop.now();
    CHECK(code(talk.send(message_to({"a@mx.test"})).final) == 250);
    CHECK(talk.loop.now() - start == std::chrono::milliseconds(pipelining ? 200 : 400));
  }
}

TEST_CASE(
    "N8 ORCPT that grows beyond 500 octets in ASCII stays out, and its recipient is told (RFC 3461 §4.2)") {
  for (const std::size_t letters : {80U, 90U}) {
    std::string original = "utf-8;";
    for (std::size_t i = 0; i < letters; ++i) original += "\xc3\xbc";  // six octets each, then
    Recipient recipient;
    recipient.address = "b@b.example";
    recipient.original = original;
    Extensions extensions;
    extensions.dsn = true;
    std::string line;
    append_rcpt(line, recipient, extensions);
    CHECK(line.starts_with("RCPT TO:<b@b.example>"));
    CHECK(line.ends_with("\r\n"));
    CHECK((line.find("ORCPT=utf-8;") != line.npos) == (letters == 80));
  }
}

TEST_CASE("parameters of MAIL and RCPT follow what is offered") {
  const auto message = message_to({"a@mx.test", "b@mx.test"}, 99);
  message->envelope.reverse_path = "";
  message->envelope.body = BodyType::eight_bit_mime;
  message->envelope.flags.requiretls = true;
  message->envelope.ret = 2;
  message->envelope.envid = "id+1";
  message->envelope.recipients[0].notify = notify_success | notify_failure | notify_delay;
  message->envelope.recipients[0].original = "rfc822;a+2Bb@x.test";
  message->envelope.recipients[1].notify = notify_never;
  SUBCASE("all") {
    Talk talk;
    talk.peer.always("EHLO", "250-mx\r\n250-SIZE\r\n250-8BITMIME\r\n250-DSN\r\n250 REQUIRETLS\r\n");
    REQUIRE(talk.open());
    CHECK(code(talk.send(message).final) == 250);
    CHECK(talk.peer.heard[1] == "MAIL FROM:<> SIZE=99 BODY=8BITMIME REQUIRETLS RET=HDRS ENVID=id+2B1");
    CHECK(talk.peer.heard[2] == "RCPT TO:<a@mx.test> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a+2Bb@x.test");
    CHECK(talk.peer.heard[3] == "RCPT TO:<b@mx.test> NOTIFY=NEVER");
  }
  SUBCASE("none") {
    Talk talk;
    talk.peer.always("EHLO", "250 mx\r\n");
    REQUIRE(talk.open());
    CHECK(code(talk.send(message).final) == 250);
    CHECK(talk.peer.heard[1] == "MAIL FROM:<>");
    CHECK(talk.peer.heard[2] == "RCPT TO:<a@mx.test>");
  }
}

TEST_CASE("M24: HELO for hosts that refuse EHLO, where the caller allows it") {
  for (const bool allowed : {true, false}) {
    Talk talk;
    talk.peer.always("EHLO", "502 5.5.1 what\r\n");
    const auto opened = talk.open(allowed);
    CHECK(opened.has_value() == allowed);
    CHECK(talk.peer.count("HELO") == (allowed ? 1 : 0));
    if (allowed) {
      CHECK_FALSE(opened->esmtp);
      CHECK(code(talk.send(message_to({"a@mx.test"}, 7)).final) == 250);
      CHECK(talk.peer.heard[2] == "MAIL FROM:<sender@source.test>");
    } else {
      CHECK(opened.error().stage == Stage::ehlo);
      CHECK(opened.error().reply->code == 502);
      CHECK_FALSE(talk.session->broken());
    }
  }
}

TEST_CASE("recipients have their own outcomes") {
  Talk talk;
  talk.peer.says["RCPT"] = {"250 ok\r\n", "550 5.1.1 nobody\r\n", "451 4.2.1 later\r\n", "250 ok\r\n"};
  REQUIRE(talk.open());
  const auto result = talk.send(message_to({"a@mx.test", "b@mx.test", "c@mx.test", "d@mx.test"}));
  CHECK(rcpt_codes(result) == std::vector{250, 550, 451, 250});
  CHECK(code(result.final) == 250);
  CHECK_FALSE(result.failure);
}

TEST_CASE("SMTP-05: too many recipients is a recipient's answer; the rest follows in another transaction") {
  for (const char* refusal : {"452 4.5.3 too many\r\n", "552 too many\r\n"}) {
    Talk talk;
    std::vector<std::string> recipients;
    for (int i = 0; i < 150; ++i) recipients.push_back("r" + std::to_string(i) + "@mx.test");
    talk.peer.says["RCPT"].assign(100, "250 ok\r\n");
    talk.peer.says["RCPT"].push_back(refusal);
    REQUIRE(talk.open());
    const auto result = talk.send(message_to(recipients));
    CHECK(code(result.final) == 250);
    CHECK(code(result.rcpt[99]) == 250);
    CHECK(code(result.rcpt[100]) == std::stoi(refusal));
    CHECK(code(result.rcpt[149]) == std::stoi(refusal));
    talk.peer.always("RCPT", "250 ok\r\n");
    recipients.erase(recipients.begin(), recipients.begin() + 100);
    CHECK(code(talk.send(message_to(recipients)).final) == 250);
    CHECK(talk.peer.messages == 2);
    CHECK(talk.peer.count("RSET") == 0);
  }
}

TEST_CASE("SMTP-05: 421 in the middle ends the session; what was answered before stands") {
  Talk talk;
  talk.peer.says["RCPT"] = {"250 ok\r\n", "550 nobody\r\n", {"421 4.3.2 closing\r\n", Say::hang_up}};
  REQUIRE(talk.open());
  const auto result = talk.send(message_to({"a@mx.test", "b@mx.test", "c@mx.test"}));
  CHECK(rcpt_codes(result) == std::vector{250, 550, 0});
  CHECK_FALSE(result.final);
  REQUIRE(result.failure);
  CHECK(result.failure->stage == Stage::rcpt);
  CHECK(result.failure->reply->code == 421);
  CHECK(talk.session->broken());
}

TEST_CASE("MAIL refused holds for all, whatever is said to the rest of the group") {
  Talk talk;
  talk.peer.always("MAIL", "550 5.7.1 no\r\n");
  talk.peer.always("RCPT", "503 no mail\r\n");
  talk.peer.always("DATA", "503 no mail\r\n");
  REQUIRE(talk.open());
  const auto result = talk.send(message_to({"a@mx.test"}));
  CHECK(code(result.mail) == 550);
  CHECK(rcpt_codes(result) == std::vector{0});
  CHECK_FALSE(result.final);
  CHECK_FALSE(result.failure);
  CHECK_FALSE(talk.session->broken());
  talk.peer.always("MAIL", "250 ok\r\n");
  talk.peer.always("RCPT", "250 ok\r\n");
  talk.peer.always("DATA", "354 go\r\n");
  CHECK(code(talk.send(message_to({"a@mx.test"})).final) == 250);
  CHECK(talk.peer.count("RSET") == 0);
}

TEST_CASE("M26: nobody accepted, yet the pipelined DATA got its 354: only a dot is sent") {
  Talk talk;
  talk.peer.always("RCPT", "550 5.1.1 nobody\r\n");
  talk.peer.always(".", "554 no valid recipients\r\n");
  REQUIRE(talk.open());
  const auto result = talk.send(message_to({"a@mx.test", "b@mx.test"}), {"secret\r\n"});
  CHECK(rcpt_codes(result) == std::vector{550, 550});
  CHECK_FALSE(result.final);
  CHECK_FALSE(result.failure);
  CHECK(talk.peer.data == ".\r\n");
  CHECK_FALSE(talk.session->broken());
}

TEST_CASE("an envelope left open is taken back before the next one") {
  Talk talk;
  talk.peer.always("RCPT", "550 nobody\r\n");
  talk.peer.always("DATA", "503 no recipients\r\n");
  REQUIRE(talk.open());
  CHECK_FALSE(talk.send(message_to({"a@mx.test"})).failure);
  talk.peer.always("RCPT", "250 ok\r\n");
  talk.peer.always("DATA", "354 go\r\n");
  SUBCASE("RSET goes out with what follows") {
    CHECK(code(talk.send(message_to({"b@mx.test"})).final) == 250);
    CHECK(talk.peer.count("RSET") == 1);
    CHECK(code(talk.send(message_to({"c@mx.test"})).final) == 250);
    CHECK(talk.peer.count("RSET") == 1);
  }
  SUBCASE("M29: a session that refuses RSET is not used again") {
    talk.peer.always("RSET", "500 what\r\n");
    const auto result = talk.send(message_to({"b@mx.test"}));
    REQUIRE(result.failure);
    CHECK(result.failure->stage == Stage::rset);
    CHECK(talk.session->broken());
    CHECK(talk.peer.messages == 0);
  }
}

TEST_CASE("DATA refused: the answer to all who were accepted") {
  for (const char* refusal : {"451 4.3.0 later\r\n", "554 5.7.1 no\r\n"}) {
    Talk talk;
    talk.peer.always("DATA", refusal);
    REQUIRE(talk.open());
    const auto result = talk.send(message_to({"a@mx.test"}));
    CHECK(rcpt_codes(result) == std::vector{250});
    CHECK(code(result.final) == std::stoi(refusal));
    CHECK_FALSE(result.failure);
  }
}

TEST_CASE("the final reply decides; 421 there means not taken") {
  for (const char* last : {"250 ok\r\n", "451 later\r\n", "554 no\r\n", "421 closing\r\n"}) {
    CAPTURE(last);
    Talk talk;
    talk.peer.always(".", last);
    REQUIRE(talk.open());
    const auto result = talk.send(message_to({"a@mx.test"}));
    CHECK(code(result.final) == std::stoi(last));
    CHECK_FALSE(result.failure);
    CHECK(talk.session->broken() == (std::stoi(last) == 421));
  }
}

TEST_CASE("a large envelope goes out in groups that cannot fill both windows") {
  event::SimLink link;
  link.window = 8192;
  Talk talk(link);
  talk.peer.always("RCPT", "250 2.1.5 " + std::string(60, 'x') + "\r\n");
  std::vector<std::string> recipients;
  for (int i = 0; i < 1000; ++i) recipients.push_back("recipient" + std::to_string(i) + "@mx.test");
  REQUIRE(talk.open());
  const auto result = talk.send(message_to(recipients));
  CHECK(code(result.final) == 250);
  CHECK(talk.peer.count("RCPT") == 1000);
}

TEST_CASE("bodies of every size arrive octet for octet, in slices of every size") {
  for (const std::size_t octets : {0UL, 1UL, 4000UL, 16383UL, 16384UL, 70000UL, 600000UL}) {
    for (const std::size_t slice : {std::size_t{3}, SIZE_MAX}) {
      if (slice == 3 && octets > 70000) continue;
      event::SimLink link;
      link.slice = slice;
      link.window = 30000;
      Talk talk(link);
      REQUIRE(talk.open());
      std::string body;
      while (body.size() < octets) {
        body += ".line " + std::to_string(body.size()) + std::string(body.size() % 700, 'x') + "\r\n";
        if (body.size() > 50000) body += std::string(40000, 'y') + "\r\n";
      }
      std::vector<std::string> pieces;
      for (std::size_t at = 0; at < body.size(); at += 100001) pieces.push_back(body.substr(at, 100001));
      CHECK(code(talk.send(message_to({"a@mx.test"}, body.size()), pieces).final) == 250);
      std::string expected;
      for (std::size_t at = 0; at < body.size();) {
        const std::size_t end = body.find("\r\n", at) + 2;
        if (body[at] == '.') expected += '.';
        expected += body.substr(at, end - at);
        at = end;
      }
      CHECK((talk.peer.data == expected + ".\r\n"));
    }
  }
}

TEST_CASE("a body that cannot be read is no message") {
  SUBCASE("at its beginning: nothing is said") {
    Talk talk;
    REQUIRE(talk.open());
    const auto result =
        talk.send(message_to({"a@mx.test"}), std::make_unique<Pieces>(std::vector<std::string>{}, 0));
    REQUIRE(result.failure);
    CHECK(result.failure->stage == Stage::body);
    CHECK(talk.peer.count("MAIL") == 0);
    CHECK_FALSE(talk.session->broken());
  }
  SUBCASE("later: the connection goes, and no dot") {
    Talk talk;
    REQUIRE(talk.open());
    auto body = std::make_unique<Pieces>(std::vector<std::string>{"half\r\n", "more\r\n"}, 1);
    const auto result = talk.send(message_to({"a@mx.test"}), std::move(body));
    REQUIRE(result.failure);
    CHECK(result.failure->stage == Stage::body);
    CHECK(talk.session->broken());
    CHECK_FALSE(result.final);
    talk.session.reset();
    talk.loop.settle();
    CHECK(talk.peer.messages == 0);
  }
}

TEST_CASE("T-23: an address that could end its line is never sent") {
  for (const char* address :
       {"a@b.test>\r\nRCPT TO:<c@d.test", "a\nb@c.test", "a\x01@b.test", "a\x7f@b.test"}) {
    Talk talk;
    REQUIRE(talk.open());
    const auto result = talk.send(message_to({"good@mx.test", address}));
    REQUIRE(result.failure);
    CHECK(result.failure->error.code == Errc::invalid);
    CHECK(talk.peer.heard.size() == 1);
  }
}

TEST_CASE("reuse: an idle session is fresh until the peer speaks or closes") {
  SUBCASE("fresh") {
    Talk talk;
    REQUIRE(talk.open());
    CHECK_FALSE(talk.session->stale());
    CHECK(code(talk.send(message_to({"a@mx.test"})).final) == 250);
    CHECK_FALSE(talk.session->stale());
    CHECK(code(talk.send(message_to({"a@mx.test"})).final) == 250);
  }
  SUBCASE("closed") {
    Talk talk;
    talk.peer.always(".", {"250 ok\r\n", Say::hang_up});
    REQUIRE(talk.open());
    CHECK(code(talk.send(message_to({"a@mx.test"})).final) == 250);
    talk.loop.settle();
    CHECK(talk.session->stale());
    CHECK(talk.session->broken());
  }
  SUBCASE("spoken") {
    Talk talk;
    talk.peer.always(".", "250 ok\r\n421 bored\r\n");
    REQUIRE(talk.open());
    CHECK(code(talk.send(message_to({"a@mx.test"})).final) == 250);
    talk.loop.settle();
    CHECK(talk.session->stale());
    const auto result = talk.send(message_to({"a@mx.test"}));
    CHECK(result.failure);
  }
}

TEST_CASE("QUIT waits briefly for 221, whatever comes") {
  for (const Say& last :
       {Say("221 bye\r\n"), Say("500 no\r\n"), Say("", Say::hang_up), Say("", Say::fall_silent)}) {
    Talk talk;
    talk.peer.always("QUIT", last);
    REQUIRE(talk.open());
    const SteadyTime start = talk.loop.now();
    talk.quit();
    CHECK(talk.loop.now() - start <= talk.limits.quit);
    CHECK(talk.peer.heard.back() == "QUIT");
  }
}

TEST_CASE("what a peer says before it hangs up in the middle of a body is kept") {
  event::SimLink link;
  link.window = 4096;
  Talk talk(link);
  talk.peer.data_step = 4096;
  talk.peer.data_most = 100000;
  const std::vector<std::string> pieces(20, std::string(50000, 'x') + "\r\n");
  SUBCASE("a refusal: the failure carries it") {
    talk.peer.always("too much", "552 5.3.4 message too big\r\n");
    REQUIRE(talk.open());
    const auto result = talk.send(message_to({"a@mx.test"}), pieces);
    REQUIRE(result.failure);
    CHECK(result.failure->stage == Stage::body);
    REQUIRE(result.failure->reply);
    CHECK(result.failure->reply->to_string() == "552 5.3.4 message too big");
  }
  SUBCASE("421 likewise") {
    talk.peer.always("too much", "421 closing\r\n");
    REQUIRE(talk.open());
    const auto result = talk.send(message_to({"a@mx.test"}), pieces);
    REQUIRE(result.failure);
    REQUIRE(result.failure->reply);
    CHECK(result.failure->reply->code == 421);
  }
  SUBCASE("a 250 for half a message is no success") {
    talk.peer.always("too much", "250 ok\r\n");
    REQUIRE(talk.open());
    const auto result = talk.send(message_to({"a@mx.test"}), pieces);
    REQUIRE(result.failure);
    CHECK_FALSE(result.failure->reply);
    CHECK_FALSE(result.final);
  }
  SUBCASE("nothing: the loss itself") {
    talk.peer.always("too much", "");
    REQUIRE(talk.open());
    const auto result = talk.send(message_to({"a@mx.test"}), pieces);
    REQUIRE(result.failure);
    CHECK(result.failure->stage == Stage::body);
    CHECK_FALSE(result.failure->reply);
  }
  CHECK(talk.session->broken());
}

TEST_CASE("a session may be dropped at any moment") {
  event::SimLink link;
  link.latency = std::chrono::milliseconds(1);
  link.window = 300;
  for (int milliseconds = 0; milliseconds < 60; ++milliseconds) {
    Talk talk(link);
    talk.limits.per_recipient = std::chrono::minutes(1);
    talk.session.emplace(std::move(talk.wire.client), "relay.test", talk.limits);
    auto life = [](Talk& of) -> event::Task<void> {
      auto opened = co_await of.session->open(true);
      CHECK(opened.has_value());
      auto started = co_await of.session->start_tls(of.tls, tls::ClientOptions());
      CHECK(started.has_value());
      Transaction transaction;
      transaction.message = message_to({"a@mx.test", "b@mx.test"});
      transaction.recipients = {0, 1};
      std::vector<std::string> pieces(3, std::string(2000, 'x') + "\r\n");
      auto body = std::make_unique<Pieces>(std::move(pieces));
      auto result = co_await of.session->transact(std::move(transaction), std::move(body));
      CHECK(result.final.has_value());
      co_await of.session->quit();
    };
    talk.scope.spawn(talk.peer.run(std::move(talk.wire.server)));
    event::TaskScope client(talk.loop);
    client.spawn(life(talk));
    talk.loop.advance(std::chrono::milliseconds(milliseconds));
    if (milliseconds == 59) CHECK(talk.peer.heard.back() == "QUIT");  // the whole life is covered
    client.cancel();
  }
}

TEST_CASE("the addresses of both ends are known after the connection is gone") {
  Talk talk;
  talk.tls.failure = Error(Errc::tls, "tlsv1-alert-internal-error");
  REQUIRE(talk.open());
  CHECK_FALSE(talk.start_tls());
  CHECK(talk.session->peer() == Endpoint());
  CHECK(talk.session->local() == Endpoint());
}
