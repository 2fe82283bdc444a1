// SPDX-License-Identifier: Apache-2.0
//
// Work that blocks (a synced commit, a slow file system) runs on threads of its own; its result comes back to
// the loop that asked. In simulation it runs at once on the caller's thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "event/wait.hpp"

namespace sealpost::event {

class BlockingPool {
 public:
  virtual ~BlockingPool() = default;
  // False when too much waits already; then `work` will not run. `work` does not throw.
  virtual bool submit(std::function<void()> work) = 0;
};

class ThreadPool final : public BlockingPool {
 public:
  ThreadPool(std::size_t threads, std::size_t most_waiting);
  // Waits for what runs; what has not begun is dropped.
  ~ThreadPool() override;
  bool submit(std::function<void()> work) override;
  std::size_t waiting() const;

 private:
  void serve();
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  bool closing_ = false;
  const std::size_t most_waiting_;
  std::vector<std::thread> threads_;
};

class InlinePool final : public BlockingPool {
 public:
  bool submit(std::function<void()> work) override {
    work();
    return true;
  }
};

// co_await run_blocking<T>(pool, loop, work): what `work` returns or throws; Errc::unavailable when the pool
// is full. `work` owns all it touches: when the waiting task is destroyed it runs on, and its result is
// dropped.
template <class T>
Task<Expected<T>> run_blocking(BlockingPool& pool, Loop& home, std::function<Expected<T>()> work) {
  struct Result {
    std::optional<Expected<T>> value;
    std::exception_ptr failure;
  };
  OneShot<Result> answer(home);
  const bool taken = pool.submit([sender = answer.sender(), work = std::move(work)]() noexcept {
    Result result;
    try {
      result.value.emplace(work());
    } catch (...) {
      result.failure = std::current_exception();
    }
    sender.send(std::move(result));
  });
  if (!taken) co_return Error(Errc::unavailable, "too much blocking work is waiting");
  Result result = co_await answer;
  if (result.failure) std::rethrow_exception(result.failure);
  co_return std::move(*result.value);
}

}  // namespace sealpost::event
