// SPDX-License-Identifier: Apache-2.0
//
// Semaphore: at most so many at once, first come first served. A waiter that is destroyed while a permit is
// already on its way to it gives the permit back. One loop only.
#pragma once

#include <coroutine>
#include <cstddef>
#include <optional>
#include <utility>

#include "event/wait.hpp"

namespace sealpost::event {

class Semaphore {
 public:
  class Acquire;
  // Held while the work goes on; the semaphore must outlive it.
  class Permit {
   public:
    Permit() noexcept = default;
    Permit(Permit&& other) noexcept : semaphore_(std::exchange(other.semaphore_, nullptr)) {}
    Permit& operator=(Permit&& other) noexcept {
      if (this != &other) {
        release();
        semaphore_ = std::exchange(other.semaphore_, nullptr);
      }
      return *this;
    }
    ~Permit() { release(); }
    void release() noexcept {
      if (auto* semaphore = std::exchange(semaphore_, nullptr)) semaphore->give_back();
    }
    explicit operator bool() const noexcept { return semaphore_ != nullptr; }

   private:
    friend class Semaphore;
    explicit Permit(Semaphore& semaphore) noexcept : semaphore_(&semaphore) {}
    Semaphore* semaphore_ = nullptr;
  };

  Semaphore(Loop& loop, std::size_t limit) noexcept : loop_(loop), limit_(limit) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  Acquire acquire() noexcept;  // co_await gives the Permit
  std::optional<Permit> try_acquire() noexcept;
  // Takes effect at the next release when it shrinks, at once when it grows.
  void set_limit(std::size_t limit) noexcept;
  std::size_t limit() const noexcept { return limit_; }
  std::size_t in_use() const noexcept { return in_use_; }
  std::size_t waiting() const noexcept { return waiting_; }

 private:
  bool take() noexcept;
  void give_back() noexcept;
  void grant() noexcept;

  Loop& loop_;
  std::size_t limit_;
  std::size_t in_use_ = 0;
  std::size_t waiting_ = 0;
  Acquire* first_ = nullptr;
  Acquire* last_ = nullptr;
};

class Semaphore::Acquire final : public Waiter {
 public:
  explicit Acquire(Semaphore& semaphore) noexcept : Waiter(semaphore.loop_), semaphore_(semaphore) {}
  ~Acquire();
  bool await_ready() noexcept { return granted_ = semaphore_.take(); }
  void await_suspend(std::coroutine_handle<> handle) noexcept;
  Permit await_resume() noexcept {
    granted_ = false;
    return Permit(semaphore_);
  }

 private:
  friend class Semaphore;
  void leave() noexcept;
  Semaphore& semaphore_;
  Acquire* prev_ = nullptr;
  Acquire* next_ = nullptr;
  bool queued_here_ = false;
  bool granted_ = false;
};
inline Semaphore::Acquire Semaphore::acquire() noexcept { return Acquire(*this); }

}  // namespace sealpost::event
