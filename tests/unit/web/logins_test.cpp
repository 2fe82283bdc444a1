// SPDX-License-Identifier: Apache-2.0
#include "web/logins.hpp"

#include <doctest.h>

#include "auth/password.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"

using namespace sealpost;
using namespace std::chrono_literals;
using web::Login;

namespace {

struct World {
  World() {
    web::LoginSettings settings;
    settings.pool = std::make_unique<event::InlinePool>();
    logins = std::make_unique<web::Logins>(loop, std::move(settings));
  }
  Login check(const std::string& name, std::string_view password, const std::string& hash) {
    const auto secret = std::make_shared<const auth::Secret>(password);
    return event::run_until_done(loop, logins->check(*IpAddress::parse("192.0.2.1"), name, secret, hash));
  }
  event::SimLoop loop;
  std::unique_ptr<web::Logins> logins;
};

}  // namespace

TEST_CASE("T-32 a password is right, wrong, or of nobody; who has none never gets in") {
  World world;
  const std::string hash = *auth::hash_password(auth::Secret("correct horse"));
  CHECK(world.check("anna", "correct horse", hash) == Login::right);
  CHECK(world.check("anna", "correct hors", hash) == Login::wrong);
  CHECK(world.check("nobody", "correct horse", "") == Login::wrong);
  CHECK(world.check("anna", "", hash) == Login::wrong);
  CHECK(world.logins->counters().right == 1);
  CHECK(world.logins->counters().refused == 3);
}

TEST_CASE("T-31 guessing meets the brakes, and the right password does not pass them") {
  World world;
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
