// SPDX-License-Identifier: Apache-2.0
#include "route/mx_lookup.hpp"

#include <doctest.h>

#include <set>

#include "../dns/table_resolver.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using dns::Dnssec;
using dns::RrType;
using dns::Status;

namespace {

struct MxWorld {
  event::SimLoop loop;
  dns::test::TableResolver table{loop};
  RoutingSettings settings;
  std::uint32_t seed = 1;

  MxWorld() {
    settings.own_names = {"relay.test"};
    settings.own_addresses = {IpAddress::parse("198.51.100.1").value()};
    allow("192.0.2.0/24");
    allow("198.51.100.0/24");
    allow("2001:db8::/32");
  }
  void allow(const char* network) { settings.allow_destinations.push_back(Network::parse(network).value()); }
  std::variant<MxSet, RouteFailure> route(const char* next_hop) {
    const RandomSource random = [this] { return seed = seed * 1664525 + 1013904223; };
    return event::run_until_done(loop, find_mx(table, NextHop::parse(next_hop).value(), settings, random));
  }
  MxSet hosts(const char* next_hop) { return std::get<MxSet>(route(next_hop)); }
  RouteFailure failure(const char* next_hop) { return std::get<RouteFailure>(route(next_hop)); }
  HostAddresses resolve(const char* host, std::uint16_t port = 25) {
    return event::run_until_done(loop, resolve_host(table, host, port, settings));
  }
  bool leads_here(const MxSet& set, std::uint16_t preference, std::uint16_t port = 25) {
    return event::run_until_done(loop, leads_to_us(table, set, preference, port, settings));
  }
};

std::vector<std::string> names(const MxSet& set) {
  std::vector<std::string> list;
  for (const MxHost& host : set.hosts) list.push_back(host.name);
  return list;
}

std::vector<std::string> texts(const HostAddresses& addresses) {
  std::vector<std::string> list;
  for (const Endpoint& endpoint : addresses.endpoints) list.push_back(endpoint.to_string());
  return list;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("next hops as text") {
  struct Row {
    const char* text;
    const char* domain;
    std::uint16_t port;
    bool use_mx;
    const char* printed;
  };
  for (const Row& row :
       {Row{"example.net", "example.net", 25, true, "example.net"},
        Row{"Example.NET.", "example.net", 25, true, "example.net"},
        Row{"smtp.example.net:587", "smtp.example.net", 587, true, "smtp.example.net:587"},
        Row{"[smtp.example.net]:587", "smtp.example.net", 587, false, "[smtp.example.net]:587"},
        Row{"[smtp.example.net]", "smtp.example.net", 25, false, "[smtp.example.net]:25"},
        Row{"192.0.2.1:25", "192.0.2.1", 25, false, "[192.0.2.1]:25"},
        Row{"[192.0.2.1]:2525", "192.0.2.1", 2525, false, "[192.0.2.1]:2525"},
        Row{"[2001:DB8::1]:25", "2001:db8::1", 25, false, "[2001:db8::1]:25"},
        Row{"b\xC3\xBC"
            "cher.example",
            "xn--bcher-kva.example", 25, true, "xn--bcher-kva.example"},
        Row{"Under_score.example", "under_score.example", 25, true, "under_score.example"}}) {
    CAPTURE(row.text);
    const auto hop = NextHop::parse(row.text);
    REQUIRE(hop);
    CHECK(hop->domain == row.domain);
    CHECK(hop->port == row.port);
    CHECK(hop->use_mx == row.use_mx);
    CHECK(hop->to_string() == row.printed);
    CHECK(NextHop::parse(hop->to_string()) == hop);
  }
  for (const char* bad :
       {"", ".", "a..b", "a b", "example.net:", "example.net:0", "example.net:65536", "example.net:25x",
        "[example.net", "[example.net]25", "[]", "192.0.2.1", "2001:db8::1", "a@b", "a_b..example"}) {
    CAPTURE(bad);
    CHECK_FALSE(NextHop::parse(bad));
  }
}

TEST_CASE("SMTP-04: hosts by preference, each name once") {
  MxWorld world;
  world.table.mx("b.test", {{20, "mx2.b.test"}, {10, "mx1.b.test"}, {30, "mx3.b.test"}, {40, "mx1.b.test"}});
  const MxSet set = world.hosts("b.test");
  CHECK(names(set) == Names{"mx1.b.test", "mx2.b.test", "mx3.b.test"});
  CHECK(set.dnssec == Dnssec::secure);
  CHECK_FALSE(set.implicit);
  CHECK(set.expanded == "b.test");
}

TEST_CASE("SMTP-04: equal preferences in random order, all orders, better ones first") {
  MxWorld world;
  world.table.mx("b.test", {{10, "a.test"}, {10, "b.test"}, {10, "c.test"}, {5, "first.test"}});
  std::set<Names> orders;
  for (int i = 0; i < 200; ++i) {
    const Names order = names(world.hosts("b.test"));
    CHECK(order.front() == "first.test");
    orders.insert(order);
  }
  CHECK(orders.size() == 6);
}

TEST_CASE("SMTP-04: why there is no host (RFC 5321 §5.1, RFC 7505 §3)") {
  MxWorld world;
  world.table.mx("null.test", {{0, ""}});
  world.table.mx("mixed.test", {{0, ""}, {10, "mx.test"}});
  world.table.mx("odd.test", {{10, "a\\046b.test"}});
  world.table.put("down.test", RrType::mx, Status::failed);

  const RouteFailure null_mx = world.failure("null.test");
  CHECK(null_mx.status == "5.1.10");
  CHECK(null_mx.permanent());
  CHECK_FALSE(null_mx.nxdomain);
  CHECK(names(world.hosts("mixed.test")) == Names{"mx.test"});
  CHECK(world.failure("odd.test").status == "5.4.4");

  const RouteFailure gone = world.failure("gone.test");
  CHECK(gone.status == "5.1.2");
  CHECK(gone.nxdomain);
  CHECK(gone.text == "domain gone.test not found");

  const RouteFailure down = world.failure("down.test");  // T-41: nothing is known, so nothing is final
  CHECK(down.status == "4.4.3");
  CHECK_FALSE(down.permanent());
  CHECK(down.text.find("SERVFAIL") != std::string::npos);
  // Null MX means no attempt: not even an address was looked for.
  CHECK(world.table.count("null.test", RrType::a) == 0);
}

TEST_CASE(
    "SMTP-04: without MX records the domain itself is the host, with them its addresses are never used") {
  MxWorld world;
  world.table.put("plain.test", RrType::mx, Status::no_data);
  world.table.address("plain.test", {"192.0.2.1"});
  const MxSet set = world.hosts("plain.test");
  CHECK(names(set) == Names{"plain.test"});
  CHECK(set.implicit);
  CHECK(set.dnssec == Dnssec::secure);  // the absence was proven
  world.table.put("plain.test", RrType::mx, Status::no_data).dnssec = Dnssec::insecure;
  CHECK(world.hosts("plain.test").dnssec == Dnssec::insecure);

  world.table.mx("b.test", {{10, "dead.test"}});
  world.table.address("b.test", {"192.0.2.1"});
  world.hosts("b.test");
  CHECK(world.table.count("b.test", RrType::a) == 0);
}

TEST_CASE("SMTP-04: an alias leads to the MX records of its target (RFC 5321 §5.1)") {
  MxWorld world;
  dns::Answer& answer = world.table.alias("a.test", RrType::mx, "b.test");
  dns::Mx mx;
  mx.preference = 10, mx.exchange = "mx.b.test";
  answer.mx.push_back(mx);
  const MxSet set = world.hosts("a.test");
  CHECK(names(set) == Names{"mx.b.test"});
  CHECK(set.expanded == "b.test");

  world.table.alias("c.test", RrType::mx, "d.test").status = Status::no_data;
  const MxSet plain = world.hosts("c.test");
  CHECK(names(plain) == Names{"c.test"});
  CHECK(plain.expanded == "d.test");
}

TEST_CASE("STS-17, T-39, M21: ourselves by name, and all that is not better, are dropped") {
  MxWorld world;
  world.table.mx("b.test", {{10, "mx1.test"}, {20, "relay.test"}, {20, "mx2.test"}, {30, "mx3.test"}});
  CHECK(names(world.hosts("b.test")) == Names{"mx1.test"});
  world.table.mx("us.test", {{10, "relay.test"}, {10, "mx1.test"}, {20, "mx2.test"}});
  CHECK(world.failure("us.test").status == "5.4.6");
  world.table.put("relay.test", RrType::mx, Status::no_data);
  CHECK(world.failure("relay.test").status == "5.4.6");
  CHECK(names(world.hosts("relay.test:2525")) == Names{"relay.test"});  // another service of this machine
}

TEST_CASE("STS-17, T-39, M21: ourselves by address, under any name") {
  MxWorld world;
  world.table.mx("b.test", {{10, "mx1.test"}, {20, "hidden.test"}, {20, "mx2.test"}, {30, "mx3.test"}});
  world.table.address("mx1.test", {"192.0.2.1"});
  world.table.address("mx2.test", {"192.0.2.2"});
  world.table.address("mx3.test", {"192.0.2.3"});
  world.table.address("hidden.test", {"192.0.2.4", "198.51.100.1"});
  const MxSet set = world.hosts("b.test");
  CHECK_FALSE(world.leads_here(set, 10));
  CHECK(world.leads_here(set, 20));
  CHECK(world.leads_here(set, 30));
  CHECK_FALSE(world.leads_here(set, 30, 2525));
  const HostAddresses hidden = world.resolve("hidden.test");
  CHECK(hidden.is_self);
  CHECK(hidden.endpoints.empty());
  CHECK(hidden.status == "5.4.6");
  CHECK_FALSE(world.resolve("hidden.test", 2525).is_self);
}

TEST_CASE("T-40: at most ten of a thousand MX hosts, the best ones") {
  MxWorld world;
  std::vector<std::pair<unsigned, std::string>> many;
  for (unsigned i = 0; i < 1000; ++i) many.emplace_back(1000 - i, "mx" + std::to_string(i) + ".test");
  world.table.mx("b.test", many);
  const MxSet set = world.hosts("b.test");
  CHECK(set.hosts.size() == 10);
  CHECK(set.hosts.front().name == "mx999.test");
  // Ourselves far down the list still counts: found before the list is cut.
  many.emplace_back(2000, "relay.test");
  world.table.mx("b.test", many);
  CHECK(world.hosts("b.test").hosts.size() == 10);
}

TEST_CASE("T-40: an attempt on the worst domain stays below sixty queries") {
  MxWorld world;
  std::vector<std::pair<unsigned, std::string>> many;
  for (unsigned i = 0; i < 1000; ++i) many.emplace_back(10, "mx" + std::to_string(i) + ".test");
  world.table.mx("b.test", many);
  const MxSet set = world.hosts("b.test");
  for (const MxHost& host : set.hosts) world.resolve(host.name.c_str());
  CHECK(world.table.asked.size() <= 60 - 10 * 3);  // find_dane() asks at most three for each host
}

TEST_CASE("a relay the operator named: with MX records, without, or an address") {
  MxWorld world;
  world.table.mx("provider.test", {{10, "in.provider.test"}});
  CHECK(names(world.hosts("provider.test:587")) == Names{"in.provider.test"});
  const auto asked = world.table.asked.size();
  CHECK(names(world.hosts("[provider.test]:587")) == Names{"provider.test"});
  CHECK(names(world.hosts("[192.0.2.9]:587")) == Names{"192.0.2.9"});
  CHECK(world.table.asked.size() == asked);
  CHECK(texts(world.resolve("192.0.2.9", 587)) == Names{"192.0.2.9:587"});
}

TEST_CASE("addresses: families by turns, each once, sixteen at most (M22)") {
  MxWorld world;
  world.table.address("h.test", {"192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8::1", "192.0.2.3"});
  const HostAddresses addresses = world.resolve("h.test");
  CHECK(texts(addresses) == Names{"[2001:db8::1]:25", "192.0.2.1:25", "192.0.2.2:25", "192.0.2.3:25"});
  CHECK(addresses.secure);
  CHECK(addresses.canonical == "h.test");
  CHECK(addresses.status.empty());

  Names many;
  for (int i = 1; i <= 40; ++i) many.push_back("192.0.2." + std::to_string(i));
  world.table.address("many.test", many);
  CHECK(world.resolve("many.test").endpoints.size() == 16);

  world.settings.ipv6 = false;
  CHECK(texts(world.resolve("h.test")).front() == "192.0.2.1:25");
  CHECK(world.table.count("h.test", RrType::aaaa) == 1);
}

TEST_CASE("SMTP-04: a host without addresses, and why") {
  MxWorld world;
  world.table.put("empty.test", RrType::a, Status::no_data);
  world.table.put("empty.test", RrType::aaaa, Status::no_data);
  world.table.put("down.test", RrType::a, Status::failed);
  world.table.put("down.test", RrType::aaaa, Status::no_data);
  CHECK(world.resolve("empty.test").status == "5.4.4");
  CHECK(world.resolve("empty.test").why == "empty.test has no address");
  CHECK(world.resolve("gone.test").status == "5.4.4");
  CHECK(world.resolve("gone.test").why == "gone.test does not exist");
  CHECK(world.resolve("down.test").status == "4.4.3");
  // Which kinds may be used is our own doing, and said.
  world.settings.ipv6 = false;
  CHECK(world.resolve("empty.test").why ==
        "empty.test has no IPv4 address, and IPv6 is switched off here (delivery.ipv6 = false)");
  world.settings.ipv6 = true;
  // One family is enough.
  world.table.address("half.test", {"192.0.2.1"});
  world.table.put("half.test", RrType::aaaa, Status::failed);
  CHECK(texts(world.resolve("half.test")) == Names{"192.0.2.1:25"});
}

TEST_CASE("T-20, T-39: addresses no stranger may make us connect to, unless the operator lists them") {
  MxWorld world;
  world.settings.allow_destinations.clear();
  for (const char* address : {"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "0.0.0.0", "10.1.2.3",
                              "169.254.169.254", "100.64.0.1", "fc00::1", "fe80::1", "64:ff9b::7f00:1",
                              "2002:7f00:1::", "224.0.0.1", "ff02::1", "192.168.1.1", "172.16.0.1"}) {
    CAPTURE(address);
    world.table.address("h.test", {address});
    const HostAddresses refused = world.resolve("h.test");
    CHECK(refused.endpoints.empty());
    CHECK(refused.status == "5.4.4");
    CHECK(refused.why.find("delivery.allow_destinations") != std::string::npos);
    CHECK(world.resolve(address).endpoints.empty());  // as an MX exchange that is an address
  }
  world.table.address("h.test", {"10.1.2.3", "203.0.114.1"});
  CHECK(texts(world.resolve("h.test")) == Names{"203.0.114.1:25"});
  world.allow("10.0.0.0/8");
  CHECK(texts(world.resolve("h.test")) == Names{"10.1.2.3:25", "203.0.114.1:25"});
}

TEST_CASE("a host is secure only when all its address records are (D4, D9)") {
  MxWorld world;
  world.table.address("h.test", {"192.0.2.1", "2001:db8::1"});
  world.table.put("h.test", RrType::aaaa).dnssec = Dnssec::insecure;
  CHECK_FALSE(world.resolve("h.test").secure);
  world.table.alias("alias.test", RrType::a, "h.test").addresses = {IpAddress::parse("192.0.2.1").value()};
  world.table.alias("alias.test", RrType::aaaa, "h.test").status = Status::no_data;
  const HostAddresses alias = world.resolve("alias.test");
  CHECK(alias.secure);
  CHECK(alias.canonical == "h.test");
}
