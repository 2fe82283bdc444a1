// SPDX-License-Identifier: Apache-2.0
//
// What a crowd that guesses passwords comes to, and costs others.
#include "office.hpp"

using namespace sealpost;
using namespace sealpost::auth;
using namespace sealpost::auth::test;

TEST_CASE("T-31 no room for another hash: unavailable, and it is no failure; SCRAM needs none") {
  Office office;
  office.add("anna", "secret");
  office.hashing_full = true;
  for (int i = 0; i < 50; ++i) CHECK(office.plain("anna", "secret").kind == Kind::unavailable);
  ScramClient client;
  CHECK(office.scram(client).kind == Kind::accepted);
  office.hashing_full = false;
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
  office.reading_full = true;
  CHECK(office.plain("anna", "secret").kind == Kind::unavailable);
}

TEST_CASE(
    "T-31 guesses are stopped before the password is looked at, whatever the mechanism; others log in") {
  Office office;
  office.add("anna", "secret");
  office.add("otto", "secret");
  for (int i = 0; i < 5; ++i) CHECK(office.plain("anna", "wrong").kind == Kind::refused);
  office.hashes = office.reads = 0;
  ScramClient client;
  CHECK(office.plain("anna", "secret").kind == Kind::too_many);
  CHECK(office.login("anna", "secret").kind == Kind::too_many);
  CHECK(office.scram(client).kind == Kind::too_many);
  CHECK(office.hashes == 0);
  CHECK(office.reads == 0);
  CHECK(office.plain("otto", "secret").kind == Kind::accepted);
  office.channel.client = IpAddress::parse("198.51.100.1").value();
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
  office.channel.client = IpAddress::parse("192.0.2.1").value();
  office.loop.advance(40s);
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
}

TEST_CASE("T-31 SCRAM's proofs are guesses too; a first message alone is none") {
  Office office;
  office.add("anna", "secret");
  for (int i = 0; i < 30; ++i)
    CHECK(office.say(*office.begin("SCRAM-SHA-256"), "n,,n=anna,r=abc").kind == Kind::challenge);
  ScramClient wrong;
  wrong.password = "wrong";
  for (int i = 0; i < 5; ++i) CHECK(office.scram(wrong).kind == Kind::refused);
  ScramClient right;
  CHECK(office.scram(right).kind == Kind::too_many);
}

TEST_CASE("T-31 strangers' guesses do not take all the places for hashes") {
  Office office(no_brakes());
  office.add("anna", "secret");
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
  std::vector<std::unique_ptr<Exchange>> exchanges;
  std::vector<Kind> endings;
  event::TaskScope scope(office.loop);
  office.hashing->held = true;
  for (int i = 0; i < 20; ++i) {
    office.channel.client = IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(i)});
    exchanges.push_back(office.begin("PLAIN"));
    scope.spawn(speak(*exchanges.back(), std::string("\0anna\0wrong", 11), endings));
  }
  office.loop.settle();
  CHECK(office.hashing->kept.size() == 6);  // of ten
  CHECK(endings == std::vector<Kind>(14, Kind::unavailable));
  office.hashing->held = false;
  CHECK(office.plain("anna", "secret").kind == Kind::unavailable);
  office.channel.client = IpAddress::parse("192.0.2.1").value();
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
  // A place is free again when its work is done.
  for (const auto& work : office.hashing->kept) work();
  office.hashing->kept.clear();
  office.loop.settle();
  CHECK(endings.size() == 20);
  office.channel.client = IpAddress::parse("198.51.100.1").value();
  CHECK(office.plain("anna", "secret").kind == Kind::accepted);
}

TEST_CASE("T-31 who hangs up because we took so long has not guessed; who does so at once may have") {
  for (const bool slow : {true, false}) {
    Office office;
    office.add("anna", "secret");
    for (int i = 0; i < 5; ++i) {
      office.hashing->held = true;
      const auto exchange = office.begin("PLAIN");
      // What the pool never does is never answered: the step ends with its scope.
      std::vector<Kind> endings;
      event::TaskScope scope(office.loop);
      scope.spawn(speak(*exchange, std::string("\0anna\0secret", 12), endings));
      office.loop.settle();
      if (slow) office.loop.advance(6s);
    }
    office.hashing->held = false;
    CHECK(office.plain("anna", "secret").kind == (slow ? Kind::accepted : Kind::too_many));
  }
}
