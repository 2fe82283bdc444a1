// SPDX-License-Identifier: Apache-2.0
//
// run_until_done: runs a loop until one task has finished, for main functions and tests.
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include "event/wait.hpp"

namespace sealpost::event {

namespace detail {

template <class T>
Task<void> keep_result(Loop& loop, Task<T> task, std::optional<T>& result, std::exception_ptr& failure) {
  try {
    result.emplace(co_await task);
  } catch (...) {
    failure = std::current_exception();
  }
  loop.stop();
}

inline Task<void> keep_failure(Loop& loop, Task<void> task, std::exception_ptr& failure) {
  try {
    co_await task;
  } catch (...) {
    failure = std::current_exception();
  }
  loop.stop();
}

}  // namespace detail

// The result; what it throws is thrown here. A simulated loop that runs dry first gives none: that is
// std::optional's bad_optional_access, and a test that hangs for ever on a real loop.
template <class T>
T run_until_done(Loop& loop, Task<T> task) {
  std::optional<T> result;
  std::exception_ptr failure;
  TaskScope scope(loop);
  scope.spawn(detail::keep_result(loop, std::move(task), result, failure));
  loop.run();
  if (failure) std::rethrow_exception(failure);
  return std::move(result.value());
}

inline void run_until_done(Loop& loop, Task<void> task) {
  std::exception_ptr failure;
  TaskScope scope(loop);
  scope.spawn(detail::keep_failure(loop, std::move(task), failure));
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace sealpost::event
