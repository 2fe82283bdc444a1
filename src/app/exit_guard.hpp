// SPDX-License-Identifier: Apache-2.0
//
// ExitGuard: an end that always comes (D-28). A stop that hangs - a disk that does not answer, a thread that waits for
// it - is ended from a thread of its own when its time is over. That is as safe as kill -9: what was answered 250 is in
// the journal, and so is the mark that no attempt was cut off by a crash.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "sealpost/clock.hpp"

namespace sealpost::app {

class ExitGuard {
 public:
  static constexpr int exit_code = 75;  // EX_TEMPFAIL: the stop was not in order

  ExitGuard() = default;
  ~ExitGuard();  // in time
  ExitGuard(const ExitGuard&) = delete;
  ExitGuard& operator=(const ExitGuard&) = delete;

  // The process ends in `limit` unless this is destroyed before; an earlier end holds against a later one.
  void arm(Duration limit);

 private:
  void watch();

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::optional<SteadyTime> end_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace sealpost::app
