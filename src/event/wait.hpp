// SPDX-License-Identifier: Apache-2.0
//
// What coroutines wait for besides sockets: time, each other, and answers from other threads.
// Every awaiter lives in the frame that awaits it, cannot move, and unregisters when destroyed.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "event/loop.hpp"
#include "event/task.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::event {

// A suspended coroutine that can be queued on its loop; base of the leaf awaiters. wake() only queues.
class Waiter : public Runnable {
 public:
  explicit Waiter(Loop& loop) noexcept
      : Runnable([](Runnable& self) noexcept { static_cast<Waiter&>(self).handle_.resume(); }), loop_(loop) {}
  void wake() noexcept { loop_.ready(*this); }
  Loop& loop() const noexcept { return loop_; }

 protected:
  ~Waiter() = default;
  std::coroutine_handle<> handle_;
  Loop& loop_;
};

// co_await sleep_for(loop, 5s); a duration that is not positive yields one turn.
class Sleep final : public Waiter, private Timer {
 public:
  Sleep(Loop& loop, SteadyTime until) noexcept;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle);
  void await_resume() const noexcept {}

 private:
  SteadyTime until_;
};
inline Sleep sleep_until(Loop& loop, SteadyTime until) noexcept { return Sleep(loop, until); }
inline Sleep sleep_for(Loop& loop, Duration time) noexcept { return Sleep(loop, deadline(loop.now(), time)); }
inline Sleep yield(Loop& loop) noexcept { return Sleep(loop, SteadyTime::min()); }

// co_await within(loop, 30s, task): the task's result, or Errc::timed_out after destroying it.
template <class T>
class Within final : private Timer {
 public:
  Within(Loop& loop, Duration limit, Task<Expected<T>> inner) noexcept
      : Timer(loop, &Within::expired), limit_(limit), inner_(std::move(inner)) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> parent) {
    parent_ = parent;
    if (inner_.start(parent)) return false;
    arm(deadline(loop().now(), limit_));
    return true;
  }
  Expected<T> await_resume() {
    disarm();
    if (!inner_.valid()) return Error(Errc::timed_out, "time limit passed");
    return inner_.result();
  }

 private:
  static void expired(Timer& timer) noexcept {
    auto& self = static_cast<Within&>(timer);
    self.inner_.reset();
    self.parent_.resume();
  }
  Duration limit_;
  Task<Expected<T>> inner_;
  std::coroutine_handle<> parent_;
};
template <class T>
Within<T> within(Loop& loop, Duration limit, Task<Expected<T>> inner) noexcept {
  return Within<T>(loop, limit, std::move(inner));
}

// Owner of tasks that nobody awaits. spawn() returns before the task runs a line; finished tasks are reaped on
// the next turn; destroying the scope destroys what is unfinished. Declare it after everything its tasks use.
// An exception that escapes a task is a bug or a broken host: `on_failure` gets it, after the task is reaped
// (default: log and abort). It may destroy the scope.
class TaskScope {
 public:
  using OnFailure = std::function<void(std::exception_ptr)>;
  explicit TaskScope(Loop& loop, OnFailure on_failure = {});
  ~TaskScope();
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;

  void spawn(Task<void> task);
  std::size_t size() const noexcept { return size_; }  // unfinished
  // Destroys what is unfinished; not from inside one of its own tasks.
  void cancel();
  // Until all tasks are finished and reaped; at most one joiner, which must not outlive the scope.
  Task<void> join();
  Loop& loop() const noexcept { return loop_; }

 private:
  struct Root;  // the frame that awaits a spawned task
  class JoinWait;
  static void run(Runnable& work) noexcept;
  void reap(Root& root);
  void unlink(Root& root) noexcept;

  Loop& loop_;
  OnFailure on_failure_;
  Root* roots_ = nullptr;  // running, or finished and waiting for the next turn
  std::size_t size_ = 0;
  JoinWait* joiner_ = nullptr;
};

// Wakes those who wait: notify() wakes all present waiters, first come first. No state is kept: check the condition
// again. Own thread only.
class Signal {
 public:
  explicit Signal(Loop& loop) noexcept : loop_(loop) {}
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal();
  class Wait;
  Wait wait() noexcept;
  void notify() noexcept;

 private:
  Loop& loop_;
  Wait* waiters_ = nullptr;  // a ring; this is the first
};
class Signal::Wait final : public Waiter {
 public:
  explicit Wait(Signal& signal) noexcept : Waiter(signal.loop_), signal_(&signal) {}
  ~Wait();
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept;
  void await_resume() const noexcept {}

 private:
  friend class Signal;
  void leave() noexcept;
  Signal* signal_;
  Wait* prev_ = nullptr;
  Wait* next_ = nullptr;
};
inline Signal::Wait Signal::wait() noexcept { return Wait(*this); }

// One value from anywhere, another thread included, to a coroutine on `loop`. The sender may outlive the waiter:
// what arrives then is dropped. The first send wins. The loop must outlive all senders.
template <class T>
class OneShot {
  struct State {
    Loop& loop;
    OneShot* owner;  // touched on the loop's thread only
    State(Loop& loop_, OneShot* owner_) : loop(loop_), owner(owner_) {}
  };

 public:
  explicit OneShot(Loop& loop) : state_(std::make_shared<State>(loop, this)) {}
  ~OneShot() { state_->owner = nullptr; }
  OneShot(const OneShot&) = delete;
  OneShot& operator=(const OneShot&) = delete;

  class Sender {
   public:
    explicit Sender(std::shared_ptr<State> state) : state_(std::move(state)) {}
    // From any thread.
    void send(T value) const {
      auto boxed = std::make_shared<T>(std::move(value));  // std::function wants what it holds copyable
      state_->loop.post([state = state_, boxed = std::move(boxed)] {
        if (state->owner) state->owner->deliver(std::move(*boxed));
      });
    }
    // On the loop's own thread: no post.
    void send_here(T value) const {
      if (state_->owner) state_->owner->deliver(std::move(value));
    }

   private:
    std::shared_ptr<State> state_;
  };
  Sender sender() const { return Sender(state_); }

  class Awaiter final : public Waiter {
   public:
    explicit Awaiter(OneShot& shot) noexcept : Waiter(shot.state_->loop), shot_(shot) {}
    ~Awaiter() {
      if (shot_.waiter_ == this) shot_.waiter_ = nullptr;
    }
    bool await_ready() const noexcept { return shot_.value_.has_value(); }
    void await_suspend(std::coroutine_handle<> handle) noexcept {
      handle_ = handle;
      shot_.waiter_ = this;
    }
    T await_resume() { return std::move(*shot_.value_); }

   private:
    OneShot& shot_;
  };
  Awaiter operator co_await() noexcept { return Awaiter(*this); }

 private:
  friend class Awaiter;
  void deliver(T value) {
    if (value_) return;
    value_.emplace(std::move(value));
    if (waiter_) waiter_->wake();
  }
  std::shared_ptr<State> state_;
  std::optional<T> value_;
  Awaiter* waiter_ = nullptr;
};

}  // namespace sealpost::event
