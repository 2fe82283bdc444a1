// SPDX-License-Identifier: Apache-2.0
#include "dns/servers.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace sealpost::dns;

namespace {

std::vector<Endpoint> endpoints(std::initializer_list<const char*> texts) {
  std::vector<Endpoint> list;
  for (const auto* text : texts) list.push_back(*parse_server(text));
  return list;
}

}  // namespace

TEST_CASE("parse_server: an address, or an address and a port") {
  CHECK(parse_server("127.0.0.1")->to_string() == "127.0.0.1:53");
  CHECK(parse_server("::1")->to_string() == "[::1]:53");
  CHECK(parse_server("192.0.2.53:5353")->to_string() == "192.0.2.53:5353");
  CHECK(parse_server("[2001:db8::1]:5353")->to_string() == "[2001:db8::1]:5353");
  for (const auto* bad : {"", "ns.example", "127.0.0.1:", "127.0.0.1:0x35", "[::1", "1.2.3"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_server(bad));
  }
}

TEST_CASE("DANE-08, D2: one server beyond loopback spoils the trust in all") {
  CHECK(trusts_ad(TrustAd::loopback, endpoints({"127.0.0.1"})));
  CHECK(trusts_ad(TrustAd::loopback, endpoints({"127.0.0.53", "[::1]:5353"})));
  CHECK_FALSE(trusts_ad(TrustAd::loopback, endpoints({"127.0.0.11"})));  // T-10: it hands on what others said
  CHECK_FALSE(trusts_ad(TrustAd::loopback, endpoints({"192.0.2.53"})));
  CHECK_FALSE(trusts_ad(TrustAd::loopback, endpoints({"127.0.0.1", "192.0.2.53"})));
  CHECK_FALSE(trusts_ad(TrustAd::loopback, endpoints({"10.0.0.1"})));
  CHECK(trusts_ad(TrustAd::always, endpoints({"192.0.2.53"})));
  CHECK_FALSE(trusts_ad(TrustAd::never, endpoints({"127.0.0.1"})));
  CHECK(parse_trust_ad("loopback") == TrustAd::loopback);
  CHECK(parse_trust_ad("always") == TrustAd::always);
  CHECK(parse_trust_ad("never") == TrustAd::never);
  CHECK_FALSE(parse_trust_ad("Always"));
}

TEST_CASE("resolv.conf: its nameserver lines, three at most, and nothing else (D3)") {
  CHECK(parse_resolv_conf(
            "# comment\nsearch corp.example\nnameserver 192.0.2.1\nnameserver\t2001:db8::1 # two\r\n"
            "options edns0\n") == endpoints({"192.0.2.1", "2001:db8::1"}));
  CHECK(parse_resolv_conf(
            "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4") ==
        endpoints({"192.0.2.1", "192.0.2.2", "192.0.2.3"}));
  CHECK(parse_resolv_conf(
            "nameserver fe80::1%eth0\nnameserver ns.example\nnameservers 192.0.2.9\n#nameserver 192.0.2.8\n"
            "nameserver")
            .empty());
  CHECK(system_servers("/nonexistent/resolv.conf") == endpoints({"127.0.0.1"}));
}
