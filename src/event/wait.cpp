// SPDX-License-Identifier: Apache-2.0
#include "event/wait.hpp"

#include <cassert>
#include <cstdlib>

#include "base/log.hpp"

namespace sealpost::event {

// ---- Sleep
// ----------------------------------------------------------------------------------------------------

Sleep::Sleep(Loop& loop, SteadyTime until) noexcept
    : Waiter(loop),
      Timer(loop, [](Timer& timer) noexcept { static_cast<Sleep&>(timer).handle_.resume(); }),
      until_(until) {}

void Sleep::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  if (until_ <= Waiter::loop().now()) {
    wake();
  } else {
    arm(until_);
  }
}

// ---- TaskScope
// ------------------------------------------------------------------------------------------------

// The promise of the small coroutine that awaits one spawned task. It is queued twice on the loop: to start,
// and once finished to be reaped, so that no frame dies inside its own call chain.
struct TaskScope::Root final : Runnable {
  struct Frame {
    using promise_type = Root;
    explicit Frame(Root& root_) noexcept : root(root_) {}
    Root& root;
  };
  struct Finish {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<Root> self) const noexcept {
      Root& root = self.promise();
      root.finished = true;
      --root.scope->size_;
      root.scope->loop_.ready(root);
    }
    void await_resume() const noexcept {}
  };

  Root() noexcept : Runnable(&TaskScope::run) {}
  static Frame drive(Task<void> task) { co_await task; }

  Frame get_return_object() noexcept { return Frame(*this); }
  std::suspend_always initial_suspend() const noexcept { return {}; }
  Finish final_suspend() const noexcept { return {}; }
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { failure = std::current_exception(); }
  std::coroutine_handle<Root> handle() noexcept { return std::coroutine_handle<Root>::from_promise(*this); }

  TaskScope* scope = nullptr;
  Root* prev = nullptr;
  Root* next = nullptr;
  bool finished = false;
  std::exception_ptr failure;
};

class TaskScope::JoinWait final : public Waiter {
 public:
  explicit JoinWait(TaskScope& scope) noexcept : Waiter(scope.loop_), scope_(scope) {}
  ~JoinWait() {
    if (scope_.joiner_ == this) scope_.joiner_ = nullptr;
  }
  bool await_ready() const noexcept { return scope_.roots_ == nullptr; }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    assert(!scope_.joiner_);
    handle_ = handle;
    scope_.joiner_ = this;
  }
  void await_resume() const noexcept {}

 private:
  TaskScope& scope_;
};

namespace {

[[noreturn]] void abort_on(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    log::error("internal_error", {{"what", e.what()}});
  } catch (...) {
    log::error("internal_error", {{"what", "a task ended by an unknown exception"}});
  }
  log::finish(std::chrono::seconds(1));
  std::abort();
}

}  // namespace

TaskScope::TaskScope(Loop& loop, OnFailure on_failure) : loop_(loop), on_failure_(std::move(on_failure)) {
  if (!on_failure_) on_failure_ = abort_on;
}

TaskScope::~TaskScope() { cancel(); }

void TaskScope::spawn(Task<void> task) {
  assert(task.valid());
  Root& root = Root::drive(std::move(task)).root;
  root.scope = this;
  root.next = roots_;
  if (roots_) roots_->prev = &root;
  roots_ = &root;
  ++size_;
  loop_.ready(root);
}

void TaskScope::run(Runnable& work) noexcept {
  Root& root = static_cast<Root&>(work);
  if (root.finished) {
    root.scope->reap(root);
  } else {
    root.handle().resume();
  }
}

void TaskScope::unlink(Root& root) noexcept {
  if (root.prev) root.prev->next = root.next;
  if (root.next) root.next->prev = root.prev;
  if (roots_ == &root) roots_ = root.next;
  if (!root.finished) --size_;
}

void TaskScope::reap(Root& root) {
  unlink(root);
  const std::exception_ptr failure = root.failure;
  root.handle().destroy();
  if (!roots_ && joiner_) joiner_->wake();
  if (!failure) return;
  const OnFailure on_failure = on_failure_;  // a copy: it may destroy the scope
  on_failure(failure);
}

void TaskScope::cancel() {
  std::exception_ptr failure;
  while (roots_) {
    Root& root = *roots_;
    if (root.failure) failure = root.failure;
    unlink(root);
    root.handle().destroy();
  }
  if (joiner_) joiner_->wake();
  if (failure) on_failure_(failure);  // one that had failed and was not reaped yet must not vanish
}

Task<void> TaskScope::join() {
  JoinWait wait(*this);
  while (roots_) co_await wait;
}

// ---- Signal
// ---------------------------------------------------------------------------------------------------

Signal::~Signal() {
  for (Wait* wait = waiters_; wait; wait = waiters_) wait->leave();
}

void Signal::notify() noexcept {
  for (Wait* wait = waiters_; wait; wait = waiters_) {
    wait->leave();
    wait->wake();
  }
}

Signal::Wait::~Wait() { leave(); }

void Signal::Wait::await_suspend(std::coroutine_handle<> handle) noexcept {
  handle_ = handle;
  Wait*& first = signal_->waiters_;
  if (!first) {
    first = prev_ = next_ = this;
    return;
  }
  prev_ = first->prev_;
  next_ = first;
  prev_->next_ = next_->prev_ = this;
}

void Signal::Wait::leave() noexcept {
  if (!next_) return;
  Wait*& first = signal_->waiters_;
  if (first == this) first = next_ == this ? nullptr : next_;
  prev_->next_ = next_;
  next_->prev_ = prev_;
  prev_ = next_ = nullptr;
}

}  // namespace sealpost::event
