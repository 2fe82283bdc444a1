// SPDX-License-Identifier: Apache-2.0
#include "spool/commit_window.hpp"

#include <algorithm>

namespace sealpost::spool {

SteadyTime CommitWindow::due(SteadyTime now, std::size_t waiting, bool full) noexcept {
  if (full && waiting < limits_.enough) return std::max(now, last_began_ + limits_.longest_when_full);
  const SteadyTime latest = last_began_ + limits_.longest;
  if (waiting >= limits_.enough || mean_batch_ < limits_.busy || now >= latest) return now;
  const bool asked_before = asked_ > last_began_;
  if (asked_before && now >= asked_ + limits_.step && waiting == seen_) return now;
  if (!asked_before || waiting != seen_) {
    asked_ = now;
    seen_ = waiting;
  }
  return std::min(latest, asked_ + limits_.step);
}

void CommitWindow::committed(SteadyTime began, std::size_t requests) noexcept {
  constexpr double weight = 0.25;
  mean_batch_ += weight * (static_cast<double>(requests) - mean_batch_);
  last_began_ = began;
}

}  // namespace sealpost::spool
