// SPDX-License-Identifier: Apache-2.0
//
// OneAtATime: work that is asked for again while it runs is done once more afterwards, however often it was asked for:
// the last request is always followed by a whole run.
#pragma once

#include <functional>
#include <utility>

#include "event/wait.hpp"

namespace sealpost::event {

class OneAtATime {
 public:
  // `work` makes the task; it runs in `scope`, on its loop. Both outlive this.
  OneAtATime(TaskScope& scope, std::function<Task<void>()> work) : scope_(scope), work_(std::move(work)) {}

  // On the loop's thread.
  void request() {
    wanted_ = true;
    if (running_) return;
    running_ = true;
    scope_.spawn(run());
  }
  bool running() const noexcept { return running_; }

 private:
  Task<void> run() {
    while (wanted_) {
      wanted_ = false;
      co_await work_();
    }
    running_ = false;
  }

  TaskScope& scope_;
  std::function<Task<void>()> work_;
  bool wanted_ = false, running_ = false;
};

}  // namespace sealpost::event
