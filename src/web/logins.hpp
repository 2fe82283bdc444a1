// SPDX-License-Identifier: Apache-2.0
//
// A name and a password, held against the users of the configuration: the same work for a name that there is not, off the
// loop, behind the brakes that guessing meets on submission ports too (auth/brakes.hpp). All people of this machine, and all
// who come through a tunnel to it, have one address: they have brakes of their own, which refuse for seconds and are waited
// for, so that none of them can keep another one out.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "auth/brakes.hpp"
#include "auth/secret.hpp"
#include "config/web_config.hpp"
#include "event/blocking_pool.hpp"
#include "event/loop.hpp"

namespace sealpost::web {

auth::BrakeSettings brakes_of_this_machine();

struct LoginSettings {
  LoginSettings() = default;
  std::size_t threads = 1;        // takes 16 MiB while it hashes
  std::size_t most_waiting = 16;  // for a hash
  std::size_t most_at_once =
      4;  // under way: half of the places that pages have, so that logins fill them never
  auth::BrakeSettings brakes, local_brakes = brakes_of_this_machine();
  std::unique_ptr<event::BlockingPool> pool;  // null: threads of its own
};

enum class Login : std::uint8_t { right, wrong, too_many, busy };

class Logins {
 public:
  explicit Logins(event::Loop& loop, LoginSettings settings = {});

  // `hash` empty: there is no such user, or he has no password.
  event::Task<Login> check(IpAddress client, std::string name, std::shared_ptr<const auth::Secret> password,
                           std::string hash);

  struct Counters {
    std::atomic<std::uint64_t> right{0}, refused{0};
  };
  const Counters& counters() const noexcept { return counters_; }

 private:
  event::Loop& loop_;
  const std::size_t most_at_once_;
  std::size_t under_way_ = 0;
  auth::Brakes brakes_, local_brakes_;
  Counters counters_;
  std::unique_ptr<event::BlockingPool> pool_;
};

}  // namespace sealpost::web
