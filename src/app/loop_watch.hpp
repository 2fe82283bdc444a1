// SPDX-License-Identifier: Apache-2.0
//
// LoopWatch: do the threads that carry mail still turn? Every loop is asked in turn, and only when all have answered is
// that a sign of life for the service manager's watchdog, which otherwise ends and starts the relay. A thread that does
// not answer is a trouble of the relay while it lasts, with and without a service manager. The thread that syncs the
// journal is not asked: a disk that hangs is no better after a restart.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/health.hpp"
#include "event/loop.hpp"
#include "event/task.hpp"

namespace sealpost::app {

class LoopWatch {
 public:
  struct Watched {
    std::string name;
    event::Loop* loop;  // runs until the watch has ended
  };
  // On `home`, which is thereby watched too. Asks every `every`, and waits as long for each answer; `all_turn` is called
  // each time that all have answered.
  LoopWatch(event::Loop& home, std::vector<Watched> loops, Duration every, Health& health,
            std::function<void()> all_turn);

  event::Task<void> run();  // for ever
  event::Task<bool> ask_all();
  // Those that had not answered when they were last asked.
  const std::set<std::string>& silent() const noexcept { return silent_; }

 private:
  event::Task<void> ask_one(const Watched& watched, bool& all);

  event::Loop& home_;
  const std::vector<Watched> loops_;
  const Duration every_;
  Health& health_;
  const std::function<void()> all_turn_;
  std::set<std::string> silent_;
};

}  // namespace sealpost::app
