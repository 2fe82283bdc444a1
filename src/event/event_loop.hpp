// SPDX-License-Identifier: Apache-2.0
//
// EventLoop: Loop on libevent and the real clocks. Sockets, c-ares, libcurl and evhttp hang their events on
// base(); our own timers share one libevent timer, set to the earliest deadline only when the loop is about
// to wait.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/handles.hpp"
#include "event/event_slot.hpp"
#include "event/loop.hpp"

struct event_base;

namespace sealpost::event {

class EventLoop final : public Loop {
 public:
  EventLoop();  // throws std::runtime_error when the system gives no epoll or eventfd descriptor
  ~EventLoop() override;

  SteadyTime now() const noexcept override;
  SystemTime wall() const noexcept override;
  SteadyTime steady() const noexcept override { return std::chrono::steady_clock::now(); }
  void run() override;
  void stop() override;
  void post(std::function<void()> work) override;
  bool is_current() const noexcept override { return thread_ == std::this_thread::get_id(); }

  event_base* base() const noexcept { return base_.get(); }

 private:
  struct FreeBase {
    void operator()(event_base* base) const noexcept;
  };
  bool run_posted();  // true: stop() was called
  void poll();        // sockets; waits when there is nothing else to do
  bool prepare_wait();
  void wake_locked() noexcept;

  std::unique_ptr<event_base, FreeBase> base_;
  FileDescriptor wake_fd_;
  WatchedEvent wake_event_;
  WatchedEvent timer_event_;
  std::optional<SteadyTime> timer_set_;  // what timer_event_ is set to
  std::atomic<std::thread::id> thread_{std::this_thread::get_id()};
  mutable SteadyTime now_{};
  mutable bool now_fresh_ = false;

  std::mutex mutex_;  // guards what follows
  std::vector<std::function<void()>> posted_;
  bool stopping_ = false;
  bool sleeping_ = false;  // the loop must be woken through wake_fd_
  // Own thread: posted work being run, kept for its capacity.
  std::vector<std::function<void()>> running_;
};

}  // namespace sealpost::event
