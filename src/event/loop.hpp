// SPDX-License-Identifier: Apache-2.0
//
// Loop: one thread's ready queue, timers and clock. EventLoop (event_loop.hpp) runs it on libevent, SimLoop
// (sim_loop.hpp) on virtual time; everything else sees this class. Only post() and stop() may be called from
// another thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "sealpost/believed.hpp"
#include "sealpost/clock.hpp"

namespace sealpost {
class SharedClock;
}

namespace sealpost::event {

class Loop;

// `from` + `limit`, where a limit too large to add (Duration::max()) means never.
inline SteadyTime deadline(SteadyTime from, Duration limit) noexcept {
  return limit > SteadyTime::max() - from ? SteadyTime::max() : from + limit;
}

// Something the loop will run on its next turn; intrusive, unlinks itself when destroyed.
class Runnable {
 public:
  using Run = void (*)(Runnable&) noexcept;
  explicit Runnable(Run run) noexcept : run_(run) {}
  Runnable(const Runnable&) = delete;
  Runnable& operator=(const Runnable&) = delete;
  bool queued() const noexcept { return next_ != nullptr; }
  void unlink() noexcept;

 protected:
  ~Runnable() { unlink(); }

 private:
  friend class Loop;
  Run run_;
  Runnable* prev_ = nullptr;
  Runnable* next_ = nullptr;
};

// A deadline. Fires once, from the loop, at or after its time; equal times in the order of arming. Disarms itself
// when destroyed.
class Timer {
 public:
  using Fire = void (*)(Timer&) noexcept;
  Timer(Loop& loop, Fire fire) noexcept : loop_(loop), fire_(fire) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  void arm(SteadyTime at);  // re-arming moves it
  void disarm() noexcept;
  bool armed() const noexcept { return slot_ != npos; }
  Loop& loop() const noexcept { return loop_; }

 protected:
  ~Timer() { disarm(); }

 private:
  friend class Loop;
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
  Loop& loop_;
  Fire fire_;
  SteadyTime at_{};
  std::uint64_t order_ = 0;  // of arming
  std::size_t slot_ = npos;  // place in the loop's heap
};

class Loop {
 public:
  Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  virtual ~Loop();

  virtual SteadyTime now() const noexcept = 0;  // as of this turn
  // What the system's clock says, right or wrong. Nothing is decided by it: see believed().
  virtual SystemTime wall() const noexcept = 0;
  virtual SteadyTime steady() const noexcept { return now(); }  // as of this moment; any thread

  // The time for everything that goes by dates (T-50). Any thread. Without a clock to ask, wall() is believed.
  void ask_clock(SharedClock* clock) noexcept {
    clock_ = clock;
  }  // before run(); it outlives the loop's users
  Believed believed() const noexcept;
  SystemTime date() const noexcept { return believed().now; }  // for stamps
  // For waits that are kept as dates: goes as steady time does, never steps, and is believed() until a doubt ends
  // otherwise. Any thread.
  SystemTime paced() const noexcept;

  // Run until stop(). Everything posted before stop() has run when it returns. A stop() before run() counts.
  virtual void run() = 0;
  virtual void stop() = 0;                            // any thread
  virtual void post(std::function<void()> work) = 0;  // any thread; runs on this loop, in order of posting

  // True on the thread that runs this loop (before run(): the one that made it): what post() is for can be done at once.
  virtual bool is_current() const noexcept = 0;

  void ready(Runnable& work) noexcept;  // own thread; no-op when queued already

 protected:
  // One pass over what was ready at its start; true when something ran.
  bool run_ready() noexcept;
  bool has_ready() const noexcept { return head_.next_ != &head_; }
  // Fires what is due; a timer armed meanwhile waits for the next call, so that nobody starves.
  void fire_timers(SteadyTime until) noexcept;
  std::optional<SteadyTime> next_deadline() const noexcept;

 private:
  friend class Timer;
  struct Head final : Runnable {
    Head() noexcept;
  };
  static bool earlier(const Timer& a, const Timer& b) noexcept;
  void heap_remove(std::size_t slot) noexcept;
  void heap_place(std::size_t slot, Timer* timer) noexcept;
  void heap_up(std::size_t slot) noexcept;
  void heap_down(std::size_t slot) noexcept;

  SharedClock* clock_ = nullptr;
  Head head_;
  std::vector<Timer*> heap_;
  SteadyTime fired_until_ = SteadyTime::min();
  std::uint64_t armed_ = 0;  // timers armed so far
};

}  // namespace sealpost::event
