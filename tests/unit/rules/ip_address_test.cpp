// SPDX-License-Identifier: Apache-2.0
#include "sealpost/ip_address.hpp"

#include <doctest.h>

#include <string>

using namespace sealpost;

namespace {

IpAddress address(std::string_view text) {
  const auto parsed = IpAddress::parse(text);
  REQUIRE_MESSAGE(parsed.has_value(), std::string(text));
  return *parsed;
}

}  // namespace

TEST_CASE("addresses are read and written in their canonical form (RFC 5952, RFC 4291)") {
  struct Row {
    const char *text, *canonical;
  };
  const Row rows[] = {
      {"192.0.2.1", "192.0.2.1"},
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:DB8::1", "2001:db8::1"},
      {"2001:0db8:0000:0000:0000:0000:0002:0001", "2001:db8::2:1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // one zero group is not shortened (§4.2.2)
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longest run (§4.2.3)
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // the first of equals (§4.2.3)
      {"0:0:1:1:1:1:0:0", "::1:1:1:1:0:0"},
      {"1:0:0:0:0:0:0:0", "1::"},
      {"::1:2", "::1:2"},                 // not mistaken for ::0.1.0.2
      {"::ffff:192.0.2.1", "192.0.2.1"},  // mapped: IPv4
      {"::FFFF:c000:0201", "192.0.2.1"},
      {"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const IpAddress parsed = address(row.text);
    CHECK(parsed.to_string() == row.canonical);
    CHECK(address(row.canonical) == parsed);
  }
}

TEST_CASE("what is no address is refused") {
  const std::string_view rows[] = {
      "",
      "1",
      "1.2.3",
      "1.2.3.4.5",
      "01.2.3.4",
      "1.2.3.256",
      "1.2.3.4 ",
      " ::1",
      "[::1]",
      "fe80::1%eth0",
      ":::",
      "1::2::3",
      "12345::",
      "1:2:3:4:5:6:7",
      "::1.2.3",
      "0x7f.1.1.1",
      "127.1",
      "1:2:3:4:5:6:7:8:9",
      std::string_view("127.0.0.1\0", 10),
      "1111111111111111111111111111111111111111111111111111",
  };
  for (const auto row : rows) {
    CAPTURE(std::string(row));
    CHECK_FALSE(IpAddress::parse(row).has_value());
  }
}

TEST_CASE("SMTP literals (RFC 5321 §4.1.3)") {
  CHECK(address("192.0.2.1").to_smtp_literal() == "[192.0.2.1]");
  CHECK(address("2001:db8::1").to_smtp_literal() == "[IPv6:2001:db8::1]");
}

TEST_CASE("T-20 a stranger cannot make us connect to special addresses") {
  struct Row {
    const char* text;
    bool special;
  };
  const Row rows[] = {
      // first and last of every IPv4 range, and their neighbours
      {"0.0.0.0", true},
      {"0.255.255.255", true},
      {"1.0.0.0", false},
      {"9.255.255.255", false},
      {"10.0.0.0", true},
      {"10.255.255.255", true},
      {"11.0.0.0", false},
      {"100.63.255.255", false},
      {"100.64.0.0", true},
      {"100.127.255.255", true},
      {"100.128.0.0", false},
      {"126.255.255.255", false},
      {"127.0.0.0", true},
      {"127.255.255.255", true},
      {"128.0.0.0", false},
      {"169.253.255.255", false},
      {"169.254.0.0", true},
      {"169.254.169.254", true},
      {"169.254.255.255", true},
      {"169.255.0.0", false},
      {"172.15.255.255", false},
      {"172.16.0.0", true},
      {"172.31.255.255", true},
      {"172.32.0.0", false},
      {"191.255.255.255", false},
      {"192.0.0.0", true},
      {"192.0.0.255", true},
      {"192.0.1.0", false},
      {"192.0.2.0", true},
      {"192.0.2.255", true},
      {"192.0.3.0", false},
      {"192.88.98.255", false},
      {"192.88.99.0", true},
      {"192.88.99.255", true},
      {"192.88.100.0", false},
      {"192.167.255.255", false},
      {"192.168.0.0", true},
      {"192.168.255.255", true},
      {"192.169.0.0", false},
      {"198.17.255.255", false},
      {"198.18.0.0", true},
      {"198.19.255.255", true},
      {"198.20.0.0", false},
      {"198.51.99.255", false},
      {"198.51.100.0", true},
      {"198.51.100.255", true},
      {"198.51.101.0", false},
      {"203.0.112.255", false},
      {"203.0.113.0", true},
      {"203.0.113.255", true},
      {"203.0.114.0", false},
      {"223.255.255.255", false},
      {"224.0.0.0", true},
      {"239.255.255.255", true},
      {"240.0.0.0", true},
      {"255.255.255.255", true},
      {"8.8.8.8", false},
      {"93.184.216.34", false},
      // mapped addresses are what they hide
      {"::ffff:127.0.0.1", true},
      {"::ffff:10.0.0.1", true},
      {"::ffff:8.8.8.8", false},
      // IPv6
      {"::", true},
      {"::1", true},
      {"::127.0.0.1", true},
      {"::8.8.8.8", true},
      {"64:ff9b::a9fe:a9fe", true},
      {"64:ff9b:1::1", true},
      {"100::1", true},
      {"100:0:0:1::1", true},
      {"1fff:ffff::", true},
      {"2000::", false},
      {"2001::1", true},
      {"2001:0:a9fe:a9fe::", true},
      {"2001:2::1", true},
      {"2001:10::1", true},
      {"2001:20::1", true},
      {"2001:1ff:ffff::1", true},
      {"2001:200::1", false},
      {"2001:4860:4860::8888", false},
      {"2001:db7:ffff::1", false},
      {"2001:db8::1", true},
      {"2001:db8:ffff::1", true},
      {"2001:db9::1", false},
      {"2001:ffff::1", false},
      {"2002::1", true},
      {"2002:7f00:1::", true},
      {"2002:ffff::1", true},
      {"2003::1", false},
      {"2a00:1450::1", false},
      {"3ffe::1", false},
      {"3fff::1", true},
      {"3fff:fff::1", true},
      {"3fff:1000::1", false},
      {"4000::1", true},
      {"5f00::1", true},
      {"fc00::1", true},
      {"fdff::1", true},
      {"fe80::1", true},
      {"febf::1", true},
      {"fec0::1", true},
      {"ff02::1", true},
      {"ffff::1", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(address(row.text).is_special() == row.special);
  }
}

TEST_CASE("loopback") {
  for (const char* text : {"127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"})
    CHECK(address(text).is_loopback());
  for (const char* text : {"126.0.0.1", "128.0.0.1", "::", "::2", "0.0.0.0"})
    CHECK_FALSE(address(text).is_loopback());
}

TEST_CASE("networks") {
  struct Row {
    const char *network, *address;
    bool contains;
  };
  const Row rows[] = {
      {"192.0.2.0/24", "192.0.2.255", true},
      {"192.0.2.0/24", "192.0.3.0", false},
      {"192.0.2.128/25", "192.0.2.127", false},
      {"192.0.2.128/25", "192.0.2.128", true},
      {"0.0.0.0/0", "203.0.113.7", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"192.0.2.1", "192.0.2.1", true},
      {"192.0.2.1", "192.0.2.2", false},
      {"::/0", "2001:db8::1", true},
      {"::/0", "192.0.2.1", false},
      {"2001:db8::/33", "2001:db8:8000::", false},
      {"2001:db8::/33", "2001:db8:7fff::", true},
      {"::1", "::1", true},
      {"::ffff:10.0.0.0/104", "10.200.0.1", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.network);
    CAPTURE(row.address);
    const auto network = Network::parse(row.network);
    REQUIRE(network.has_value());
    CHECK(network->contains(address(row.address)) == row.contains);
  }
  for (const char* text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.1/8", "2001:db8::/129",
        "2001:db8::1/64", "::ffff:10.0.0.0/95", "10.0.0.0/0008", "10.0.0.0/+8", "x/8"}) {
    CAPTURE(text);
    CHECK_FALSE(Network::parse(text).has_value());
  }
  CHECK(Network::parse("10.0.0.0/8")->to_string() == "10.0.0.0/8");
  CHECK(Network::parse("2001:DB8::/32")->to_string() == "2001:db8::/32");
}

TEST_CASE("endpoints") {
  CHECK(Endpoint::parse("127.0.0.1:25")->to_string() == "127.0.0.1:25");
  CHECK(Endpoint::parse("[::1]:2525")->to_string() == "[::1]:2525");
  CHECK(Endpoint::parse("[::1]:0")->port == 0);
  for (const char* text :
       {"", "25", ":25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:000025", "::1:25", "[::1]",
        "[::1]25", "[127.0.0.1]:25", "localhost:25", "127.0.0.1:2a", "127.0.0.1:-1", "[]:25"}) {
    CAPTURE(text);
    CHECK_FALSE(Endpoint::parse(text).has_value());
  }
}
