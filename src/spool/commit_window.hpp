// SPDX-License-Identifier: Apache-2.0
//
// When to commit (D-05). A request that comes alone is committed at once. When requests come faster than
// single commits are worth, a commit waits until enough have gathered, but never longer than `longest` after
// the last one began, and not when nobody else seems to come: clients that all wait for their answer send
// nothing more. Pure: times are arguments.
#pragma once

#include <cstddef>

#include "sealpost/clock.hpp"

namespace sealpost::spool {

class CommitWindow {
 public:
  struct Limits {
    Duration longest = std::chrono::milliseconds(3);
    Duration step = std::chrono::microseconds(300);  // nothing came for so long: nobody else will
    std::size_t enough = 64;                         // requests worth a sync: a message takes two
    Duration longest_when_full = std::chrono::milliseconds(20);
    double busy = 3;  // mean batch from which on gathering pays
  };
  CommitWindow() = default;
  explicit CommitWindow(const Limits& limits) noexcept : limits_(limits) {}

  // With `waiting` requests at hand (at least one): `now`, or when to ask again unless `enough` have come
  // before.
  // When the journal is nearly full every commit costs a page that is dear, so then it always gathers.
  SteadyTime due(SteadyTime now, std::size_t waiting, bool full = false) noexcept;
  void committed(SteadyTime began, std::size_t requests) noexcept;
  std::size_t enough() const noexcept { return limits_.enough; }

 private:
  Limits limits_;
  SteadyTime last_began_{};
  SteadyTime asked_{};
  std::size_t seen_ = 0;  // waiting when asked last
  double mean_batch_ = 0;
};

}  // namespace sealpost::spool
