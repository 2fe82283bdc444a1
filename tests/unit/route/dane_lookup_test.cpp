// SPDX-License-Identifier: Apache-2.0
#include "route/dane_lookup.hpp"

#include <doctest.h>

#include "../dns/table_resolver.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using dns::Dnssec;
using dns::RrType;
using dns::Status;
using Kind = DaneState::Kind;

namespace {

const TlsaRecord usable_record(3, 1, 1, std::vector<std::uint8_t>(32, 0xAA));
const TlsaRecord pkix_record(1, 1, 1, std::vector<std::uint8_t>(32, 0xAA));

struct DaneWorld {
  event::SimLoop loop;
  dns::test::TableResolver table{loop};
  NextHop next_hop = NextHop::parse("b.test").value();
  MxSet mx;

  DaneWorld() {
    mx.dnssec = Dnssec::secure;
    mx.expanded = "b.test";
  }
  dns::Answer& tlsa(const std::string& base, TlsaRecord record = usable_record,
                    Dnssec dnssec = Dnssec::secure) {
    dns::Answer& answer = table.put("_25._tcp." + base, RrType::tlsa);
    answer.tlsa = {std::move(record)};
    answer.dnssec = dnssec;
    return answer;
  }
  DaneState find(const std::string& host, bool secure, const std::string& canonical = "") {
    HostAddresses addresses;
    addresses.secure = secure;
    addresses.canonical = canonical.empty() ? host : canonical;
    return event::run_until_done(loop, find_dane(table, next_hop, mx, host, addresses));
  }
  void alias(const std::string& host, Dnssec dnssec) {
    table.alias(host, RrType::cname, "target.test").dnssec = dnssec;
  }
  std::size_t tlsa_queries() const {
    std::size_t count = 0;
    for (const auto& [name, type] : table.asked) count += type == RrType::tlsa ? 1u : 0u;
    return count;
  }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a secure host with usable records (RFC 7672 §2.2)") {
  DaneWorld world;
  world.tlsa("mx.test").tlsa.push_back(pkix_record);
  const DaneState state = world.find("mx.test", true);
  CHECK(state.kind == Kind::usable);
  CHECK(state.base_domain == "mx.test");
  CHECK(state.usable == std::vector{usable_record});
  CHECK(state.all.size() == 2);
  CHECK(state.mx_secure);
}

TEST_CASE("DANE-02: a secure record set without a usable record is not the same as none") {
  DaneWorld world;
  for (const TlsaRecord& record :
       {pkix_record, TlsaRecord(0, 1, 1, std::vector<std::uint8_t>(32, 1)),
        TlsaRecord(3, 1, 1, std::vector<std::uint8_t>(31, 1)), TlsaRecord(3, 1, 9, {1}),
        TlsaRecord(3, 7, 1, std::vector<std::uint8_t>(32, 1)), TlsaRecord(3, 1, 0, {}),
        TlsaRecord(3, 1, 0, {1, 2, 3}), TlsaRecord(2, 0, 0, {0x30, 0x00})}) {
    world.tlsa("mx.test", record);
    const DaneState state = world.find("mx.test", true);
    CHECK(state.kind == Kind::unusable);
    CHECK(state.all.size() == 1);
    CHECK(state.usable.empty());
  }
}

TEST_CASE(
    "DANE-03: a failed TLSA query fails the host, and the report says why without naming our resolver "
    "(T-47)") {
  DaneWorld world;
  world.table.put("_25._tcp.mx.test", RrType::tlsa, Status::failed).why = "SERVFAIL from 127.0.0.1:53";
  DaneState state = world.find("mx.test", true);
  CHECK(state.kind == Kind::failed);
  CHECK(state.failure_reason == "SERVFAIL");
  world.table.put("_25._tcp.mx.test", RrType::tlsa, Status::failed).why = "timed out from 127.0.0.1:53";
  state = world.find("mx.test", true);
  CHECK(state.kind == Kind::failed);
  CHECK(state.failure_reason == "timed-out");
}

TEST_CASE("DANE-04: absence, secure and insecure, and insecure records ask nothing") {
  DaneWorld world;
  for (const Status status : {Status::nxdomain, Status::no_data}) {
    for (const Dnssec dnssec : {Dnssec::secure, Dnssec::insecure}) {
      world.table.put("_25._tcp.mx.test", RrType::tlsa, status).dnssec = dnssec;
      CHECK(world.find("mx.test", true).kind == Kind::none);
    }
  }
  world.tlsa("mx.test", usable_record, Dnssec::insecure);
  CHECK(world.find("mx.test", true).kind == Kind::none);
}

TEST_CASE("DANE-05: an insecure host gets no TLSA query (D9)") {
  DaneWorld world;
  world.tlsa("mx.test");
  CHECK(world.find("mx.test", false).kind == Kind::none);
  CHECK(world.table.asked.empty());
}

TEST_CASE("DANE-06: an MX host that is an alias (D10)") {
  struct Row {
    const char* what;
    bool chain_secure;
    Dnssec first_link;
    Names with_records;
    Kind kind;
    const char* base;
    std::size_t queries;
  };
  const std::vector<Row> rows = {
      {"expanded name first",
       true,
       Dnssec::secure,
       {"mx.test", "middle.test", "end.test"},
       Kind::usable,
       "end.test",
       1},
      {"original second", true, Dnssec::secure, {"mx.test", "middle.test"}, Kind::usable, "mx.test", 2},
      {"intermediate never", true, Dnssec::secure, {"middle.test"}, Kind::none, "", 2},
      {"end insecure, alias secure: original only",
       false,
       Dnssec::secure,
       {"mx.test", "end.test"},
       Kind::usable,
       "mx.test",
       1},
      {"end insecure, nothing at the original", false, Dnssec::secure, {"end.test"}, Kind::none, "", 1},
      {"alias insecure: none", false, Dnssec::insecure, {"mx.test", "end.test"}, Kind::none, "", 0},
  };
  for (const Row& row : rows) {
    CAPTURE(std::string(row.what));
    DaneWorld world;
    world.alias("mx.test", row.first_link);
    for (const auto& name : row.with_records) world.tlsa(name);
    const DaneState state = world.find("mx.test", row.chain_secure, "end.test");
    CHECK(state.kind == row.kind);
    CHECK(state.base_domain == row.base);
    CHECK(world.tlsa_queries() == row.queries);
  }
}

TEST_CASE("DANE-03, D4: an error at any link fails the host") {
  DaneWorld world;
  world.table.put("mx.test", RrType::cname, Status::failed);
  CHECK(world.find("mx.test", false, "end.test").kind == Kind::failed);
  world.alias("mx.test", Dnssec::secure);
  world.table.put("_25._tcp.end.test", RrType::tlsa, Status::failed);
  world.tlsa("mx.test");
  CHECK(world.find("mx.test", true, "end.test").kind ==
        Kind::failed);  // the original name does not rescue it
}

TEST_CASE("DANE-07: an alias at the TLSA owner leaves the base domain as it is, and must be secure") {
  DaneWorld world;
  dns::Answer& secure = world.table.alias("_25._tcp.mx.test", RrType::tlsa, "tlsa.provider.test");
  secure.tlsa = {usable_record};
  const DaneState state = world.find("mx.test", true);
  CHECK(state.kind == Kind::usable);
  CHECK(state.base_domain == "mx.test");
  secure.dnssec = Dnssec::insecure;
  CHECK(world.find("mx.test", true).kind == Kind::none);
}

TEST_CASE("DANE-11: names a usage 2 certificate may carry (D16)") {
  DaneWorld world;
  world.tlsa("mx.test");
  world.mx.expanded = "c.test";
  CHECK(world.find("mx.test", true).names == Names{"mx.test", "b.test", "c.test"});
  world.mx.dnssec = Dnssec::insecure;  // D7: still used, for the host's own name only
  const DaneState insecure = world.find("mx.test", true);
  CHECK(insecure.kind == Kind::usable);
  CHECK_FALSE(insecure.mx_secure);
  CHECK(insecure.names == Names{"mx.test"});
  world.mx.implicit = true;  // no MX: the host is the domain, and records may stand at its expansion
  world.tlsa("end.test");
  world.next_hop = NextHop::parse("mx.test").value();
  CHECK(world.find("mx.test", true, "end.test").names == Names{"end.test", "mx.test"});
}

TEST_CASE("D6, D11: an address has no TLSA, another port has its own") {
  DaneWorld world;
  CHECK(world.find("192.0.2.1", false).kind == Kind::none);
  CHECK(world.find("192.0.2.1", true).kind == Kind::none);
  CHECK(world.table.asked.empty());
  world.next_hop = NextHop::parse("b.test:587").value();
  world.tlsa("mx.test");
  CHECK(world.find("mx.test", true).kind == Kind::none);
  CHECK(world.table.count("_587._tcp.mx.test", RrType::tlsa) == 1);
}

TEST_CASE("T-10: an untrusted resolver switches DANE off, a lost one makes every host fail") {
  DaneWorld world;
  world.tlsa("mx.test");
  world.table.mode = dns::DaneMode::off;
  CHECK(world.find("mx.test", true).kind == Kind::disabled);
  world.table.mode = dns::DaneMode::defer;
  CHECK(world.find("mx.test", true).kind == Kind::failed);
  CHECK(world.find("mx.test", false).kind == Kind::failed);
  CHECK(world.table.asked.empty());
}
