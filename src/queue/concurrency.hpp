// SPDX-License-Identifier: Apache-2.0
//
// Concurrency: how many connections at once a destination gets. Few at first, one more with each transaction that works,
// up to the number that is usual. More only where more help: while so much is due that it would take seconds, and while
// the time of a transaction is the way's and not a queue's, here or there, that longer rows would make longer still: that
// is, while it has not grown much over what it was with the usual number. A lost connection halves the number; a connection that is
// not to be had means: no more than there are. Never less than one. Pure: times come in.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "sealpost/clock.hpp"

namespace sealpost::queue {

class Concurrency {
 public:
  struct Bounds {
    Bounds() = default;
    Bounds(std::uint32_t first_, std::uint32_t usual_, std::uint32_t most_)
        : first(first_), usual(usual_), most(most_) {}
    std::uint32_t first = 5, usual = 20, most = 250;  // 1 <= first, usual <= most
  };
  explicit Concurrency(const Bounds& bounds);

  std::uint32_t places() const noexcept { return places_; }
  std::uint32_t most() const noexcept { return bounds_.most; }
  // A transaction worked, in `took`; zero: its time says nothing about the way. `due`: what still waits; `in_use`: of the
  // places. True: there is one place more.
  bool worked(SystemTime now, Duration took, std::size_t due, std::uint32_t in_use);
  void lost(SystemTime now) noexcept;  // those that fail together, within a second, are one
  // There is no connection to be had beside the `in_use` others: what the host grants, or we ourselves.
  void crowded(SystemTime now, std::uint32_t in_use) noexcept;
  // Nothing is known any more: after a back-off.
  void begin_anew() noexcept;

  // What the operator allows, from now on.
  void set_most(std::uint32_t most) noexcept;

 private:
  bool time_is_the_ways() const noexcept;

  Bounds bounds_;
  std::uint32_t places_;
  std::uint32_t steep_until_;    // beyond, a whole round of successes brings one place
  std::uint32_t successes_ = 0;  // towards the next place
  SystemTime no_more_until_{}, lost_at_{};
  Duration average_{0},
      usual_average_{0};  // of a transaction; the latter while there were no more places than usual
};

}  // namespace sealpost::queue
