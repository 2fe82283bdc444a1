// SPDX-License-Identifier: Apache-2.0
//
// AUTH as a client (RFC 4954 §4): its lines, its end, and what a peer does with it that it should not.
#include <doctest.h>

#include "auth/sasl_client.hpp"
#include "base/text.hpp"
#include "scripted_peer.hpp"

using namespace sealpost;
using namespace sealpost::smtp;
using namespace sealpost::test;

namespace {

struct Login : Talk {
  Login() {
    account.user = "relay";
    account.password = auth::Secret("secret-of-ours");
  }
  SessionResult<Reply> log_in(const char* mechanism, std::string token = {}) {
    REQUIRE(open());
    auth::SaslOffer offer;
    offer.mechanisms = {mechanism};
    const auto client = auth::choose_mechanism(account, std::move(token), offer);
    REQUIRE(client);
    return run(session->authenticate(*client));
  }
  auth::ClientAccount account;
};

const std::string plain = text::base64(std::string("\0relay\0secret-of-ours", 21));

}  // namespace

TEST_CASE("X7 AUTH with an initial response, and what the server says to it") {
  Login talk;
  talk.peer.says["AUTH"] = {"235 2.7.0 welcome\r\n"};
  const auto said = talk.log_in("PLAIN");
  REQUIRE(said);
  CHECK(said->code == 235);
  CHECK(talk.peer.heard.back() == "AUTH PLAIN " + plain);
  CHECK_FALSE(talk.session->broken());
  CHECK(talk.send(message_to({"a@mx.test"})).final->positive());
}

TEST_CASE("X7 a refusal is a value, 421 ends the session") {
  for (const char* no : {"535 5.7.8 no\r\n", "454 4.7.0 later\r\n", "504 what\r\n"}) {
    Login talk;
    talk.peer.says["AUTH"] = {no};
    const auto said = talk.log_in("PLAIN");
    REQUIRE(said);
    CHECK_FALSE(said->positive());
    CHECK_FALSE(talk.session->broken());
  }
  Login talk;
  talk.peer.says["AUTH"] = {"421 4.7.0 too many\r\n"};
  const auto said = talk.log_in("PLAIN");
  REQUIRE_FALSE(said);
  CHECK(said.error().reply);
  CHECK(talk.session->broken());
}

TEST_CASE("X7 LOGIN step by step, and a token that is too long for the command's line") {
  Login talk;
  talk.peer.says["AUTH"] = {"334 VXNlcm5hbWU6\r\n"};
  talk.peer.says[text::base64("relay")] = {"334 UGFzc3dvcmQ6\r\n"};
  talk.peer.says[text::base64("secret-of-ours")] = {"235 yes\r\n"};
  CHECK(talk.log_in("LOGIN")->positive());

  Login bearer;
  const std::string token(2000, 't');
  bearer.peer.says["AUTH"] = {"334\r\n"};
  const std::string said = text::base64("user=relay\1auth=Bearer " + token + "\1\1");
  bearer.peer.says[said] = {"235 yes\r\n"};
  CHECK(bearer.log_in("XOAUTH2", token)->positive());
  CHECK(bearer.peer.heard[bearer.peer.heard.size() - 2] == "AUTH XOAUTH2");
  CHECK(bearer.peer.heard.back() == said);
}

TEST_CASE("T-31 a yes without the proof that SCRAM asks for is no login") {
  Login talk;
  talk.peer.says["AUTH"] = {"235 2.7.0 welcome, whoever you are\r\n"};
  const auto said = talk.log_in("SCRAM-SHA-256");
  REQUIRE_FALSE(said);
  CHECK(said.error().error.code == Errc::refused);
  CHECK(talk.session->broken());
}

TEST_CASE("X7 what is not what the mechanism wants to hear is answered with a star") {
  for (const char* challenge : {"334 !!!\r\n", "334 bm8=\r\n"}) {
    Login talk;
    talk.peer.says["AUTH"] = {challenge};
    talk.peer.says["*"] = {"501 5.7.0 cancelled\r\n"};
    REQUIRE_FALSE(talk.log_in("SCRAM-SHA-256"));
    CHECK(talk.peer.heard.back() == "*");
  }
}

TEST_CASE("T-25 AUTH comes to an end") {
  Login talk;
  talk.peer.says["AUTH"] = {"334\r\n"};
  talk.peer.says[""].push_back("334\r\n");
  talk.peer.says["*"] = {"501 no\r\n"};
  const auto said = talk.log_in("XOAUTH2", "token");
  CHECK_FALSE(said);
}

TEST_CASE("T-05 a peer that repeats what we said does not get it into our log") {
  Login talk;
  talk.peer.says["AUTH"] = {"535-5.7.8 cannot decode " + plain + "\r\n535 5.7.8 sorry\r\n"};
  const auto said = talk.log_in("PLAIN");
  REQUIRE(said);
  CHECK(said->to_string().find(plain) == std::string::npos);
  CHECK(said->to_string().find("sorry") != std::string::npos);
}

TEST_CASE("T-05 nor what it repeats decoded, or while it ends the session") {
  for (const std::string& word : {plain, std::string("secret-of-ours")}) {
    for (const char* code : {"535 5.7.8 ", "421 4.7.0 ", "no reply: "}) {
      CAPTURE(word);
      CAPTURE(code);
      Login talk;
      talk.peer.says["AUTH"] = {code + ("no account with " + word) + "\r\n"};
      const auto said = talk.log_in("PLAIN");
      const std::string words = said ? said->to_string() : said.error().error.detail;
      CHECK(words.find(word) == std::string::npos);
      CHECK(words.find("repeat ours") != std::string::npos);
      const bool last_word = !said && said.error().reply;
      if (last_word) CHECK(said.error().reply->to_string().find(word) == std::string::npos);
    }
  }
}

TEST_CASE("RFC 8314 §3 TLS from the first octet: greeting and EHLO come inside it") {
  Talk talk;
  talk.session.emplace(std::move(talk.wire.client), "relay.test", talk.limits);
  talk.scope.spawn(talk.peer.run(std::move(talk.wire.server)));
  REQUIRE(talk.run(talk.session->secure(talk.tls, {})));
  REQUIRE(talk.run(talk.session->open(false)));
  CHECK(talk.session->encrypted());
  CHECK(talk.session->facts().tls.version == TlsVersion::tls1_3);
  CHECK(talk.peer.heard == std::vector<std::string>{"EHLO relay.test"});

  Talk failing;
  failing.tls.failure = Error(Errc::tls, "no");
  failing.session.emplace(std::move(failing.wire.client), "relay.test", failing.limits);
  REQUIRE_FALSE(failing.run(failing.session->secure(failing.tls, {})));
  CHECK(failing.session->facts().starttls == StartTls::handshake_failed);
  CHECK(failing.session->broken());
}
