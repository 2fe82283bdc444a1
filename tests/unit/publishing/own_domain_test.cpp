// SPDX-License-Identifier: Apache-2.0
#include "publishing/own_domain.hpp"

#include <doctest.h>

#include <algorithm>

#include "../dns/table_resolver.hpp"
#include "base/text.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"

using namespace sealpost;
using namespace sealpost::publishing;
using dns::RrType;
using dns::Status;

namespace {

const std::string key_of_ours(64, 'a');

struct Fetcher final : sts::PolicyFetcher {
  Expected<std::string, sts::FetchFailure> answer =
      Unexpected(sts::FetchFailure("sts-policy-fetch-error", "no-address", "mta-sts.a.test has no address"));
  event::Task<Expected<std::string, sts::FetchFailure>> fetch(std::string) override { co_return answer; }
};

// a.test as it should be, with mx1.a.test, which is this relay, and mx2.a.test, which is not.
struct OwnDomainWorld {
  event::SimLoop loop;
  dns::test::TableResolver table{loop};
  Fetcher fetcher;
  OwnDomain own;
  std::vector<Item> items;

  OwnDomainWorld() {
    own.domain = "a.test";
    own.hostname = "relay.a.test";
    own.senders = {IpAddress::parse("192.0.2.1").value(), IpAddress::parse("2001:db8::1").value()};
    own.listens_on = {IpAddress::parse("192.0.2.10").value()};
    own.listener_keys = [](const std::string&) { return std::vector<std::string>{key_of_ours}; };
    own.reports_to = "tls-reports@a.test";
    own.now = SystemTime(std::chrono::seconds(1'700'000'000));
    table.mx("a.test", {{10, "mx1.a.test"}, {20, "mx2.a.test"}});
    table.address("mx1.a.test", {"192.0.2.10"});
    table.address("mx2.a.test", {"192.0.2.20"});
    table.text("a.test", {"v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 -all"});
    table.text("_mta-sts.a.test", {"v=STSv1; id=1"});
    table.text("_smtp._tls.a.test", {"v=TLSRPTv1; rua=mailto:r@a.test"});
    fetcher.answer = std::string("version: STSv1\r\nmode: enforce\r\nmx: *.a.test\r\nmax_age: 604800\r\n");
    tlsa("mx1.a.test", key_of_ours);
    tlsa("mx2.a.test", std::string(64, 'b'));
  }
  dns::Answer& tlsa(const std::string& host, const std::string& digest) {
    dns::Answer& answer = table.put("_25._tcp." + host, RrType::tlsa);
    answer.tlsa = {TlsaRecord(3, 1, 1, text::from_hex(digest).value())};
    return answer;
  }
  const Item& find(const std::string& what, const std::string& part = "") {
    items = event::run_until_done(loop, survey_domain(loop, table, fetcher, own));
    const auto found = std::find_if(items.begin(), items.end(), [&](const Item& item) {
      return item.what == what && item.name.find(part) != item.name.npos;
    });
    REQUIRE(found != items.end());
    return *found;
  }
};

}  // namespace

TEST_CASE("a domain that publishes everything: nothing to do, exit code 0") {
  OwnDomainWorld world;
  world.find("MX hosts");
  for (const Item& item : world.items) {
    CAPTURE(item.what);
    CAPTURE(item.why);
    CHECK((item.state == State::ok || item.optional));
  }
  CHECK(exit_code_of(world.items) == 0);
  CHECK(world.find("MTA-STS record").publish == std::vector<std::string>{"v=STSv1; id=1"});  // an id stays
}

TEST_CASE("MTA-STS: a policy that lacks an MX host is named before senders obey it (RFC 8461 §4.1)") {
  OwnDomainWorld world;
  world.fetcher.answer = std::string("version: STSv1\nmode: enforce\nmx: mx1.a.test\nmax_age: 86400\n");
  const Item item = world.find("MTA-STS policy");
  CHECK(item.state == State::differs);
  CHECK(item.why.find("mx2.a.test: senders that obey it do not deliver there") != item.why.npos);
  CHECK(item.publish == std::vector<std::string>{"version: STSv1", "mode: enforce", "mx: mx1.a.test",
                                                 "mx: mx2.a.test", "max_age: 86400"});
  CHECK(exit_code_of(world.items) == 1);
}

TEST_CASE("MTA-STS: absent, wrong and not to be asked are three things") {
  OwnDomainWorld world;
  const auto failing = [&](const char* type, const char* reason) {
    world.fetcher.answer = Unexpected(sts::FetchFailure(type, reason, "x\x1b[31m"));
    const Item item = world.find("MTA-STS policy");
    CHECK(item.why.find('\x1b') == item.why.npos);
    return std::string(name_of(item.state));
  };
  CHECK(failing("sts-policy-fetch-error", "no-address") == "absent");
  CHECK(failing("sts-policy-fetch-error", "http-status-404") == "absent");
  CHECK(failing("sts-policy-fetch-error", "http-status-301") == "differs");
  CHECK(failing("sts-policy-fetch-error", "connection-refused") == "could not be asked");
  CHECK(failing("sts-policy-fetch-error", "dns-failure") == "could not be asked");
  CHECK(failing("sts-webpki-invalid", "X509_V_ERR_CERT_HAS_EXPIRED") == "differs");
  CHECK(failing("sts-policy-invalid", "media-type") == "differs");
  world.fetcher.answer = std::string("version: STSv1\nmode: none\nmax_age: 86400\n");
  CHECK(world.find("MTA-STS policy").state == State::differs);
  world.table.text("_mta-sts.a.test", {"v=STSv1; id=not-one;"});
  CHECK(world.find("MTA-STS record").state == State::differs);
  world.table.put("_mta-sts.a.test", RrType::txt, Status::failed);
  CHECK(world.find("MTA-STS record").state == State::unknown);
  world.table.put("_mta-sts.a.test", RrType::txt, Status::no_data);
  const Item item = world.find("MTA-STS record");
  CHECK(item.state == State::absent);
  CHECK(zone_lines(item) ==
        std::vector<std::string>{"_mta-sts.a.test. IN TXT \"v=STSv1; id=20231114T221320\""});
}

TEST_CASE("a first policy observes, and names every MX host") {
  OwnDomainWorld world;
  world.fetcher.answer = Unexpected(sts::FetchFailure("sts-policy-fetch-error", "no-address", "none"));
  CHECK(world.find("MTA-STS policy").publish == std::vector<std::string>{"version: STSv1", "mode: testing",
                                                                         "mx: mx1.a.test", "mx: mx2.a.test",
                                                                         "max_age: 604800"});
}

TEST_CASE("TLSA: our own host is held against the key of our certificate (RFC 7672 §3.1)") {
  OwnDomainWorld world;
  CHECK(world.find("TLSA records", "mx1").state == State::ok);
  CHECK(world.find("TLSA records", "mx2").remedy.find("policy probe a.test") != std::string::npos);
  world.tlsa("mx1.a.test", std::string(64, 'c'));
  const Item other = world.find("TLSA records", "mx1");
  CHECK(other.state == State::differs);
  CHECK_FALSE(other.optional);
  CHECK(other.publish == std::vector<std::string>{"3 1 1 " + key_of_ours});
  world.tlsa("mx1.a.test", std::string(64, 'c')).tlsa.emplace_back(2, 1, 1, std::vector<std::uint8_t>(32, 1));
  CHECK(world.find("TLSA records", "mx1").state == State::ok);  // an issuer's key: a handshake shows it
  world.table.put("_25._tcp.mx1.a.test", RrType::tlsa, Status::failed);
  CHECK(world.find("TLSA records", "mx1").state == State::unknown);
  world.table.put("_25._tcp.mx1.a.test", RrType::tlsa, Status::no_data);
  CHECK(world.find("TLSA records", "mx1").state == State::absent);
  CHECK(world.find("TLSA records", "mx1").optional);
}

TEST_CASE("TLSA: of several keys that our host shows each needs a record (RFC 7672 §3.1)") {
  OwnDomainWorld world;
  const std::string other_key(64, 'c');
  world.own.listener_keys = [&](const std::string& host) {
    CHECK(host.starts_with("mx"));
    return std::vector<std::string>{key_of_ours, other_key};
  };
  const Item half = world.find("TLSA records", "mx1");
  CHECK(half.state == State::differs);
  CHECK(half.why.starts_with("one of the keys"));
  CHECK(half.publish == std::vector<std::string>{"3 1 1 " + key_of_ours, "3 1 1 " + other_key});
  world.tlsa("mx1.a.test", key_of_ours).tlsa.emplace_back(3, 1, 1, text::from_hex(other_key).value());
  CHECK(world.find("TLSA records", "mx1").state == State::ok);
}

TEST_CASE(
    "TLSA without DNSSEC counts for nothing, and a resolver that cannot tell is not a zone without it") {
  OwnDomainWorld world;
  world.table.address("mx1.a.test", {"192.0.2.10"}).dnssec = dns::Dnssec::insecure;
  const Item ignored = world.find("TLSA records", "mx1");
  CHECK(ignored.state == State::differs);
  CHECK(ignored.optional);
  world.table.mx("a.test", {{10, "mx1.a.test"}}).dnssec = dns::Dnssec::insecure;
  CHECK(world.find("Signed zone").state == State::absent);
  world.table.mode = dns::DaneMode::off;
  CHECK(world.find("Signed zone").state == State::unknown);
  CHECK(world.find("TLSA records", "mx1").state == State::unknown);
  CHECK(exit_code_of(world.items) == 0);
}

TEST_CASE("SPF: every address that mail leaves from, and the record with those it lacks") {
  OwnDomainWorld world;
  world.table.text("a.test", {"v=spf1 ip4:192.0.2.1 -all"});
  Item item = world.find("SPF record");
  CHECK(item.state == State::differs);
  CHECK(item.why.find("2001:db8::1, for which it says fail") != item.why.npos);
  CHECK(item.publish == std::vector<std::string>{"v=spf1 ip6:2001:db8::1 ip4:192.0.2.1 -all"});
  world.table.text("a.test", {"v=spf1 +all"});
  CHECK(world.find("SPF record").state == State::differs);
  world.table.text("a.test", {"other"});
  item = world.find("SPF record");
  CHECK(item.state == State::absent);
  CHECK(item.publish == std::vector<std::string>{"v=spf1 mx ip4:192.0.2.1 ip6:2001:db8::1 ~all"});
  world.own.senders.clear();  // behind a translator: those of our name
  world.table.text("a.test", {"v=spf1 ip4:198.51.100.7 -all"});
  world.table.address("relay.a.test", {"198.51.100.7"});
  CHECK(world.find("SPF record").state == State::ok);
  world.table.put("relay.a.test", RrType::a, Status::nxdomain);
  item = world.find("SPF record");
  CHECK(item.state == State::unknown);
  CHECK(item.remedy.find("--address") != item.remedy.npos);
  CHECK(exit_code_of(world.items) == 75);
}

TEST_CASE("what is to be published is whole, however long, and never what was written anew to be shown") {
  OwnDomainWorld world;
  std::string networks;
  for (int i = 0; i < 200; ++i) networks += " ip4:198.51.100." + std::to_string(i);
  world.table.text("a.test", {"v=spf1" + networks + " -all"});
  Item item = world.find("SPF record");
  CHECK(item.state == State::differs);
  CHECK(item.publish ==
        std::vector<std::string>{"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1" + networks + " -all"});
  world.table.text("a.test", {"v=spf1" + networks + " +all"});
  CHECK(world.find("SPF record").why.find("+all") != std::string::npos);
  world.table.text("a.test", {"v=spf1 x=\xc3\xa9\x1b[1m -all"});
  item = world.find("SPF record");
  CHECK(item.publish.empty());
  CHECK(item.found.front().find('\x1b') == std::string::npos);
  std::string record = "v=TLSRPTv1; rua=mailto:r@a.test";
  for (int i = 0; i < 40; ++i) record += ",mailto:reports-of-tls-" + std::to_string(i) + "@a.test";
  world.table.text("_smtp._tls.a.test", {"something else", record});
  item = world.find("TLS-RPT record");
  CHECK(item.state == State::ok);
  CHECK(item.publish == std::vector<std::string>{record});
}

TEST_CASE(
    "where reports can be brought over HTTPS stands in the record to publish, beside an address or alone") {
  OwnDomainWorld world;
  world.table.text("_smtp._tls.a.test", {});
  world.own.reports_url = "https://relay.a.test/tlsrpt";
  CHECK(world.find("TLS-RPT record").publish ==
        std::vector<std::string>{"v=TLSRPTv1; rua=mailto:tls-reports@a.test,https://relay.a.test/tlsrpt"});
  world.own.reports_to.clear();
  CHECK(world.find("TLS-RPT record").publish ==
        std::vector<std::string>{"v=TLSRPTv1; rua=https://relay.a.test/tlsrpt"});
}

TEST_CASE(
    "T-23: what records say is shown without control characters, and a text is quoted for a zone file") {
  OwnDomainWorld world;
  world.table.text("_smtp._tls.a.test", {"v=TLSRPTv1; rua=gopher:\x1b]0;x\x07"});
  Item item = world.find("TLS-RPT record");
  CHECK(item.state == State::differs);
  for (const std::string& text : {item.found.front(), item.why}) CHECK(text.find('\x1b') == text.npos);
  item.publish = {std::string(300, 'x') + "\"\\"};
  const std::string line = zone_lines(item).front();
  CHECK(line == "_smtp._tls.a.test. IN TXT \"" + std::string(255, 'x') + "\" \"" + std::string(45, 'x') +
                    "\\\"\\\\\"");
}

TEST_CASE(
    "a domain that takes no mail publishes nothing for those who send to it; one that is not there says so") {
  OwnDomainWorld world;
  world.table.mx("a.test", {{0, ""}});
  CHECK(world.find("MX hosts").state == State::ok);
  CHECK(std::none_of(world.items.begin(), world.items.end(), [](const Item& item) {
    return item.what.starts_with("MTA-STS") || item.type == "TLSA";
  }));
  world.table.remove("a.test", RrType::mx);
  CHECK(world.find("MX hosts").state == State::absent);
  world.table.put("a.test", RrType::mx, Status::failed);
  CHECK(world.find("MX hosts").state == State::unknown);
  CHECK(world.find("MTA-STS policy").publish.empty());
}
