// SPDX-License-Identifier: Apache-2.0
#include "spool/driver.hpp"

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace sealpost::spool {
namespace {

class ThreadDriver final : public Driver {
 public:
  ~ThreadDriver() override { stop(); }

  void start(Turn turn) override {
    turn_ = std::move(turn);
    thread_ = std::thread([this] { run(); });
  }
  void wake() override {
    {
      const std::lock_guard lock(mutex_);
      woken_ = true;
    }
    wakened_.notify_one();
  }
  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wakened_.notify_one();
    if (thread_.joinable()) thread_.join();
  }
  SteadyTime now() const override { return std::chrono::steady_clock::now(); }
  SystemTime wall() const override {
    return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  }

 private:
  // Signals are for the loops (T-58); a sync must not come back with EINTR.
  void run() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    ::pthread_setname_np(::pthread_self(), "spool");
    for (;;) {
      const std::optional<SteadyTime> next = turn_(now());
      std::unique_lock lock(mutex_);
      const auto due = [this] { return woken_ || stopping_; };
      if (next)
        wakened_.wait_until(lock, *next, due);
      else
        wakened_.wait(lock, due);
      if (stopping_) return;
      woken_ = false;
    }
  }
  Turn turn_;
  std::mutex mutex_;
  std::condition_variable wakened_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

class LoopDriver final : public Driver, private event::Timer {
 public:
  LoopDriver(event::Loop& loop, Duration latency)
      : Timer(loop, [](Timer& timer) noexcept { static_cast<LoopDriver&>(timer).run(); }),
        latency_(latency) {}
  ~LoopDriver() override { stop(); }

  void start(Turn turn) override {
    turn_ = std::move(turn);
    wake();
  }
  void wake() override {
    if (!stopped_) arm_by(now() + latency_);
  }
  void stop() override {
    disarm();
    stopped_ = true;
  }
  SteadyTime now() const override { return loop().now(); }
  SystemTime wall() const override { return loop().wall(); }

 private:
  void arm_by(SteadyTime at) {
    if (armed() && at_ <= at) return;
    at_ = at;
    arm(at);
  }
  void run() {
    const std::optional<SteadyTime> next = turn_(now());
    if (next && !stopped_) arm_by(std::max(*next, now() + latency_));
  }

  Turn turn_;
  Duration latency_;
  SteadyTime at_{};
  bool stopped_ = false;
};

}  // namespace

std::unique_ptr<Driver> make_thread_driver() { return std::make_unique<ThreadDriver>(); }

std::unique_ptr<Driver> make_loop_driver(event::Loop& loop, Duration latency) {
  return std::make_unique<LoopDriver>(loop, latency);
}

}  // namespace sealpost::spool
