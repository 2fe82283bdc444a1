// SPDX-License-Identifier: Apache-2.0
#include "event/sim_loop.hpp"

#include <algorithm>
#include <utility>

namespace sealpost::event {

SystemTime SimLoop::wall() const noexcept {
  return wall_start_ + std::chrono::duration_cast<SystemTime::duration>(now_ - zero);
}

void SimLoop::shift_wall(Duration by) noexcept {
  wall_start_ += std::chrono::duration_cast<SystemTime::duration>(by);
}

void SimLoop::post(std::function<void()> work) { posted_.push_back(std::move(work)); }

bool SimLoop::turn() {
  const auto posted = std::exchange(posted_, {});
  for (const auto& work : posted) work();
  const bool ran = run_ready();
  return ran || !posted.empty();
}

bool SimLoop::step() {
  if (turn()) return true;
  const auto next = next_deadline();
  if (!next) return false;
  now_ = std::max(now_, *next);
  fire_timers(now_);
  return true;
}

void SimLoop::settle() {
  fire_timers(now_);
  while (!stopping_ && turn()) {
  }
}

void SimLoop::run_until(SteadyTime end) {
  for (;;) {
    settle();
    if (stopping_) break;
    const auto next = next_deadline();
    if (!next || *next > end) break;
    now_ = std::max(now_, *next);
  }
  // Posted before stop(): runs all the same, as on every loop.
  while (stopping_ && !posted_.empty()) {
    const auto posted = std::exchange(posted_, {});
    for (const auto& work : posted) work();
  }
}

void SimLoop::run() {
  run_until(SteadyTime::max());
  stopping_ = false;
}

void SimLoop::advance(Duration time) {
  const SteadyTime end = deadline(now_, time);
  run_until(end);
  if (!std::exchange(stopping_, false)) now_ = end;
}

}  // namespace sealpost::event
