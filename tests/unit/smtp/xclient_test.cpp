// SPDX-License-Identifier: Apache-2.0
#include "smtp/xclient.hpp"

#include <doctest.h>

#include "server_dialogue.hpp"

using namespace sealpost;
using namespace sealpost::smtp;
using namespace sealpost::test;

TEST_CASE("XCLIENT says whose commands follow") {
  const auto all =
      parse_xclient("NAME=client.example.net ADDR=192.0.2.7  PORT=4711 proto=esmtp HELO=Annas+20PC");
  REQUIRE(all);
  CHECK(all->names_client);
  CHECK(all->address == IpAddress::parse("192.0.2.7"));
  CHECK(all->port == 4711);
  CHECK(all->helo == "Annas?PC");
  CHECK(parse_xclient("ADDR=IPV6:2001:db8::7")->address == IpAddress::parse("2001:db8::7"));
  CHECK(parse_xclient("ADDR=2001:db8::7")->address == IpAddress::parse("2001:db8::7"));
  for (const char* unknown :
       {"ADDR=[UNAVAILABLE]", "addr=[tempunavail] PORT=[UNAVAILABLE] HELO=[UNAVAILABLE]"}) {
    const auto read = parse_xclient(unknown);
    REQUIRE(read);
    CHECK(read->names_client);
    CHECK_FALSE(read->address);
  }
  CHECK_FALSE(parse_xclient("NAME=other.example.net")->names_client);
}

TEST_CASE("T-23 what XCLIENT says and cannot be is refused whole") {
  for (const char* bad :
       {"", "ADDR", "ADDR=", "=", "ADDR=192.0.2", "ADDR=192.0.2.7 ADDR=192.0.2.8", "ADDR=IPV6:", "PORT=65536",
        "PORT=", "PORT=-1", "PORT=25x", "PROTO=HTTP", "LOGIN=anna", "DESTADDR=192.0.2.1", "HELO=a+0D+0Ab",
        "HELO=a+0", "NAME=+zz", "ADDR=192.0.2.7 nonsense"}) {
    CAPTURE(bad);
    const auto read = parse_xclient(bad);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == 501);
  }
}

TEST_CASE("T-30 XCLIENT is for who may speak for others, and begins a session anew") {
  SessionFixture stranger;
  CHECK(codes(stranger.talk("XCLIENT ADDR=192.0.2.7\r\nQUIT\r\n")) == "220 550 221");
  CHECK(stranger.handler.introductions.empty());

  SessionFixture fixture;
  fixture.handler.speaks_for_others = true;
  const std::string heard =
      fixture.talk(join({hello, "XCLIENT ADDR=192.0.2.7 PORT=4711 HELO=c.example\r\n", mail, hello, mail,
                         "XCLIENT ADDR=192.0.2.8\r\n", rcpt, message,
                         "XCLIENT ADDR=[UNAVAILABLE]\r\nXCLIENT HELO=d.example\r\nQUIT\r\n"}));
  CHECK(heard.find("250-XCLIENT NAME ADDR PORT PROTO HELO\r\n") != std::string::npos);
  CHECK(codes(heard) == "220 250 220 503 250 250 503 250 354 250 220 220 221");
  CHECK(fixture.handler.introductions == std::vector<std::string>{"192.0.2.7:4711", "unknown"});
  CHECK(fixture.handler.received.size() == 1);
}

TEST_CASE("T-27 a client that finds no place is gone with its session") {
  SessionFixture fixture;
  fixture.handler.speaks_for_others = true;
  fixture.handler.no_place = replies::too_many_connections;
  CHECK(codes(fixture.talk(join({"XCLIENT ADDR=192.0.2.7\r\n", hello}))) == "220 421");
  CHECK(fixture.script.closed);
}
