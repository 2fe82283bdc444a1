// SPDX-License-Identifier: Apache-2.0
#include "web/logins.hpp"

#include "auth/password.hpp"
#include "event/wait.hpp"

namespace sealpost::web {
namespace {

constexpr std::chrono::milliseconds look_again{100};
constexpr int most_looks = 50;  // five seconds

}  // namespace

Logins::Logins(event::Loop& loop, LoginSettings settings)
    : loop_(loop), brakes_(settings.brakes), pool_(std::move(settings.pool)) {
  if (!pool_) pool_ = std::make_unique<event::ThreadPool>(settings.threads, settings.most_waiting);
}

event::Task<Login> Logins::check(IpAddress client, std::string name,
                                 std::shared_ptr<const auth::Secret> password, std::string hash) {
  auth::Attempt attempt(brakes_, client, name);
  for (int looks = 0;; ++looks) {
    const auth::Brakes::Answer answer = attempt.enter(loop_.steady());
    if (answer.word == auth::Brakes::Word::stop || looks == most_looks) {
      counters_.refused.fetch_add(1, std::memory_order_relaxed);
      co_return Login::too_many;
    }
    const bool goes = answer.word == auth::Brakes::Word::go;
    const Duration pause = goes ? answer.pause : Duration(look_again);
    if (pause > Duration()) co_await event::sleep_for(loop_, pause);
    if (goes) break;
  }
  const bool known = !hash.empty();
  std::function<Expected<bool>()> work = [password, hash = known ? std::move(hash) : auth::nobodys_hash()] {
    return Expected<bool>(auth::matches(*password, hash));
  };
  const Expected<bool> right = co_await event::run_blocking<bool>(*pool_, loop_, std::move(work));
  if (!right) {
    attempt.leave(auth::Brakes::Ending::unknown, loop_.steady());
    co_return Login::busy;
  }
  const bool good = known && *right;
  (good ? counters_.right : counters_.refused).fetch_add(1, std::memory_order_relaxed);
  const Duration pause =
      attempt.leave(good ? auth::Brakes::Ending::right : auth::Brakes::Ending::wrong, loop_.steady());
  if (pause > Duration()) co_await event::sleep_for(loop_, pause);
  co_return good ? Login::right : Login::wrong;
}

}  // namespace sealpost::web
