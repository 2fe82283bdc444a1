// SPDX-License-Identifier: Apache-2.0
#include "intake/proxy_header.hpp"

#include <doctest.h>

#include "intake_fixture.hpp"

using namespace sealpost;
using namespace sealpost::intake;
using namespace sealpost::test;

namespace {

const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string version_2(unsigned char command, unsigned char family, const std::string& rest) {
  std::string octets = signature;
  octets += static_cast<char>(command);
  octets += static_cast<char>(family);
  octets += static_cast<char>(rest.size() >> 8);
  octets += static_cast<char>(rest.size() & 0xff);
  return octets + rest;
}

const std::string v4 =
    std::string("\xc6\x33\x64\x07\xc0\x00\x02\x01", 8) + std::string("\x9c\x40\x00\x19", 4);
const std::string v6 = "\x20\x01\x0d\xb8" + std::string(11, '\0') + "\x07" + "\x20\x01\x0d\xb8" +
                       std::string(11, '\0') + "\x01" + std::string("\x9c\x40\x00\x19", 4);

// Reads as introduce() does, and leaves `rest`: what it found, or "invalid"; "-" when nobody is named.
std::string read(std::string_view input, std::string_view& rest) {
  std::string octets;
  for (;;) {
    const auto header = read_proxy_header(octets);
    if (!header) return "invalid";
    rest = input.substr(octets.size());
    if (header->wanted == 0) {
      if (!header->client) return "-";
      return header->client->peer.to_string() + " " + header->client->local.to_string();
    }
    if (header->wanted > rest.size()) return "more";
    octets += rest.substr(0, header->wanted);
  }
}

}  // namespace

TEST_CASE("PROXY protocol: who is spoken for, and not an octet too many") {
  const struct {
    std::string header;
    std::string_view found;
  } rows[] = {
      {"PROXY TCP4 198.51.100.7 192.0.2.1 40000 25\r\n", "198.51.100.7:40000 192.0.2.1:25"},
      {"PROXY TCP6 2001:db8::7 2001:db8::1 40000 25\r\n", "[2001:db8::7]:40000 [2001:db8::1]:25"},
      {"PROXY TCP6 ::ffff:198.51.100.7 2001:db8::1 0 65535\r\n", "198.51.100.7:0 [2001:db8::1]:65535"},
      {"PROXY UNKNOWN\r\n", "-"},
      {"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "-"},
      {version_2(0x21, 0x11, v4), "198.51.100.7:40000 192.0.2.1:25"},
      {version_2(0x21, 0x11, v4 + "with a TLV behind it"), "198.51.100.7:40000 192.0.2.1:25"},
      {version_2(0x21, 0x21, v6), "[2001:db8::7]:40000 [2001:db8::1]:25"},
      {version_2(0x20, 0x00, ""), "-"},
      {version_2(0x20, 0x11, v4), "-"},
      {version_2(0x21, 0x31, std::string(216, 'u')), "-"},
      {version_2(0x21, 0x00, ""), "-"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.header);
    const std::string input = row.header + "EHLO client\r\n";
    std::string_view rest;
    CHECK(read(input, rest) == row.found);
    CHECK(rest == "EHLO client\r\n");
    for (std::size_t cut = 0; cut < row.header.size(); ++cut)
      REQUIRE(read(std::string_view(row.header).substr(0, cut), rest) == "more");
  }
}

TEST_CASE("PROXY protocol: what is none") {
  std::string_view rest;
  const std::string rows[] = {
      "EHLO client\r\n",
      "proxy TCP4 198.51.100.7 192.0.2.1 40000 25\r\n",
      "PROXY  TCP4 198.51.100.7 192.0.2.1 40000 25\r\n",
      "PROXY TCP4 198.51.100.7 192.0.2.1 40000\r\n0123456789",
      "PROXY TCP4 198.51.100.7 192.0.2.1 40000 25 \r\n",
      "PROXY TCP4 198.51.100.7 192.0.2.1 40000 25\n" + std::string(100, 'x'),
      "PROXY TCP4 198.51.100.7 192.0.2.1 40000 25\r" + std::string(100, '\r') + "\r\n",
      "PROXY TCP4 2001:db8::7 192.0.2.1 40000 25\r\n",
      "PROXY TCP6 198.51.100.7 2001:db8::1 40000 25\r\n",
      "PROXY TCP4 198.51.100.07 192.0.2.1 40000 25\r\n",
      "PROXY TCP4 198.51.100.7 192.0.2.1 65536 25\r\n",
      "PROXY TCP4 198.51.100.7 192.0.2.1 040 25\r\n",
      "PROXY TCP4 198.51.100.7 192.0.2.1 +4 25\r\n",
      "PROXY UDP4 198.51.100.7 192.0.2.1 40000 25\r\n",
      "PROXY UNKNOWN" + std::string(100, ' ') + "\r\n",
      version_2(0x22, 0x11, v4),
      version_2(0x11, 0x11, v4),
      version_2(0x21, 0x11, v4.substr(1)),
      version_2(0x21, 0x21, v4),
      version_2(0x21, 0x11, v4 + std::string(2033, 't')),
      "\r\n\r\n\r\n\r\n\r\n\r\n\r\n",
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", 12),
  };
  for (const std::string& row : rows) {
    CAPTURE(row);
    CHECK(read(row, rest) == "invalid");
  }
}

TEST_CASE(
    "T-30 a proxy's word counts from its network only, and who may relay is decided by the client it names") {
  const auto talk = [](std::string_view from, std::string_view says) {
    IntakeFixture fixture;
    fixture.proxies = {*Network::parse("203.0.113.0/24")};
    Script& client = fixture.connect(from);
    return fixture.say(
        client, std::string(says) + hello + "MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n");
  };
  const std::string insider = "PROXY TCP4 192.0.2.7 192.0.2.1 40000 25\r\n";
  const std::string outsider = "PROXY TCP4 198.51.100.7 192.0.2.1 40000 25\r\n";
  CHECK(talk("203.0.113.1", insider).find("250 2.1.5 ") != std::string::npos);
  CHECK(talk("203.0.113.1", outsider).find("554 5.7.1 ") != std::string::npos);
  CHECK(talk("203.0.113.1", "PROXY UNKNOWN\r\n").find("554 5.7.1 ") != std::string::npos);
  CHECK(talk("203.0.113.1", version_2(0x20, 0, "")).find("554 5.7.1 ") != std::string::npos);
  CHECK(talk("203.0.113.1", "").empty());  // closed without a word
  // From elsewhere the header is a command like others, and a wrong one.
  CHECK(talk("198.51.100.9", insider).find("554 5.7.1 ") != std::string::npos);
  CHECK(talk("198.51.100.9", insider).starts_with("500 5.5.1 "));
}

TEST_CASE("T-27 a proxy's own look at the relay is answered while strangers find no place") {
  IntakeFixture fixture;
  fixture.caps.total = 4;
  fixture.caps.strangers = 1;
  fixture.proxies = {*Network::parse("203.0.113.0/24")};
  CHECK(fixture.connect("198.51.100.1").take().starts_with("220 "));
  CHECK(fixture.connect("198.51.101.1").take().starts_with("421 4.7.0"));
  for (const std::string& header : {std::string("PROXY UNKNOWN\r\n"), version_2(0x20, 0, "")})
    CHECK(fixture.say(fixture.connect("203.0.113.1"), header).starts_with("220 "));
  CHECK(fixture.limits().open() == 3);
  CHECK(fixture.say(fixture.connect("203.0.113.1"), "PROXY TCP4 198.51.102.1 192.0.2.1 40000 25\r\n")
            .starts_with("421 4.7.0"));
}

TEST_CASE("T-30 a proxy that may relay itself lends that to nobody") {
  IntakeFixture fixture;
  fixture.proxies = {*Network::parse("192.0.2.0/24")};
  Script& client = fixture.connect("192.0.2.7");
  CHECK(fixture
            .say(client,
                 "PROXY UNKNOWN\r\n" + hello + "MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n")
            .find("554 5.7.1 ") != std::string::npos);
}

TEST_CASE(
    "T-26 a proxy that says nothing, or half of it, is waited for five seconds; Received names the client") {
  IntakeFixture fixture;
  fixture.proxies = {*Network::parse("203.0.113.0/24")};
  Script& silent = fixture.connect("203.0.113.1");
  CHECK(silent.output.empty());  // no greeting either
  fixture.say(silent, "PROXY TCP4 192.0.2");
  fixture.loop.advance(std::chrono::seconds(6));
  CHECK(silent.closed);
  CHECK(silent.output.empty());
  CHECK(fixture.counters.turned_away == 1);
  Script& client = fixture.connect("203.0.113.1");
  fixture.say(client, "PROXY TCP4 192.0.2.7 192.0.2.1 40000 25\r\n" + hello + envelope);
  fixture.say(client, "x\r\n.\r\n");
  REQUIRE(fixture.spool.stored.size() == 1);
  CHECK(fixture.spool.body(0).find("from client.example.net ([192.0.2.7])") != std::string::npos);
}
