// SPDX-License-Identifier: Apache-2.0
#include "event/event_loop.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include "base/log.hpp"
#include "event/event_slot_access.hpp"

namespace sealpost::event {

namespace {

// Passes over the ready queue before sockets are looked at again: work that wakes other work is done without
// a system call in between, and a chatty pair of coroutines cannot keep the sockets out.
constexpr int passes_per_turn = 8;

event_base* make_base() {
  struct FreeConfig {
    void operator()(event_config* config) const noexcept { event_config_free(config); }
  };
  const std::unique_ptr<event_config, FreeConfig> config(event_config_new());
  if (!config || event_config_set_flag(config.get(), EVENT_BASE_FLAG_NOLOCK) != 0 ||
      event_config_require_features(config.get(), EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE) != 0)
    return nullptr;
  return event_base_new_with_config(config.get());
}

timeval to_timeval(Duration time) noexcept {
  // Rounded up, so that the loop does not wake before the deadline; a day at most, then it looks again.
  const auto us = std::chrono::ceil<std::chrono::microseconds>(
                      std::clamp<Duration>(time, Duration::zero(), std::chrono::hours(24)))
                      .count();
  timeval tv{};
  tv.tv_sec = static_cast<time_t>(us / 1'000'000);
  tv.tv_usec = static_cast<suseconds_t>(us % 1'000'000);
  return tv;
}

}  // namespace

void EventLoop::FreeBase::operator()(event_base* base) const noexcept { event_base_free(base); }

EventLoop::EventLoop() : base_(make_base()), wake_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!base_ || !wake_fd_)
    throw std::runtime_error("cannot create an event loop: no epoll or eventfd descriptor");
  // Edge-triggered: every write to the eventfd is an edge, so it is never read.
  const auto woken = [](evutil_socket_t, short, void*) noexcept {};
  const auto timer_fired = [](evutil_socket_t, short, void* self) noexcept {
    static_cast<EventLoop*>(self)->timer_set_.reset();
  };
  if (event_assign(event_in(wake_event_), base_.get(), wake_fd_.get(), EV_READ | EV_ET | EV_PERSIST, woken,
                   nullptr) != 0 ||
      event_assign(event_in(timer_event_), base_.get(), -1, 0, timer_fired, this) != 0 ||
      event_add(event_in(wake_event_), nullptr) != 0)
    throw std::runtime_error("cannot create an event loop: libevent refuses its first events");
}

EventLoop::~EventLoop() = default;

SteadyTime EventLoop::now() const noexcept {
  if (!now_fresh_) {
    now_ = std::chrono::steady_clock::now();
    now_fresh_ = true;
  }
  return now_;
}

SystemTime EventLoop::wall() const noexcept {
  return std::chrono::time_point_cast<SystemTime::duration>(std::chrono::system_clock::now());
}

void EventLoop::run() {
  thread_ = std::this_thread::get_id();
  bool stopped = run_posted();
  while (!stopped) {
    now_fresh_ = false;
    fire_timers(now());
    for (int pass = 0; pass < passes_per_turn && run_ready(); ++pass) {
    }
    poll();
    stopped = run_posted();
  }
}

bool EventLoop::run_posted() {
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    running_.swap(posted_);
    stopping = std::exchange(stopping_, false);
  }
  for (auto& work : running_) {
    work();
    work = nullptr;  // what it holds dies here, in order
  }
  running_.clear();
  return stopping;
}

void EventLoop::poll() {
  const bool wait = prepare_wait();
  now_fresh_ = false;  // callbacks of events see the time after the wait
  event_base_loop(base_.get(), wait ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
  const std::lock_guard lock(mutex_);
  sleeping_ = false;
}

bool EventLoop::prepare_wait() {
  if (has_ready()) return false;
  const auto next = next_deadline();
  if (next && *next <= now()) return false;
  log::flush();
  if (next && (!timer_set_ || *next < *timer_set_)) {
    const timeval tv = to_timeval(*next - now());
    event_add(event_in(timer_event_), &tv);  // moves it when it is set already
    timer_set_ = *next;
  }
  // A timer set too early (its deadline was withdrawn) wakes the loop once for nothing; that is cheaper than
  // moving it at every command of every session.
  const std::lock_guard lock(mutex_);
  sleeping_ = posted_.empty() && !stopping_;
  return sleeping_;
}

void EventLoop::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  wake_locked();
}

void EventLoop::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(work));
  wake_locked();
}

// Under the lock to the end: once run() has seen stop(), which takes the lock too, the loop may be destroyed.
void EventLoop::wake_locked() noexcept {
  if (!sleeping_) return;
  sleeping_ = false;
  const std::uint64_t one = 1;
  // Cannot fail: the counter holds 2^64 - 2 wake-ups.
  [[maybe_unused]] const auto written = ::write(wake_fd_.get(), &one, sizeof one);
}

}  // namespace sealpost::event
