// SPDX-License-Identifier: Apache-2.0
#include "web/logins.hpp"

#include "auth/entering.hpp"
#include "auth/password.hpp"
#include "event/wait.hpp"

namespace sealpost::web {
namespace {

class Counted {
 public:
  explicit Counted(std::size_t& number) noexcept : number_(number) { ++number_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --number_; }

 private:
  std::size_t& number_;
};

}  // namespace

auth::BrakeSettings brakes_of_this_machine() {
  auth::BrakeSettings settings;
  settings.first_refusal = std::chrono::seconds(1);
  settings.longest_refusal = std::chrono::seconds(4);
  return settings;
}

Logins::Logins(event::Loop& loop, LoginSettings settings)
    : loop_(loop),
      most_at_once_(settings.most_at_once),
      brakes_(settings.brakes),
      local_brakes_(settings.local_brakes),
      pool_(std::move(settings.pool)) {
  if (!pool_) pool_ = std::make_unique<event::ThreadPool>(settings.threads, settings.most_waiting);
}

event::Task<Login> Logins::check(IpAddress client, std::string name,
                                 std::shared_ptr<const auth::Secret> password, std::string hash) {
  if (under_way_ >= most_at_once_) co_return Login::busy;
  const Counted counted(under_way_);
  const bool local = client.is_loopback();
  auth::Attempt attempt(local ? local_brakes_ : brakes_, client, name);
  const auth::Entered entered =
      co_await auth::enter(loop_, attempt, local ? auth::Refusal::waited_for : auth::Refusal::said);
  if (entered != auth::Entered::yes) {
    counters_.refused.fetch_add(1, std::memory_order_relaxed);
    co_return entered == auth::Entered::refused ? Login::too_many : Login::busy;
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
