// SPDX-License-Identifier: Apache-2.0
#include "auth/brakes.hpp"

#include <doctest.h>

using namespace sealpost;
using namespace sealpost::auth;
using namespace std::chrono_literals;
using Word = Brakes::Word;
using Ending = Brakes::Ending;

namespace {

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }

struct Trial {
  Brakes brakes;
  SteadyTime now{std::chrono::hours(1000)};

  Word attempt(const IpAddress& client, const std::string& name, Ending ending) {
    const Word word = brakes.enter(client, name, now).word;
    if (word == Word::go) brakes.leave(client, name, ending, now);
    return word;
  }
  // How many of `tries` were looked at.
  int guesses(const IpAddress& client, const std::string& name, int tries, Duration apart = 0s) {
    int looked_at = 0;
    for (int i = 0; i < tries; ++i, now += apart)
      looked_at += attempt(client, name, Ending::wrong) == Word::go ? 1 : 0;
    return looked_at;
  }
};

}  // namespace

TEST_CASE("T-31 10,000 guesses at one name: a few are looked at, and the times between grow") {
  Trial trial;
  CHECK(trial.guesses(ip("192.0.2.1"), "anna", 10'000) == 5);
  // One guess a second for ten hours.
  Trial patient;
  CHECK(patient.guesses(ip("192.0.2.1"), "anna", 36'000, 1s) < 60);
  CHECK(patient.brakes.counters().stopped > 35'000);
}

TEST_CASE("T-31 many names from one network are stopped too; an IPv6 network is a /64") {
  Trial trial;
  int looked_at = 0;
  for (int i = 0; i < 1000; ++i) looked_at += trial.guesses(ip("192.0.2.1"), "name" + std::to_string(i), 1);
  CHECK(looked_at == 20);
  Trial v6;
  looked_at = 0;
  for (int i = 1; i < 1000; ++i)
    looked_at += v6.guesses(ip(("2001:db8::" + std::to_string(i)).c_str()), "name" + std::to_string(i), 1);
  CHECK(looked_at == 20);
  CHECK(v6.guesses(ip("2001:db8:0:1::1"), "anna", 1) == 1);
}

TEST_CASE("T-31 strangers who try a name slow it down for who is new there, and lock nobody out") {
  Trial trial;
  const IpAddress home = ip("198.51.100.7"), cafe = ip("198.51.100.8");
  CHECK(trial.attempt(home, "anna", Ending::right) == Word::go);
  for (int i = 0; i < 200; ++i) trial.guesses(ip(("10.0." + std::to_string(i) + ".1").c_str()), "anna", 10);
  const auto at_home = trial.brakes.enter(home, "anna", trial.now);
  CHECK(at_home.word == Word::go);
  CHECK(at_home.pause == Duration());
  const auto at_cafe = trial.brakes.enter(cafe, "anna", trial.now);
  CHECK(at_cafe.word == Word::go);
  CHECK(at_cafe.pause == Duration(4s));
}

TEST_CASE("T-31 who has logged in from a network passes what others there have failed at") {
  Trial trial;
  const IpAddress office = ip("192.0.2.1");
  CHECK(trial.attempt(office, "anna", Ending::right) == Word::go);
  for (int i = 0; i < 100; ++i) trial.guesses(office, "name" + std::to_string(i), 1);
  CHECK(trial.attempt(office, "otto", Ending::right) == Word::stop);
  CHECK(trial.attempt(office, "anna", Ending::right) == Word::go);
  // Not when it fails itself.
  trial.guesses(office, "anna", 5);
  CHECK(trial.attempt(office, "anna", Ending::right) == Word::stop);
  trial.now += 31s;
  CHECK(trial.attempt(office, "anna", Ending::right) == Word::go);
}

TEST_CASE("T-31 each name that has logged in leaves its network room; one account gives a guesser little") {
  Trial webmail;
  const IpAddress client = ip("192.0.2.1");
  for (int i = 0; i < 50; ++i) webmail.attempt(client, "user" + std::to_string(i), Ending::right);
  int looked_at = 0;
  for (int i = 0; i < 300; ++i) looked_at += webmail.guesses(client, "slip" + std::to_string(i), 1);
  CHECK(looked_at == 300);
  Trial guesser;
  looked_at = 0;
  for (int i = 0; i < 1000; ++i) {
    guesser.attempt(client, "his own", Ending::right);
    looked_at += guesser.guesses(client, "name" + std::to_string(i), 1);
  }
  CHECK(looked_at == 40);
}

TEST_CASE("T-31 what is under way has not failed yet: a thousand at once are not a thousand first tries") {
  Trial trial;
  const IpAddress client = ip("192.0.2.1");
  int begun = 0;
  for (int i = 0; i < 1000; ++i)
    begun += trial.brakes.enter(client, "anna", trial.now).word == Word::go ? 1 : 0;
  CHECK(begun == 4);
  for (int i = 0; i < begun; ++i) trial.brakes.leave(client, "anna", Ending::unknown, trial.now);
  // Nothing was wrong with them. Who is known may come as often at once as he likes.
  CHECK(trial.attempt(client, "anna", Ending::right) == Word::go);
  for (int i = 0; i < 100; ++i) CHECK(trial.brakes.enter(client, "anna", trial.now).word == Word::go);
}

TEST_CASE("T-31 an attempt that is given up has failed") {
  Brakes brakes;
  const SteadyTime now{std::chrono::hours(1000)};
  for (int i = 0; i < 5; ++i) {
    Attempt attempt(brakes, ip("192.0.2.1"), "anna");
    CHECK(attempt.enter(now).word == Word::go);
  }
  CHECK(brakes.stops(ip("192.0.2.1"), "anna", now));
}

TEST_CASE("T-31 answers to failures are kept back longer and longer; an hour without one forgets") {
  Trial trial;
  const IpAddress client = ip("192.0.2.1");
  std::vector<Duration> pauses;
  for (int i = 0; i < 4; ++i) {
    trial.brakes.enter(client, "anna", trial.now);
    pauses.push_back(trial.brakes.leave(client, "anna", Ending::wrong, trial.now));
  }
  CHECK(pauses == std::vector<Duration>{0ms, 500ms, 1000ms, 2000ms});
  trial.now += 61min;
  trial.brakes.enter(client, "anna", trial.now);
  CHECK(trial.brakes.leave(client, "anna", Ending::wrong, trial.now) == Duration());
}

TEST_CASE("T-31 the tables are bounded") {
  BrakeSettings settings;
  settings.most = 100;
  Brakes brakes(settings);
  const SteadyTime now{std::chrono::hours(1000)};
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    const auto octet = [&](unsigned shift) { return static_cast<std::uint8_t>(i >> shift); };
    const IpAddress client = IpAddress::v4({10, octet(16), octet(8), octet(0)});
    brakes.enter(client, std::to_string(i), now);
    brakes.leave(client, std::to_string(i), Ending::wrong, now);
  }
  CHECK(brakes.counters().entries == 300);
  CHECK(brakes.counters().forgotten == 3 * 9900);
}

TEST_CASE(
    "T-31 a crowd of strangers does not make us forget who has logged in, nor the room of his network") {
  BrakeSettings settings;
  settings.most = 100;
  Brakes brakes(settings);
  const SteadyTime now{std::chrono::hours(1000)};
  const IpAddress office = ip("192.0.2.1");
  brakes.enter(office, "anna", now);
  brakes.leave(office, "anna", Ending::right, now);
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const IpAddress client =
        IpAddress::v4({10, 0, static_cast<std::uint8_t>(i >> 8U), static_cast<std::uint8_t>(i)});
    brakes.enter(client, std::to_string(i), now);
    brakes.leave(client, std::to_string(i), Ending::wrong, now);
  }
  for (int i = 0; i < 100; ++i) {
    const std::string name = "slip" + std::to_string(i);
    const Word word = brakes.enter(office, name, now).word;
    CHECK((word == Word::go) == (i < 40));
    if (word == Word::go) brakes.leave(office, name, Ending::wrong, now);
  }
  CHECK(brakes.enter(office, "anna", now).word == Word::go);
}

TEST_CASE("T-31 who waits for his turn, or has not failed, takes no entry") {
  Brakes brakes;
  const SteadyTime now{std::chrono::hours(1000)};
  for (int i = 0; i < 1000; ++i) brakes.enter(ip("192.0.2.1"), std::to_string(i), now);
  CHECK(brakes.counters().entries == 32 + 1);
}
