// SPDX-License-Identifier: Apache-2.0
//
// STARTTLS as a session handles it, over a scripted TLS layer.
#include <doctest.h>

#include "fake_tls.hpp"
#include "server_fixture.hpp"

using namespace sealpost;
using namespace sealpost::test;
using Ending = smtp::ServerSession::Ending;

namespace {

struct TlsFixture : SessionFixture {
  TlsFixture() {
    inside.end = false;
    tls = std::make_shared<FakeTls>(loop, inside);
    options->tls = tls;
  }
  ~TlsFixture() { scope.cancel(); }
  std::string say_inside(std::string_view input) {
    inside.say(input);
    loop.settle();
    return inside.take();
  }
  Script inside;
  std::shared_ptr<FakeTls> tls;
};

}  // namespace

TEST_CASE("TLS-03 T-04 inside TLS all that was said before is forgotten") {
  TlsFixture fixture;
  fixture.open();
  CHECK(fixture.say("EHLO outside.example.net\r\n").find("250-STARTTLS\r\n") != std::string::npos);
  CHECK(codes(fixture.say("MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n")) == "250 250");
  CHECK(codes(fixture.say("STARTTLS\r\n")) == "220");
  CHECK(fixture.session->info().helo.empty());
  CHECK(!fixture.session->in_transaction());
  CHECK(codes(fixture.say_inside("RCPT TO:<b@example.org>\r\n")) == "503");
  CHECK(codes(fixture.say_inside("DATA\r\n")) == "503");
  CHECK(codes(fixture.say_inside("MAIL FROM:<a@example.net>\r\n")) == "503");
  const std::string inner = fixture.say_inside("EHLO inside.example.net\r\n");
  CHECK(inner.find("STARTTLS") == std::string::npos);
  CHECK(codes(fixture.say_inside("STARTTLS\r\n")) == "503");
  CHECK(codes(fixture.say_inside("MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")) ==
        "250 250 354");
  CHECK(codes(fixture.say_inside("x\r\n.\r\nQUIT\r\n")) == "250 221");
  REQUIRE(fixture.handler.received.size() == 1);
  CHECK(fixture.handler.received[0].envelope.recipients.size() == 1);
  CHECK(fixture.session->info().tls->cipher == "TLS_AES_256_GCM_SHA384");
}

TEST_CASE("TLS-01 T-01 what is sent behind STARTTLS never runs, split at every octet") {
  const std::string input = "EHLO c\r\nSTARTTLS\r\nNOOP\r\nMAIL FROM:<evil@example.net>\r\n";
  for (std::size_t split = 0; split <= input.size(); ++split) {
    TlsFixture fixture;
    fixture.open();
    std::string heard = fixture.say(std::string_view(input).substr(0, split));
    heard += fixture.say(std::string_view(input).substr(split));
    heard += fixture.say_inside("EHLO inside\r\n");
    fixture.script.hang_up();
    fixture.loop.run();
    heard += fixture.script.take();
    CAPTURE(split);
    CAPTURE(heard);
    // Nothing after STARTTLS is answered as a command: only its own reply (or the refusal) follows EHLO's.
    // When the split falls right behind STARTTLS, the handshake is over before the rest comes, and it goes to
    // nobody.
    const std::string after = codes(heard);
    CHECK((after == "250 421" || after == "250 220" || after == "250 220 250"));
    CHECK(fixture.handler.begun == 0);
  }
}

TEST_CASE("T-01 a session in the clear is not gone on with after a failed handshake") {
  TlsFixture fixture;
  fixture.tls->fail = true;
  fixture.open();
  CHECK(codes(fixture.say("EHLO c\r\nSTARTTLS\r\n")) == "250 220");
  REQUIRE(fixture.ending);
  CHECK(*fixture.ending == Ending::failed);
  CHECK(fixture.say("NOOP\r\n").empty());
  CHECK(fixture.handler.refusals == std::vector<std::string>{"tls tls"});
}

TEST_CASE("T7 STARTTLS takes no argument, and the session goes on after 501") {
  TlsFixture fixture;
  fixture.open();
  CHECK(codes(fixture.say("EHLO c\r\nSTARTTLS now\r\nNOOP\r\n")) == "250 501 250");
}

TEST_CASE("T1 REQUIRETLS is offered inside TLS only, and reaches the envelope") {
  TlsFixture fixture;
  fixture.options->offer_requiretls = true;
  fixture.open();
  CHECK(fixture.say("EHLO c\r\n").find("REQUIRETLS") == std::string::npos);
  CHECK(codes(fixture.say("MAIL FROM:<a@example.net> REQUIRETLS\r\n")) == "530");
  CHECK(codes(fixture.say("STARTTLS\r\n")) == "220");
  CHECK(fixture.say_inside("EHLO c\r\n").find("250-REQUIRETLS\r\n") != std::string::npos);
  fixture.say_inside("MAIL FROM:<a@example.net> REQUIRETLS\r\nRCPT TO:<b@example.org>\r\nDATA\r\n");
  CHECK(codes(fixture.say_inside("x\r\n.\r\n")) == "250");
  REQUIRE(fixture.handler.received.size() == 1);
  CHECK(fixture.handler.received[0].envelope.flags.requiretls);
}
