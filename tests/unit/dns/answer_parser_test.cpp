// SPDX-License-Identifier: Apache-2.0
#include "dns/answer_parser.hpp"

#include <doctest.h>

#include <algorithm>

#include "wire_message.hpp"

using namespace sealpost;
using namespace sealpost::dns;
using namespace sealpost::dns::test;

namespace {

Answer parsed(const Message& message, std::string name, RrType type) {
  auto result = parse_answer(message.octets(), Question(std::move(name), type));
  REQUIRE(result);
  return result->answer;
}

bool refused(const Message& message, std::string name, RrType type) {
  return !parse_answer(message.octets(), Question(std::move(name), type));
}

Octets pointer(unsigned to) { return be16(0xC000 | to); }

}  // namespace

TEST_CASE("MX records with preferences, lower case, and the smallest TTL") {
  Message message("b.test", RrType::mx, Message::response | Message::ad);
  message.answer("b.test", RrType::mx, 300, mx_data(20, "MX2.b.test"))
      .answer("B.Test", RrType::mx, 60, mx_data(10, "mx1.b.test"));
  const auto result = parse_answer(message.octets(), Question("b.test", RrType::mx));
  REQUIRE(result);
  CHECK(result->id == 0x1234);
  CHECK(result->authenticated);
  CHECK_FALSE(result->truncated);
  const Answer& answer = result->answer;
  CHECK(answer.status == Status::found);
  CHECK(answer.dnssec == Dnssec::insecure);  // believing AD is the resolver's business (T-10)
  CHECK(answer.ttl == 60);
  CHECK(answer.canonical == "b.test");
  REQUIRE(answer.mx.size() == 2);
  CHECK(answer.mx[0].exchange == "mx2.b.test");
  CHECK(answer.mx[0].preference == 20);
  CHECK(answer.mx[1].exchange == "mx1.b.test");
}

TEST_CASE("null MX (RFC 7505 §3) is an empty exchange") {
  Message message("b.test", RrType::mx);
  message.answer("b.test", RrType::mx, 300, mx_data(0, ""));
  const Answer answer = parsed(message, "b.test", RrType::mx);
  REQUIRE(answer.mx.size() == 1);
  CHECK(answer.mx[0].exchange.empty());
}

TEST_CASE("addresses of both families") {
  Message a("h.test", RrType::a);
  a.answer("h.test", RrType::a, 300, {192, 0, 2, 1}).answer("h.test", RrType::a, 300, {192, 0, 2, 2});
  CHECK(parsed(a, "h.test", RrType::a).addresses ==
        std::vector{*IpAddress::parse("192.0.2.1"), *IpAddress::parse("192.0.2.2")});
  Message aaaa("h.test", RrType::aaaa);
  Octets address(16, 0);
  address[0] = 0x20, address[1] = 0x01, address[15] = 1;
  aaaa.answer("h.test", RrType::aaaa, 300, address);
  CHECK(parsed(aaaa, "h.test", RrType::aaaa).addresses == std::vector{*IpAddress::parse("2001::1")});
}

TEST_CASE("STS-03: the strings of a TXT record are joined with nothing between them") {
  Message message("_mta-sts.b.test", RrType::txt);
  message.answer("_mta-sts.b.test", RrType::txt, 300, text_data({"v=STSv1; i", "d=ab"}))
      .answer("_mta-sts.b.test", RrType::txt, 300, text_data({""}));
  CHECK(parsed(message, "_mta-sts.b.test", RrType::txt).texts ==
        std::vector<std::string>{"v=STSv1; id=ab", ""});
}

TEST_CASE("TLSA records") {
  Message message("_25._tcp.mx.test", RrType::tlsa);
  message.answer("_25._tcp.mx.test", RrType::tlsa, 300, {3, 1, 1, 0xAA, 0xBB});
  const Answer answer = parsed(message, "_25._tcp.mx.test", RrType::tlsa);
  REQUIRE(answer.tlsa.size() == 1);
  CHECK(answer.tlsa[0] == TlsaRecord(3, 1, 1, {0xAA, 0xBB}));
}

TEST_CASE("aliases are followed in any order and counted (S2, T-40)") {
  Message message("a.test", RrType::a);
  message.alias("b.test", "c.test", 40)
      .alias("a.test", "b.test", 50)
      .answer("c.test", RrType::a, 60, {192, 0, 2, 9});
  const Answer answer = parsed(message, "a.test", RrType::a);
  CHECK(answer.status == Status::found);
  CHECK(answer.canonical == "c.test");
  CHECK(answer.ttl == 40);
  REQUIRE(answer.aliases.size() == 2);
  CHECK(answer.aliases[0].owner == "a.test");
  CHECK(answer.aliases[1].target == "c.test");

  Message unrelated("a.test", RrType::a);  // records at names the chain does not reach do not count
  unrelated.alias("a.test", "b.test").answer("x.test", RrType::a, 60, {192, 0, 2, 9}).soa(300, 300);
  CHECK(parsed(unrelated, "a.test", RrType::a).status == Status::no_data);

  auto chain = [](unsigned length) {
    Message links("n0.test", RrType::a);
    for (unsigned i = 0; i < length; ++i) {
      links.alias("n" + std::to_string(i) + ".test", "n" + std::to_string(i + 1) + ".test");
    }
    return links.answer("n" + std::to_string(length) + ".test", RrType::a, 60, {192, 0, 2, 9});
  };
  CHECK(parsed(chain(8), "n0.test", RrType::a).status == Status::found);
  CHECK(refused(chain(9), "n0.test", RrType::a));
}

TEST_CASE("STS-03: an alias loop and contradicting aliases are errors, a repeated alias is none") {
  Message loop("a.test", RrType::txt);
  loop.alias("a.test", "b.test").alias("b.test", "a.test");
  CHECK(refused(loop, "a.test", RrType::txt));
  Message self("a.test", RrType::txt);
  self.alias("a.test", "a.test");
  CHECK(refused(self, "a.test", RrType::txt));
  Message two("a.test", RrType::a);
  two.alias("a.test", "b.test").alias("a.test", "c.test");
  CHECK(refused(two, "a.test", RrType::a));
  Message same("a.test", RrType::a);
  same.alias("a.test", "b.test").alias("a.test", "b.test").answer("b.test", RrType::a, 60, {192, 0, 2, 9});
  CHECK(parsed(same, "a.test", RrType::a).status == Status::found);
}

TEST_CASE("asked for a CNAME, the first link is the answer (D4)") {
  Message message("a.test", RrType::cname);
  message.alias("a.test", "b.test", 77).alias("b.test", "c.test");
  const Answer answer = parsed(message, "a.test", RrType::cname);
  CHECK(answer.status == Status::found);
  CHECK(answer.canonical == "a.test");
  CHECK(answer.ttl == 77);
  REQUIRE(answer.aliases.size() == 1);
  CHECK(answer.aliases[0].target == "b.test");
  Message none("a.test", RrType::cname);
  none.soa(300, 300);
  CHECK(parsed(none, "a.test", RrType::cname).status == Status::no_data);
}

TEST_CASE("a chain whose end the server did not look up is incomplete, not absent") {
  Message message("a.test", RrType::mx);
  message.alias("a.test", "b.test");
  const auto result = parse_answer(message.octets(), Question("a.test", RrType::mx));
  REQUIRE(result);
  CHECK(result->incomplete);
  CHECK(result->answer.canonical == "b.test");
  message.soa(300, 300);
  const auto complete = parse_answer(message.octets(), Question("a.test", RrType::mx));
  REQUIRE(complete);
  CHECK_FALSE(complete->incomplete);
  CHECK(complete->answer.status == Status::no_data);
}

TEST_CASE("absence is told apart, with the TTL of RFC 2308 §5") {
  struct Row {
    unsigned flags, ttl, minimum;
    Status status;
    std::uint32_t expected_ttl;
  };
  for (const Row& row : {Row{Message::response | 3, 900, 300, Status::nxdomain, 300},
                         Row{Message::response | 3, 200, 300, Status::nxdomain, 200},
                         Row{Message::response, 900, 86400, Status::no_data, 900},
                         Row{Message::response, 86400, 86400, Status::no_data, negative_ttl_cap},
                         Row{Message::response, 0x80000001u, 300, Status::no_data, 0}}) {
    CAPTURE(row.ttl);
    Message message("b.test", RrType::mx, row.flags);
    message.soa(row.ttl, row.minimum);
    const Answer answer = parsed(message, "b.test", RrType::mx);
    CHECK(answer.status == row.status);
    CHECK(answer.ttl == row.expected_ttl);
  }
  // No SOA: absent, but not to be kept.
  CHECK(parsed(Message("b.test", RrType::mx, Message::response | 3), "b.test", RrType::mx).ttl == 0);
  // NXDOMAIN of an alias' target (RFC 2308 §2.1).
  Message alias("a.test", RrType::a, Message::response | 3);
  alias.alias("a.test", "gone.test", 20).soa(300, 300);
  const Answer gone = parsed(alias, "a.test", RrType::a);
  CHECK(gone.status == Status::nxdomain);
  CHECK(gone.canonical == "gone.test");
  CHECK(gone.ttl == 20);
}

TEST_CASE("a referral is a server that does not resolve, not an absence (RFC 2308 §2.2)") {
  Message message("b.test", RrType::mx);
  message.record(In::authority, wire_name("test"), ns_type, 300, wire_name("ns.test"));
  CHECK(refused(message, "b.test", RrType::mx));
}

TEST_CASE("positive TTLs are capped, and one with the top bit is zero (RFC 2181 §8)") {
  Message message("h.test", RrType::a);
  message.answer("h.test", RrType::a, 0x7FFFFFFF, {192, 0, 2, 1});
  CHECK(parsed(message, "h.test", RrType::a).ttl == ttl_cap);
  message.answer("h.test", RrType::a, 0xFFFFFFFF, {192, 0, 2, 2});
  CHECK(parsed(message, "h.test", RrType::a).ttl == 0);
}

TEST_CASE("every other rcode is failed, and named; the upper bits come from OPT (RFC 6891 §6.1.3)") {
  for (const auto& [rcode, name] :
       {std::pair{1u, "FORMERR"}, {2u, "SERVFAIL"}, {4u, "NOTIMP"}, {5u, "REFUSED"}, {9u, "rcode 9"}}) {
    const Answer answer =
        parsed(Message("b.test", RrType::mx, Message::response | rcode), "b.test", RrType::mx);
    CHECK(answer.status == Status::failed);
    CHECK(answer.rcode == rcode);
    CHECK(answer.why == name);
  }
  Message extended("b.test", RrType::mx);
  extended.record(In::additional, wire_name(""), opt_type, 0x01000000, {}, 1232);
  const Answer answer = parsed(extended, "b.test", RrType::mx);
  CHECK(answer.status == Status::failed);
  CHECK(answer.why == "BADVERS");
  extended.record(In::additional, wire_name(""), opt_type, 0, {}, 1232);
  CHECK(refused(extended, "b.test", RrType::mx));

  Octets bare = join({be16(1), be16(Message::response | 1), Octets(8, 0)});  // FORMERR without a question
  const auto result = parse_answer(bare, Question("b.test", RrType::mx));
  REQUIRE(result);
  CHECK(result->answer.why == "FORMERR");
}

TEST_CASE("an answer to another question, or no answer at all, is refused") {
  Message message("b.test", RrType::mx);
  message.answer("b.test", RrType::mx, 300, mx_data(10, "mx.test"));
  CHECK(refused(message, "c.test", RrType::mx));
  CHECK(refused(message, "b.test", RrType::a));
  CHECK(refused(Message("b.test", RrType::mx, 0x0100), "b.test", RrType::mx));           // a query
  CHECK(refused(Message("b.test", RrType::mx, 0x8180 | 0x2800), "b.test", RrType::mx));  // opcode UPDATE
  CHECK_FALSE(parse_answer({}, Question("b.test", RrType::mx)));
}

TEST_CASE("truncated: only the header counts") {
  Message message("b.test", RrType::txt, Message::response | Message::tc);
  message.answer("b.test", RrType::txt, 300, {200, 'x'});
  const auto result = parse_answer(message.octets(), Question("b.test", RrType::txt));
  REQUIRE(result);
  CHECK(result->truncated);
}

TEST_CASE("compression: pointers backwards only, names at most 255 octets") {
  Message good("b.test", RrType::mx);
  good.record(In::answer, pointer(12), 15, 300, join({be16(10), Octets{2, 'm', 'x'}, pointer(12)}));
  const Answer answer = parsed(good, "b.test", RrType::mx);
  REQUIRE(answer.mx.size() == 1);
  CHECK(answer.mx[0].exchange == "mx.b.test");

  // Where the record starts: 12 header + 8 name + 4 = 24. To itself, forwards, into the header's void, past
  // the end.
  for (const unsigned target : {24u, 25u, 26u, 60u, 0x3FFFu}) {
    CAPTURE(target);
    Message bad("b.test", RrType::mx);
    bad.record(In::answer, pointer(target), 15, 300, mx_data(10, "mx.test"));
    CHECK(refused(bad, "b.test", RrType::mx));
  }
  for (const unsigned type : {0x40u, 0x80u}) {
    Message bad("b.test", RrType::mx);
    bad.record(In::answer, {static_cast<std::uint8_t>(type), 0}, 15, 300, mx_data(10, "mx.test"));
    CHECK(refused(bad, "b.test", RrType::mx));
  }
  // Each owner prepends a label and points at the one before: the total length ends it, not the hops.
  Message growing("b.test", RrType::mx);
  unsigned previous = 12;
  for (int i = 0; i < 60; ++i) {
    const auto start = static_cast<unsigned>(growing.octets().size());
    growing.record(In::answer, join({Octets{7, 'a', 'a', 'a', 'a', 'a', 'a', 'a'}, pointer(previous)}), 15,
                   300, mx_data(10, "mx.test"));
    previous = start;
  }
  CHECK(refused(growing, "b.test", RrType::mx));
}

TEST_CASE("octets that are no part of a mail name are escaped, so they never match one") {
  Message message("b.test", RrType::mx);
  message.answer("b.test", RrType::mx, 300, join({be16(10), Octets{3, 'a', '.', 0}, wire_name("test")}));
  const Answer answer = parsed(message, "b.test", RrType::mx);
  REQUIRE(answer.mx.size() == 1);
  CHECK(answer.mx[0].exchange == "a\\046\\000.test");
}

TEST_CASE("T-11: every data length from 0 to 300 gives a record or an error, for every type") {
  for (const RrType type : {RrType::a, RrType::aaaa, RrType::mx, RrType::txt, RrType::tlsa, RrType::cname}) {
    for (unsigned length = 0; length <= 300; ++length) {
      for (const unsigned fill : {0x00u, 0x01u, 0x3Fu, 0xC0u, 0xFFu}) {
        Message message("b.test", type);
        message.answer("b.test", type, 300, Octets(length, static_cast<std::uint8_t>(fill)));
        const auto result = parse_answer(message.octets(), Question("b.test", type));
        const bool good = result && result->answer.status == Status::found;
        if (type == RrType::a) CHECK(good == (length == 4));
        if (type == RrType::aaaa) CHECK(good == (length == 16));
        if (type == RrType::tlsa) CHECK(good == (length >= 3));
        if (length == 0) CHECK_FALSE(good);
      }
    }
  }
}

TEST_CASE("T-11: a message cut at any octet, or with any octet changed, never passes its bounds") {
  Message message("a.test", RrType::mx);
  message.alias("a.test", "b.test")
      .record(In::answer, wire_name("b.test"), 15, 300, join({be16(10), Octets{2, 'm', 'x'}, pointer(12)}))
      .soa(300, 300)
      .record(In::additional, wire_name(""), opt_type, 0, {}, 1232);
  const Question question("a.test", RrType::mx);
  REQUIRE(parse_answer(message.octets(), question));
  for (std::size_t cut = 0; cut < message.octets().size(); ++cut) {
    const Octets part(message.octets().begin(), message.octets().begin() + static_cast<std::ptrdiff_t>(cut));
    CHECK_FALSE(parse_answer(part, question));
  }
  for (std::size_t at = 0; at < message.octets().size(); ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      Octets changed = message.octets();
      changed[at] = static_cast<std::uint8_t>(value);
      const auto result = parse_answer(changed, question);
      if (result) CHECK(result->answer.aliases.size() <= alias_cap);
    }
  }
}

TEST_CASE("a record of another class or type at the name does not count") {
  Message message("b.test", RrType::a);
  message.record(In::answer, wire_name("b.test"), 1, 300, {192, 0, 2, 1}, 3)
      .record(In::answer, wire_name("b.test"), 99, 300, {192, 0, 2, 1})
      .record(In::additional, wire_name("b.test"), 1, 300, {192, 0, 2, 1})
      .soa(300, 300);
  CHECK(parsed(message, "b.test", RrType::a).status == Status::no_data);
}
