// SPDX-License-Identifier: Apache-2.0
//
// STARTTLS as a client (RFC 3207): injection (T-02, TLS-02), the twelve ways to strip it (T-03), state across the
// handshake (T-04, TLS-03), refusals (TLS-08).
#include <doctest.h>

#include <functional>

#include "scripted_peer.hpp"

using namespace sealpost;
using namespace sealpost::smtp;
using namespace sealpost::test;

TEST_CASE("T-04: what was said in clear is forgotten and asked again") {
  Talk talk;
  talk.peer.says["EHLO"] = {
      "250-clear.test\r\n250-PIPELINING\r\n250-SIZE 5\r\n250-DSN\r\n250-LIMITS RCPTMAX=1\r\n250 STARTTLS\r\n",
      "250-inside.test\r\n250-8BITMIME\r\n250 REQUIRETLS\r\n"};
  REQUIRE(talk.open());
  CHECK(talk.session->extensions().pipelining);
  const auto started = talk.start_tls();
  REQUIRE(started);
  CHECK(started->starttls == StartTls::established);
  CHECK(started->tls.version == TlsVersion::tls1_3);
  CHECK(started->offers_requiretls);
  CHECK(talk.session->encrypted());
  const Extensions& now = talk.session->extensions();
  CHECK_FALSE((now.pipelining || now.size || now.dsn || now.starttls || now.rcpt_max));
  CHECK(now.eight_bit_mime);
  CHECK(now.server_name == "inside.test");
  CHECK(talk.peer.heard == std::vector<std::string>{"EHLO relay.test", "STARTTLS", "EHLO relay.test"});
  talk.send(message_to({"a@mx.test"}, 77));
  CHECK(talk.peer.heard[3] == "MAIL FROM:<sender@source.test>");
}

TEST_CASE("T-04: forgotten also when nothing is said anew") {
  Talk talk;
  talk.peer.says["EHLO"].push_back("500 no\r\n");
  REQUIRE(talk.open());
  const auto started = talk.start_tls();
  REQUIRE_FALSE(started);
  CHECK(started.error().stage == Stage::ehlo);
  const Extensions& now = talk.session->extensions();
  CHECK_FALSE((now.esmtp || now.pipelining || now.size || now.starttls));
}

TEST_CASE("T-04: STARTTLS is neither offered to us nor asked for inside TLS") {
  Talk talk;
  REQUIRE(talk.open());
  REQUIRE(talk.start_tls());
  CHECK(talk.session->extensions().starttls);  // the peer says so again; it changes nothing
  REQUIRE(talk.start_tls());
  CHECK(talk.peer.count("STARTTLS") == 1);
  CHECK(talk.tls.handshakes == 1);
}

TEST_CASE("T-02: clear text behind the 220 ends the session before the handshake") {
  const std::string injected = "250-evil.test\r\n250 PIPELINING\r\n";
  for (std::size_t octets = 1; octets <= injected.size(); ++octets) {
    CAPTURE(octets);
    Talk talk;
    talk.peer.always("STARTTLS", "220 go\r\n" + injected.substr(0, octets));
    REQUIRE(talk.open());
    const auto started = talk.start_tls();
    REQUIRE_FALSE(started);
    CHECK(started.error().stage == Stage::handshake);
    CHECK(started.error().error.code == Errc::protocol);
    CHECK(talk.session->facts().starttls == StartTls::handshake_failed);
    CHECK(talk.session->facts().handshake_error == "starttls-response-injection");
    CHECK(talk.tls.handshakes == 0);
    CHECK(talk.session->broken());
    CHECK(talk.send(message_to({"a@mx.test"})).failure);
    CHECK(talk.peer.heard.back() == "STARTTLS");
  }
}

TEST_CASE("T-03: twelve ways to strip TLS, and what the session makes of each") {
  struct Row {
    const char* name;
    std::function<void(Talk&)> arrange;
    bool opens;   // greeting and EHLO succeed
    bool starts;  // start_tls() gives facts
    StartTls outcome;
    bool goes_on;             // the session could be used in clear, if the caller wanted that
    bool allow_helo = false;  // as a caller that needs TLS opens it
  };
  const std::string without = "250-mx.test\r\n250 PIPELINING\r\n";
  const std::vector<Row> rows{
      {"keyword missing", [&](Talk& t) { t.peer.always("EHLO", without); }, true, true, StartTls::not_offered,
       true},
      {"keyword overwritten", [](Talk& t) { t.peer.always("EHLO", "250-mx\r\n250 XXXXXXXX\r\n"); }, true,
       true, StartTls::not_offered, true},
      {"EHLO refused 502", [](Talk& t) { t.peer.always("EHLO", "502 no\r\n"); }, false, false,
       StartTls::not_tried, true},
      {"EHLO refused 502, HELO allowed", [](Talk& t) { t.peer.always("EHLO", "502 no\r\n"); }, true, true,
       StartTls::not_offered, true, true},
      {"EHLO refused 451", [](Talk& t) { t.peer.always("EHLO", "451 no\r\n"); }, false, false,
       StartTls::not_tried, true},
      {"454 to STARTTLS", [](Talk& t) { t.peer.always("STARTTLS", "454 4.7.0 not now\r\n"); }, true, true,
       StartTls::refused, true},
      {"502 to STARTTLS", [](Talk& t) { t.peer.always("STARTTLS", "502 5.5.1 what\r\n"); }, true, true,
       StartTls::refused, true},
      {"421 to STARTTLS", [](Talk& t) { t.peer.always("STARTTLS", "421 bye\r\n"); }, true, false,
       StartTls::refused, false},
      {"nonsense to STARTTLS", [](Talk& t) { t.peer.always("STARTTLS", "?\r\n"); }, true, false,
       StartTls::handshake_failed, false},
      {"connection closed at STARTTLS",
       [](Talk& t) {
         t.peer.always("STARTTLS", {"", Say::hang_up});
       },
       true, false, StartTls::handshake_failed, false},
      {"connection reset at STARTTLS",
       [](Talk& t) {
         t.wire.wire->cut_after(t.wire.wire->carried() + 200);
         t.peer.always("STARTTLS", std::string(300, 'x'));
       },
       true, false, StartTls::handshake_failed, false},
      {"silence at STARTTLS",
       [](Talk& t) {
         t.peer.always("STARTTLS", {"", Say::fall_silent});
       },
       true, false, StartTls::handshake_failed, false},
      {"handshake refused",
       [](Talk& t) { t.tls.failure = Error(Errc::tls, "tlsv1-alert-handshake-failure"); }, true, false,
       StartTls::handshake_failed, false},
      {"EHLO refused inside TLS", [](Talk& t) { t.peer.says["EHLO"].push_back("500 no\r\n"); }, true, false,
       StartTls::established, true},
  };
  CHECK(rows.size() >= 12);
  for (const Row& row : rows) {
    CAPTURE(row.name);
    Talk talk;
    row.arrange(talk);
    const auto opened = talk.open(row.allow_helo);
    CHECK(opened.has_value() == row.opens);
    if (row.opens) {
      const auto started = talk.start_tls();
      CHECK(started.has_value() == row.starts);
      if (started) CHECK(started->starttls == row.outcome);
    }
    CHECK(talk.session->facts().starttls == row.outcome);
    CHECK(talk.session->broken() == !row.goes_on);
    if (row.outcome == StartTls::refused) CHECK_FALSE(talk.session->facts().starttls_reply.empty());
    if (row.outcome == StartTls::handshake_failed) CHECK_FALSE(talk.session->facts().handshake_error.empty());
    CHECK(talk.peer.count("MAIL") == 0);
  }
}

TEST_CASE("TLS-08: a refused STARTTLS is a fact, and the session goes on in clear for those who want it") {
  Talk talk;
  talk.peer.always("STARTTLS", "454 4.7.0 TLS not available\r\n");
  REQUIRE(talk.open());
  const auto started = talk.start_tls();
  REQUIRE(started);
  CHECK(started->starttls_reply == "454 4.7.0 TLS not available");
  CHECK(talk.send(message_to({"a@mx.test"})).final->positive());
}

TEST_CASE("the reason of a failed handshake is printable, whatever it was") {
  Talk talk;
  talk.tls.failure = Error(Errc::tls, "tlsv1-alert-protocol-version");
  REQUIRE(talk.open());
  const auto started = talk.start_tls();
  REQUIRE_FALSE(started);
  CHECK(started.error().stage == Stage::handshake);
  CHECK(talk.session->facts().handshake_error == "tlsv1-alert-protocol-version");
  CHECK(talk.session->stale());
  talk.quit();  // nothing to say it on
  CHECK(talk.peer.heard.back() == "STARTTLS");
}
