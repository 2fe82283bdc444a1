// SPDX-License-Identifier: Apache-2.0
#include "app/exit_guard.hpp"

#include <unistd.h>

#include "app/signals.hpp"
#include "base/log.hpp"

namespace sealpost::app {

ExitGuard::~ExitGuard() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void ExitGuard::arm(Duration limit) {
  const SteadyTime end = std::chrono::steady_clock::now() + limit;
  {
    const std::lock_guard lock(mutex_);
    if (end_ && *end_ <= end) return;
    end_ = end;
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { watch(); });
  changed_.notify_one();
}

void ExitGuard::watch() {
  hold_signals_back();
  std::unique_lock lock(mutex_);
  while (!over_) {
    if (std::chrono::steady_clock::now() >= *end_) break;
    changed_.wait_until(lock, *end_);
  }
  if (over_) return;
  log::error("stop_cut_short", {{"why", "a part of the relay did not end in time"},
                                {"lost", "nothing: the next start reads the journal"}});
  log::finish(std::chrono::milliseconds(500));
  ::_exit(exit_code);  // no destructors: others still run
}

}  // namespace sealpost::app
