// SPDX-License-Identifier: Apache-2.0
//
// SimLoop: Loop on virtual time, for tests and simulation. One thread; time passes only when nothing is left
// to do at the present moment, and then jumps to the next deadline. The same inputs give the same run.
#pragma once

#include <functional>
#include <vector>

#include "event/loop.hpp"

namespace sealpost::event {

class SimLoop final : public Loop {
 public:
  static constexpr SystemTime default_start{std::chrono::sys_days{std::chrono::year{2026} / 1 / 5}};
  explicit SimLoop(SystemTime start = default_start) noexcept : wall_start_(start) {}

  SteadyTime now() const noexcept override { return now_; }
  SystemTime wall() const noexcept override;
  // Until stop(), or until the simulation has run dry: nothing ready, posted or armed. See dry().
  void run() override;
  void stop() override { stopping_ = true; }
  void post(std::function<void()> work) override;  // this thread only
  bool is_current() const noexcept override { return true; }

  // What is to be done at the present moment, without passing time.
  void settle();
  // All that happens within `time`, in order; `time` later at the end. A stop() ends it early.
  void advance(Duration time);
  // One pass over what is ready; when nothing is, time jumps to the next deadline. False: dry.
  bool step();
  bool dry() const noexcept { return !has_ready() && posted_.empty() && !next_deadline(); }
  // The wall clock jumps, steady time does not notice (T-50).
  void shift_wall(Duration by) noexcept;

 private:
  // Not the epoch: code may use a default time point for "never".
  static constexpr SteadyTime zero{std::chrono::hours(1000)};
  void run_until(SteadyTime end);
  bool turn();

  SteadyTime now_ = zero;
  SystemTime wall_start_;  // wall time at `zero`
  bool stopping_ = false;
  std::vector<std::function<void()>> posted_;
};

}  // namespace sealpost::event
