// SPDX-License-Identifier: Apache-2.0
#include "event/semaphore.hpp"

namespace sealpost::event {

std::optional<Semaphore::Permit> Semaphore::try_acquire() noexcept {
  if (!take()) return std::nullopt;
  return Permit(*this);
}

bool Semaphore::take() noexcept {
  if (first_ || in_use_ >= limit_) return false;  // nobody overtakes those who wait
  ++in_use_;
  return true;
}

void Semaphore::set_limit(std::size_t limit) noexcept {
  limit_ = limit;
  grant();
}

void Semaphore::give_back() noexcept {
  --in_use_;
  grant();
}

void Semaphore::grant() noexcept {
  while (first_ && in_use_ < limit_) {
    Acquire& next = *first_;
    next.leave();
    next.granted_ = true;
    ++in_use_;
    next.wake();
  }
}

Semaphore::Acquire::~Acquire() {
  if (queued_here_) leave();
  if (granted_) semaphore_.give_back();
}

void Semaphore::Acquire::await_suspend(std::coroutine_handle<> handle) noexcept {
  handle_ = handle;
  queued_here_ = true;
  prev_ = semaphore_.last_;
  if (prev_) prev_->next_ = this;
  if (!semaphore_.first_) semaphore_.first_ = this;
  semaphore_.last_ = this;
  ++semaphore_.waiting_;
}

void Semaphore::Acquire::leave() noexcept {
  (prev_ ? prev_->next_ : semaphore_.first_) = next_;
  (next_ ? next_->prev_ : semaphore_.last_) = prev_;
  prev_ = next_ = nullptr;
  queued_here_ = false;
  --semaphore_.waiting_;
}

}  // namespace sealpost::event
