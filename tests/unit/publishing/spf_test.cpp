// SPDX-License-Identifier: Apache-2.0
#include "publishing/spf.hpp"

#include <doctest.h>

#include "../dns/table_resolver.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"

using namespace sealpost;
using namespace sealpost::publishing;
using dns::RrType;
using dns::Status;

namespace {

struct SpfWorld {
  event::SimLoop loop;
  dns::test::TableResolver table{loop};

  SpfWorld() {
    table.address("mail.test", {"192.0.2.1", "2001:db8::1"});
    table.mx("a.test", {{10, "mail.test"}});
    table.address("a.test", {"192.0.2.99"});
  }
  SpfVerdict check(const std::string& address, const std::string& domain = "a.test") {
    SpfCheck spf(table, IpAddress::parse(address).value());
    return event::run_until_done(loop, spf.check(domain));
  }
  SpfVerdict with(const std::string& record, const std::string& address = "192.0.2.1") {
    table.text("a.test", {"google-site-verification=x", record});
    return check(address);
  }
};

std::string result(const SpfVerdict& verdict) { return std::string(name_of(verdict.result)); }

}  // namespace

TEST_CASE("SPF: terms in order, the first that fits decides (RFC 7208 §4.6.2, §5)") {
  SpfWorld world;
  struct Row {
    const char* record;
    const char* address;
    const char* expected;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"v=spf1 ip4:192.0.2.1 -all", "192.0.2.1", "pass"},
           {"v=spf1 ip4:192.0.2.1 -all", "192.0.2.2", "fail"},
           {"V=SPF1 IP4:192.0.2.0/24 ~all", "192.0.2.77", "pass"},
           {"v=spf1 ip4:192.0.2.9/24 ~all", "192.0.2.77", "pass"},  // host bits are ignored
           {"v=spf1 ip4:192.0.3.0/24 ~all", "192.0.2.77", "softfail"},
           {"v=spf1 -ip4:192.0.2.1 ip4:192.0.2.0/24 -all", "192.0.2.1", "fail"},
           {"v=spf1 ip6:2001:db8::/32 ?all", "2001:db8::1", "pass"},
           {"v=spf1 ip6:2001:db8::/32 ?all", "192.0.2.1", "neutral"},
           {"v=spf1 mx -all", "192.0.2.1", "pass"},
           {"v=spf1 mx -all", "2001:db8::1", "pass"},
           {"v=spf1 mx/24 -all", "192.0.2.200", "pass"},
           {"v=spf1 mx//64 -all", "2001:db8::ffff", "pass"},
           {"v=spf1 a -all", "192.0.2.1", "fail"},
           {"v=spf1 a:mail.test -all", "192.0.2.1", "pass"},
           {"v=spf1 a:mail.test/30//64 -all", "192.0.2.2", "pass"},
           {"v=spf1 exists:mail.test -all", "198.51.100.1", "pass"},
           {"v=spf1 +all", "198.51.100.1", "pass"},
           {"v=spf1", "198.51.100.1", "neutral"},
           {"v=spf1 exp=why.test x-other=1 ip4:192.0.2.1", "192.0.2.1", "pass"},
           {"v=spf10 ip4:192.0.2.1", "192.0.2.1", "none"},
       }) {
    CAPTURE(row.record);
    CHECK(result(world.with(row.record, row.address)) == row.expected);
  }
}

TEST_CASE("SPF: other records by include and redirect (RFC 7208 §5.2, §6.1)") {
  SpfWorld world;
  world.table.text("ok.test", {"v=spf1 ip4:192.0.2.1 -all"});
  world.table.text("open.test", {"v=spf1 ?all"});
  CHECK(result(world.with("v=spf1 include:ok.test -all")) == "pass");
  CHECK(result(world.with("v=spf1 include:ok.test -all", "192.0.2.2")) == "fail");
  CHECK(result(world.with("v=spf1 include:open.test ~all")) == "softfail");
  CHECK(result(world.with("v=spf1 redirect=ok.test")) == "pass");
  CHECK(result(world.with("v=spf1 redirect=ok.test", "192.0.2.2")) == "fail");
  CHECK(result(world.with("v=spf1 include:nothing.test -all")) == "permerror");
  CHECK(world.with("v=spf1 include:nothing.test -all").why ==
        "it includes nothing.test, which has no SPF record");
  CHECK(result(world.with("v=spf1 redirect=nothing.test")) == "permerror");
}

TEST_CASE("SPF: what receivers cannot use, with the term that is at fault (RFC 7208 §4.6)") {
  SpfWorld world;
  for (const char* record :
       {"v=spf1 ipv4:192.0.2.1", "v=spf1 ip4:192.0.2", "v=spf1 ip4:192.0.2.1/33", "v=spf1 ip6:192.0.2.1",
        "v=spf1 include", "v=spf1 include:", "v=spf1 all:x.test", "v=spf1 a:mail.test/99",
        "v=spf1 redirect=a redirect=b", "v=spf1 -", "v=spf1 a:", "v=spf1 ip4:192.0.2.1 \x01=x"}) {
    CAPTURE(record);
    const SpfVerdict verdict = world.with(record);
    CHECK(result(verdict) == "permerror");
    CHECK_FALSE(verdict.why.empty());
    CHECK(verdict.why.find('\x01') == std::string::npos);
  }
  world.table.text("a.test", {"v=spf1 mx -all", "v=spf1 a -all"});
  CHECK(world.check("192.0.2.1").why.find("2 SPF records") == 0);
}

TEST_CASE("SPF: bounded, whatever a record leads to (RFC 7208 §4.6.4)") {
  SpfWorld world;
  world.table.text("loop.test", {"v=spf1 include:loop.test -all"});
  CHECK(result(world.check("192.0.2.1", "loop.test")) == "permerror");
  world.table.text("around.test", {"v=spf1 redirect=around.test"});
  CHECK(result(world.check("192.0.2.1", "around.test")) == "permerror");
  std::string many = "v=spf1";
  for (int i = 0; i < 11; ++i) many += " a:mail.test";
  CHECK(result(world.with(many, "198.51.100.1")) == "permerror");
  CHECK(result(world.with("v=spf1 a:n1.test a:n2.test a:n3.test -all")) == "permerror");
  CHECK(result(world.with("v=spf1 a:n1.test a:n2.test -all")) == "fail");
  std::vector<std::pair<unsigned, std::string>> hosts;
  for (int i = 0; i < 11; ++i) hosts.emplace_back(10, "n" + std::to_string(i) + ".test");
  world.table.mx("many.test", hosts);
  CHECK(result(world.with("v=spf1 mx:many.test -all")) == "permerror");
  CHECK(world.table.asked.size() < 80);
}

TEST_CASE("SPF: absent is not failed, and what depends on a message is not guessed") {
  SpfWorld world;
  CHECK(result(world.check("192.0.2.1", "none.test")) == "none");
  world.table.put("a.test", RrType::txt, Status::failed);
  CHECK(result(world.check("192.0.2.1")) == "temperror");
  world.table.put("down.test", RrType::a, Status::failed);
  world.table.put("down.test", RrType::mx, Status::failed);
  for (const char* term : {"a", "mx", "exists"}) {  // each says what could not be asked
    CAPTURE(term);
    const SpfVerdict verdict = world.with(std::string("v=spf1 ") + term + ":down.test -all");
    CHECK(result(verdict) == "temperror");
    CHECK(verdict.why.find("the lookup of down.test") == 0);
  }
  CHECK(result(world.with("v=spf1 exists:%{i}.spf.test -all")) == "unclear");
  CHECK(result(world.with("v=spf1 ptr -all")) == "unclear");
  CHECK(result(world.with("v=spf1 exists:%{i}.spf.test")) == "unclear");
  CHECK(result(world.with("v=spf1 exists:%{i}.spf.test ip4:192.0.2.1 -all")) == "pass");
}
