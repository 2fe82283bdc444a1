// SPDX-License-Identifier: Apache-2.0
//
// What is taken for Dovecot's word, and what is not.
#include "auth/dovecot_protocol.hpp"

#include <doctest.h>

#include "base/text.hpp"

using namespace sealpost;
using namespace sealpost::auth;

namespace {

using ReplyKind = DovecotReply::Kind;

// Up to the first error or DONE; nothing: neither came.
std::optional<bool> greeted(std::initializer_list<const char*> lines, DovecotGreeting& greeting) {
  for (const char* line : lines) {
    const auto heard = greeting.hear(line);
    if (!heard) return false;
    if (*heard) return true;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("Dovecot's greeting: version 1 of any kind, and whether it takes PLAIN") {
  DovecotGreeting whole, older, other, none, unsaid;
  CHECK(greeted({"VERSION\t1\t2", "MECH\tLOGIN\tplaintext", "MECH\tPLAIN\tplaintext", "SPID\t1", "CUID\t2",
                 "COOKIE\tff", "NEWS\tof\t2030", "DONE"},
                whole) == true);
  CHECK(whole.has_plain());
  CHECK(greeted({"VERSION\t1\t1", "MECH\tCRAM-MD5\tdictionary", "DONE"}, older) == true);
  CHECK_FALSE(older.has_plain());
  CHECK(greeted({"VERSION\t2\t0"}, other) == false);
  CHECK(greeted({"VERSION"}, none) == false);
  CHECK(greeted({"MECH\tPLAIN", "DONE"}, unsaid) == false);
  DovecotGreeting endless;
  unsigned heard = 0;
  while (endless.hear("MECH\tX")) ++heard;
  CHECK(heard == 200);
  CHECK_FALSE(DovecotGreeting().hear(std::string(longest_dovecot_line, 'x')));
}

TEST_CASE("Dovecot's answers: OK with a user, FAIL and whose fault, CONT; what is none is none") {
  struct Case {
    const char* line;
    ReplyKind kind;
    const char* user;
  };
  for (const Case& one :
       {Case{"OK\t7\tuser=anna", ReplyKind::right, "anna"},
        Case{"OK\t7\thome=/x\tuser=an\001tna\001n\0011", ReplyKind::right, "an\tna\n\001"},
        Case{"OK\t7\tuser=anna\tnologin", ReplyKind::wrong, "anna"},
        Case{"OK\t7\tuser=anna\tnologin=\treason=moved", ReplyKind::wrong, "anna"},
        Case{"OK\t7\tuser=anna\tnologin\tproxy\thost=192.0.2.9", ReplyKind::right, "anna"},
        Case{"OK\t7\tuser=nologin\tnologins", ReplyKind::right, "nologin"},
        Case{"OK\t7\t\tuser=anna\t", ReplyKind::right, "anna"}, Case{"FAIL\t7", ReplyKind::wrong, ""},
        Case{"FAIL\t7\tuser=anna\treason=x", ReplyKind::wrong, ""},
        Case{"FAIL\t7\tuser=anna\tcode=user_disabled", ReplyKind::wrong, ""},
        Case{"FAIL\t7\tuser=anna\ttemp", ReplyKind::no_answer, ""},
        Case{"FAIL\t7\tcode=temp_fail", ReplyKind::no_answer, ""},
        Case{"FAIL\t7\treason=Unsupported\tcode=mech_invalid", ReplyKind::no_answer, ""},
        Case{"FAIL\t7\tuser=temp", ReplyKind::wrong, ""},
        Case{"CONT\t7\tVXNlcg==", ReplyKind::goes_on, ""}}) {
    CAPTURE(one.line);
    const auto reply = parse_dovecot_reply(one.line);
    REQUIRE(reply);
    REQUIRE(*reply);
    CHECK((*reply)->kind == one.kind);
    CHECK((*reply)->id == 7);
    CHECK((*reply)->user == one.user);
  }
  for (const char* line : {"OK", "OK\t", "OK\tx\tuser=a", "OK\t-1\tuser=a", "OK\t4294967296\tuser=a", "OK\t7",
                           "OK\t7\tuser=", "OK\t7\tuser=a\tuser=b", "OK\t7\tuser=a\001", "OK\t7\tuser=a\001x",
                           "FAIL", "CONT\tx"}) {
    CAPTURE(line);
    CHECK_FALSE(parse_dovecot_reply(line));
  }
  for (const char* line : {"", "ok\t7\tuser=a", "OK 7 user=a", "MECH\tX", "OKAY\t7\tuser=a"}) {
    CAPTURE(line);
    const auto reply = parse_dovecot_reply(line);
    REQUIRE(reply);
    CHECK_FALSE(*reply);
  }
  CHECK_FALSE(parse_dovecot_reply("OK\t7\tuser=" + std::string(longest_dovecot_line, 'x')));
}

TEST_CASE("what Dovecot is asked: the response last, and nothing of the client's outside of it") {
  const IpAddress client = *IpAddress::parse("2001:db8::1"), local = *IpAddress::parse("192.0.2.1");
  const std::string plain("\0an\tna\0a\nb", 11);
  CHECK(dovecot_request(9, client, local, plain) ==
        "AUTH\t9\tPLAIN\tservice=smtp\tsecured\tnologin\tno-penalty\tlip=192.0.2.1\trip=2001:db8::1\tresp=" +
            text::base64(plain) + "\n");
  CHECK(dovecot_request(9, client, std::nullopt, "").find("lip=") == std::string::npos);
  CHECK(dovecot_hello(12) == "VERSION\t1\t1\nCPID\t12\n");
}
