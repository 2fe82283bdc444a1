// SPDX-License-Identifier: Apache-2.0
#include "dns/name.hpp"

#include <doctest.h>

using namespace sealpost::dns;

TEST_CASE("normal_name: what mail may ask for") {
  CHECK(normal_name("Example.NET") == "example.net");
  CHECK(normal_name("example.net.") == "example.net");
  CHECK(normal_name("_25._tcp.MX1.example") == "_25._tcp.mx1.example");
  CHECK(normal_name("xn--bcher-kva.example") == "xn--bcher-kva.example");
  const std::string label(63, 'a');
  CHECK(normal_name(label + ".b") == label + ".b");
  const std::string long_name = label + "." + label + "." + label + "." + std::string(61, 'a');
  CHECK(normal_name(long_name) == long_name);  // 253 octets
  CHECK(normal_name(long_name + ".").has_value());

  for (const auto bad : {"", ".", "..", "a..b", ".a", "a b", "a\\.b",
                         "b\xC3\xBC"
                         "cher.example",
                         "a/b", "a@b", "a\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(normal_name(bad));
  }
  CHECK_FALSE(normal_name(std::string_view("a\0b", 3)));
  CHECK_FALSE(normal_name(label + "a.b"));
  CHECK_FALSE(normal_name(long_name + "a"));
}

TEST_CASE("is_mail_domain: addresses and escaped names are none") {
  CHECK(is_mail_domain("mx1.example"));
  CHECK(is_mail_domain("1.2.3.4a"));
  CHECK(is_mail_domain("under_score.example"));
  CHECK_FALSE(is_mail_domain(""));
  CHECK_FALSE(is_mail_domain("192.0.2.1"));
  CHECK_FALSE(is_mail_domain("a\\046b.example"));
}
