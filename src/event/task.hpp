// SPDX-License-Identifier: Apache-2.0
//
// Task<T>: a lazy coroutine that owns its frame. Awaiting starts it; destroying it cancels it, and with it every
// child it awaits, down to the leaf awaiter whose destructor unregisters. A task stays on its loop's thread.
//
// A coroutine is resumed only by its loop or by its own child finishing, never by a notify or post call; so no
// frame is destroyed while it is on the stack. A child is started inside await_suspend and reports whether it
// finished at once: symmetric transfer is no tail call below -O2 or under sanitizers and would overflow the stack.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace sealpost::event {

template <class T>
class Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> continuation;
  std::exception_ptr failure;
  bool running_inline = false;  // inside start(): the parent is still on the stack and looks at `finished`
  bool finished = false;

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      PromiseBase& promise = self.promise();
      promise.finished = true;
      if (promise.running_inline || !promise.continuation) return std::noop_coroutine();
      return promise.continuation;
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { failure = std::current_exception(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> result;
  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& value) {
    result.emplace(std::forward<U>(value));
  }
  T take() {
    if (failure) std::rethrow_exception(failure);
    return std::move(*result);
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const {
    if (failure) std::rethrow_exception(failure);
  }
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using value_type = T;
  using Handle = std::coroutine_handle<promise_type>;

  Task() noexcept = default;
  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() { reset(); }

  bool valid() const noexcept { return static_cast<bool>(handle_); }
  void reset() noexcept {
    if (auto handle = std::exchange(handle_, {})) handle.destroy();
  }

  // For owners of tasks (awaiters, scopes). start() runs the task up to its first real wait and says whether it
  // has finished; when it has not, `continuation` is resumed at its end. result() may be called once, then.
  bool start(std::coroutine_handle<> continuation) {
    promise_type& promise = handle_.promise();
    promise.continuation = continuation;
    promise.running_inline = true;
    handle_.resume();
    if (promise.finished) return true;
    promise.running_inline = false;
    return false;
  }
  T result() { return handle_.promise().take(); }

  class Awaiter {
   public:
    explicit Awaiter(Task& task) noexcept : task_(task) {}
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> parent) { return !task_.start(parent); }
    T await_resume() { return task_.result(); }

   private:
    Task& task_;
  };
  Awaiter operator co_await() & noexcept { return Awaiter(*this); }
  Awaiter operator co_await() && noexcept { return Awaiter(*this); }

 private:
  Handle handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace detail

}  // namespace sealpost::event
