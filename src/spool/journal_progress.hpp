// SPDX-License-Identifier: Apache-2.0
//
// How far the journal is durable, and how far each follower has read it durably: what the writer and the followers must
// know of each other. Any thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "spool/follower.hpp"

namespace sealpost::spool {

class JournalProgress {
 public:
  // Before the journal begins to be served. Until it says otherwise a follower has read nothing.
  std::size_t add_follower() {
    const std::lock_guard lock(mutex_);
    read_.push_back(Position());
    return read_.size() - 1;
  }
  void durable_to(const Cursor& end) {
    const std::lock_guard lock(mutex_);
    durable_ = end;
  }
  Cursor durable() const {
    const std::lock_guard lock(mutex_);
    return durable_;
  }
  void read_to(std::size_t follower, const Position& position) {
    const std::lock_guard lock(mutex_);
    read_[follower] = position;
  }
  // Some follower has not read all of it.
  bool is_unread(std::uint64_t segment) const {
    const std::lock_guard lock(mutex_);
    return std::any_of(read_.begin(), read_.end(),
                       [&](const Position& position) { return position.segment <= segment; });
  }

 private:
  mutable std::mutex mutex_;
  Cursor durable_;
  std::vector<Position> read_;
};

}  // namespace sealpost::spool
