// SPDX-License-Identifier: Apache-2.0
#include "delivery/outcome.hpp"

#include <doctest.h>

#include "delivery/hosts.hpp"
#include "route/nx_guard.hpp"

using namespace sealpost;
using namespace sealpost::delivery;
using namespace std::chrono_literals;
using smtp::Reply;

namespace {

Reply reply(std::uint16_t code) {
  Reply made;
  made.code = code;
  made.status.klass = static_cast<std::uint8_t>(code / 100);
  return made;
}

smtp::Transaction to(std::uint32_t recipients) {
  smtp::Transaction transaction;
  for (std::uint32_t i = 0; i < recipients; ++i) transaction.recipients.push_back(i);
  return transaction;
}

}  // namespace

TEST_CASE("replies decide: whom, and for how long (RFC 5321 §4.5.4.1)") {
  const struct {
    const char* name;
    int mail;
    std::vector<int> rcpt;
    int final;
    std::vector<Fate> fates;
  } rows[] = {
      {"all well", 250, {250, 250}, 250, {Fate::delivered, Fate::delivered}},
      {"MAIL refused for good", 550, {0, 0}, 0, {Fate::failed, Fate::failed}},
      {"MAIL refused for now", 451, {0, 0}, 0, {Fate::deferred, Fate::deferred}},
      {"one RCPT refused", 250, {550, 250}, 250, {Fate::failed, Fate::delivered}},
      {"one RCPT deferred", 250, {450, 250}, 250, {Fate::deferred, Fate::delivered}},
      {"too many: 452 after an accepted one goes again at once",
       250,
       {250, 452},
       250,
       {Fate::delivered, Fate::again}},
      {"too many: 552 likewise", 250, {250, 552}, 250, {Fate::delivered, Fate::again}},
      {"452 alone is a deferral", 250, {452}, 554, {Fate::deferred}},
      {"552 alone is final", 250, {552}, 554, {Fate::failed}},
      {"data refused for good", 250, {250, 250}, 554, {Fate::failed, Fate::failed}},
      {"data refused for now", 250, {250, 250}, 451, {Fate::deferred, Fate::deferred}},
      {"unknown 2yz is success", 250, {251}, 299, {Fate::delivered}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    smtp::TransactionResult result;
    result.mail = reply(static_cast<std::uint16_t>(row.mail));
    for (const int code : row.rcpt)
      result.rcpt.push_back(code == 0 ? std::optional<Reply>() : reply(static_cast<std::uint16_t>(code)));
    if (row.final != 0) result.final = reply(static_cast<std::uint16_t>(row.final));
    const auto fates = fates_of(to(static_cast<std::uint32_t>(row.rcpt.size())), result);
    REQUIRE(fates.size() == row.fates.size());
    for (std::size_t i = 0; i < fates.size(); ++i) CHECK(fates[i].fate == row.fates[i]);
  }
}

TEST_CASE(
    "M27 a lost session defers what it had, whatever the stage; only the final dot is ambiguous (D-15)") {
  for (const auto stage :
       {smtp::Stage::mail, smtp::Stage::rcpt, smtp::Stage::data, smtp::Stage::body, smtp::Stage::final_dot}) {
    smtp::TransactionResult result;
    result.rcpt.resize(1);
    result.failure.emplace(stage, Error(Errc::timed_out, "time limit passed"));
    const auto fates = fates_of(to(1), result);
    REQUIRE(fates.size() == 1);
    CHECK(fates[0].fate == Fate::deferred);
    CHECK(fates[0].status[0] == '4');
    CHECK(ambiguous(result) == (stage == smtp::Stage::final_dot));
  }
}

TEST_CASE("M27 421 in the middle is transient, and so is a 5yz that ends the session") {
  smtp::TransactionResult result;
  result.rcpt.resize(1);
  result.failure.emplace(smtp::Stage::rcpt, reply(421));
  CHECK(fates_of(to(1), result)[0].fate == Fate::deferred);
  result.failure.emplace(smtp::Stage::rcpt, reply(554));
  CHECK(fates_of(to(1), result)[0].status[0] == '4');
}

TEST_CASE("N17 521 at the greeting is this host's last word, 554 is not") {
  const Endpoint endpoint(*IpAddress::parse("192.0.2.1"), 25);
  CHECK(refusal_from(smtp::SessionError(smtp::Stage::greeting, reply(521)), "mx.b.example", endpoint)
            .permanent());
  CHECK_FALSE(refusal_from(smtp::SessionError(smtp::Stage::greeting, reply(554)), "mx.b.example", endpoint)
                  .permanent());
}

TEST_CASE("T-41 NXDOMAIN is not believed while too many domains do not exist") {
  NxGuard guard;
  SteadyTime now{1000h};
  for (int i = 0; i < 19; ++i) guard.saw("gone" + std::to_string(i), true, now);
  CHECK(guard.believable(now));  // too few to tell
  guard.saw("gone19", true, now);
  CHECK_FALSE(guard.believable(now));
  for (int i = 0; i < 79; ++i) guard.saw("here" + std::to_string(i), false, now);
  CHECK_FALSE(guard.believable(now));  // 20 of 99
  guard.saw("here79", false, now);
  CHECK(guard.believable(now));  // 20 of 100
  NxGuard old;
  for (int i = 0; i < 100; ++i) old.saw("gone" + std::to_string(i), true, now);
  CHECK(old.believable(now + 11min));  // what is long ago says nothing
}

TEST_CASE("T-41 the witness is a domain that existed, asked for the longest ago") {
  NxGuard guard;
  const SteadyTime now{1000h};
  CHECK(guard.witness(now).empty());
  guard.saw("gone", true, now);
  CHECK(guard.witness(now).empty());
  guard.saw("first", false, now);
  guard.saw("second", false, now + 1min);
  CHECK(guard.witness(now + 2min) == "first");
  guard.saw("first", false, now + 2min);
  CHECK(guard.witness(now + 3min) == "second");
  CHECK(guard.witness(now + 20min).empty());
}

TEST_CASE("a host's connections are counted, and given back") {
  HostRegistry hosts(2);
  const SteadyTime now{1000h};
  const Endpoint door = *Endpoint::parse("198.51.100.1:25"), back_door = *Endpoint::parse("198.51.100.2:25");
  auto first = hosts.acquire("mx", door, now);
  auto second = hosts.acquire("mx", door, now);
  CHECK(first);
  CHECK(second);
  CHECK_FALSE(hosts.acquire("mx", back_door, now));
  CHECK(hosts.acquire("other", door, now));
  first = HostRegistry::Lease();
  CHECK(hosts.acquire("mx", door, now));
  hosts.unreachable("mx", now + 60s);
  CHECK(hosts.avoid("mx", now));
  CHECK_FALSE(hosts.avoid("mx", now + 61s));
  hosts.unreachable("mx", now + 60s);
  hosts.reached("mx");
  CHECK_FALSE(hosts.avoid("mx", now));
}

TEST_CASE(
    "how many connections an address takes is learned from the one it refuses, and believed for a while") {
  HostRegistry hosts(100);
  const SteadyTime now{1000h};
  const Endpoint door = *Endpoint::parse("198.51.100.1:25"), back_door = *Endpoint::parse("198.51.100.2:25");
  std::vector<HostRegistry::Lease> leases;
  for (int i = 0; i < 5; ++i) leases.push_back(hosts.acquire("mx", door, now));
  CHECK_FALSE(hosts.crowded("mx", door, now));  // none has been greeted: the host takes nothing
  CHECK_FALSE(hosts.connection_limit("mx", door, now));
  for (int i = 0; i < 3; ++i) leases[static_cast<std::size_t>(i)].greeted(now);
  CHECK(hosts.crowded("mx", door, now));
  CHECK(hosts.connection_limit("mx", door, now) == 3U);
  CHECK_FALSE(hosts.crowded("mx", door, now + 2min));  // they all hang
  leases[0].worked(now + 2min);
  CHECK(hosts.crowded("mx", door, now + 2min));
  leases[3].greeted(now);  // was under way
  CHECK(hosts.connection_limit("mx", door, now) == 4U);
  leases.pop_back();
  CHECK_FALSE(hosts.acquire("mx", door, now));
  CHECK(hosts.acquire("mx", back_door, now));  // another address has its own limit
  leases.pop_back();
  CHECK(hosts.acquire("mx", door, now));
  leases.push_back(hosts.acquire("mx", door, now));
  CHECK_FALSE(hosts.acquire("mx", door, now));
  CHECK(hosts.acquire("mx", door, now + 13min));
  leases.clear();
  CHECK_FALSE(hosts.crowded("mx", door, now));
  CHECK(hosts.open() == 0);
}

TEST_CASE("a body that the spool cannot give says nothing about the peer") {
  smtp::TransactionResult result;
  result.rcpt.resize(1);
  result.unreadable = true;
  result.failure.emplace(smtp::Stage::body, Error(Errc::unavailable, "no descriptors"));
  const auto fates = fates_of(to(1), result);
  REQUIRE(fates.size() == 1);
  CHECK(fates[0].fate == Fate::deferred);
  CHECK(fates[0].status == "4.3.0");
  CHECK(fates[0].diagnostic == "the message cannot be read from the spool: no descriptors");
  CHECK_FALSE(fates[0].remote);
  CHECK_FALSE(ambiguous(result));
}
