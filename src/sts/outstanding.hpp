// SPDX-License-Identifier: Apache-2.0
//
// Work on pool threads that uses an object: the object's owner waits for it before it lets go. A task that is destroyed
// does not stop the blocking work it began.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>

namespace sealpost::sts {

class Outstanding {
 public:
  // Travels with one piece of work, run or dropped.
  using Token = std::shared_ptr<const void>;
  Token begin() {
    {
      const std::lock_guard lock(mutex_);
      ++count_;
    }
    return Token(this, [this](const void*) { end(); });
  }
  void wait() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  void end() {
    const std::lock_guard lock(mutex_);
    if (--count_ == 0) none_.notify_all();  // under the lock: who waits may destroy this next
  }
  std::mutex mutex_;
  std::condition_variable none_;
  std::size_t count_ = 0;
};

}  // namespace sealpost::sts
