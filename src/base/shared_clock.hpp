// SPDX-License-Identifier: Apache-2.0
//
// The believed clock that all threads of a relay ask. Each question looks at the system's clock anew, so that not one
// decision is made by a clock that has just stepped. Thread-safe.
#pragma once

#include <mutex>

#include "base/believed_clock.hpp"

namespace sealpost {

class SharedClock {
 public:
  SharedClock(SystemTime built, std::optional<SystemTime> recorded, SystemTime wall, SteadyTime steady)
      : clock_(built, recorded, wall, steady),
        start_(clock_.observe(wall, steady).now),
        start_steady_(steady) {}
  virtual ~SharedClock() = default;
  SharedClock(const SharedClock&) = delete;
  SharedClock& operator=(const SharedClock&) = delete;

  // Virtual like paced(), so that tests can plant a clock that believes too much.
  virtual Believed read(SystemTime wall, SteadyTime steady) {
    const std::lock_guard lock(mutex_);
    return clock_.observe(wall, steady);
  }
  void believe(SystemTime wall, SteadyTime steady) {
    const std::lock_guard lock(mutex_);
    clock_.believe(wall, steady);
  }
  void witness(SystemTime issued, SteadyTime steady) {
    const std::lock_guard lock(mutex_);
    clock_.witness(issued, steady);
  }
  SystemTime to_record() {
    const std::lock_guard lock(mutex_);
    return clock_.to_record();
  }
  struct State {
    Believed believed;
    BelievedClock::Doubt doubt = BelievedClock::Doubt::none;
    std::chrono::microseconds off{0};
    Duration even{0};  // the clock has gone evenly for that long
    std::uint64_t steps = 0;
  };
  State look(SystemTime wall, SteadyTime steady) {
    const std::lock_guard lock(mutex_);
    State state;
    state.believed = clock_.observe(wall, steady);
    state.doubt = clock_.doubt();
    state.off = clock_.off();
    state.even = steady - clock_.even_since();
    state.steps = clock_.steps();
    return state;
  }

  // What was believed at the start, moved on with steady time: it never steps. For waits.
  virtual SystemTime paced(SteadyTime steady) const noexcept {
    return start_ + std::chrono::duration_cast<std::chrono::microseconds>(steady - start_steady_);
  }

 private:
  std::mutex mutex_;  // guards clock_
  BelievedClock clock_;
  const SystemTime start_;
  const SteadyTime start_steady_;
};

}  // namespace sealpost
