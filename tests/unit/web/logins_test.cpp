// SPDX-License-Identifier: Apache-2.0
#include "web/logins.hpp"

#include <doctest.h>

#include <map>

#include "auth/password.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"

using namespace sealpost;
using namespace std::chrono_literals;
using web::Login;

namespace {

struct LoginsWorld {
  LoginsWorld() {
    web::LoginSettings settings;
    settings.pool = std::make_unique<event::InlinePool>();
    logins = std::make_unique<web::Logins>(loop, std::move(settings));
  }
  Login check(const std::string& name, std::string_view password, const std::string& hash) {
    const auto secret = std::make_shared<const auth::Secret>(password);
    return event::run_until_done(loop, logins->check(*IpAddress::parse(client), name, secret, hash));
  }
  std::string client = "192.0.2.1";
  event::SimLoop loop;
  std::unique_ptr<web::Logins> logins;
};

}  // namespace

TEST_CASE("T-32 a password is right, wrong, or of nobody; who has none never gets in") {
  LoginsWorld world;
  const std::string hash = *auth::hash_password(auth::Secret("correct horse"));
  CHECK(world.check("anna", "correct horse", hash) == Login::right);
  CHECK(world.check("anna", "correct hors", hash) == Login::wrong);
  CHECK(world.check("nobody", "correct horse", "") == Login::wrong);
  CHECK(world.check("anna", "", hash) == Login::wrong);
  CHECK(world.logins->counters().right == 1);
  CHECK(world.logins->counters().refused == 3);
}

TEST_CASE("T-31 guessing meets the brakes, and the right password does not pass them") {
  LoginsWorld world;
  const std::string hash = *auth::hash_password(auth::Secret("correct horse"));
  Login last = Login::wrong;
  int tries = 0;
  while (last == Login::wrong && tries < 50) {
    last = world.check("anna", "guess", hash);
    ++tries;
  }
  CHECK(last == Login::too_many);
  CHECK(tries <= 6);
  CHECK(world.check("anna", "correct horse", hash) == Login::too_many);
  world.loop.advance(2h);
  CHECK(world.check("anna", "correct horse", hash) == Login::right);
}

TEST_CASE("T-31 whoever guesses on this machine is slowed down, and keeps nobody else of it out") {
  LoginsWorld world;
  const std::string hash = *auth::hash_password(auth::Secret("correct horse"));
  for (const char* loopback : {"127.0.0.1", "::1"}) {
    world.client = loopback;
    for (int i = 0; i < 22; ++i) CHECK(world.check("anna", "guess", hash) == Login::wrong);
    const SteadyTime before = world.loop.steady();
    world.check("anna", "guess", hash);
    CHECK(world.loop.steady() - before >= 4s);
    CHECK(world.check("anna", "correct horse", hash) == Login::right);
    CHECK(world.check("boris", "correct horse", hash) == Login::right);
  }
}

namespace {

event::Task<void> try_once(LoginsWorld& world, std::map<Login, int>& answers) {
  const auto secret = std::make_shared<const auth::Secret>("guess");
  const IpAddress client = *IpAddress::parse(world.client);
  const Login login = co_await world.logins->check(client, "anna", secret, "");
  ++answers[login];
}

}  // namespace

TEST_CASE("T-26 logins never take all the places that pages have") {
  LoginsWorld world;
  for (int i = 0; i < 12; ++i) world.check("anna", "guess", "");  // from now on each waits
  std::map<Login, int> answers;
  event::TaskScope scope(world.loop);
  world.client = "192.0.2.2";
  for (int i = 0; i < 10; ++i) scope.spawn(try_once(world, answers));
  event::run_until_done(world.loop, scope.join());
  CHECK(answers == std::map<Login, int>{{Login::wrong, 4}, {Login::busy, 6}});
}
