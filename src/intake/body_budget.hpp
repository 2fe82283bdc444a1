// SPDX-License-Identifier: Apache-2.0
//
// BodyBudget: how many octets of message bodies all sessions together may hold in memory (T-28). Who gets
// nothing waits and reads nothing meanwhile, so the pressure goes back to the clients.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "event/task.hpp"
#include "event/wait.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::intake {

class BodyBudget {
 public:
  explicit BodyBudget(std::uint64_t total) noexcept : total_(total) {}
  BodyBudget(const BodyBudget&) = delete;
  BodyBudget& operator=(const BodyBudget&) = delete;

  // A session's share; given back when destroyed.
  class Lease {
   public:
    explicit Lease(BodyBudget& budget) noexcept : budget_(budget) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { clear(); }

    std::uint64_t octets() const noexcept { return octets_; }
    bool grow_to(std::uint64_t octets) noexcept;  // true at once, or not at all
    // Waits for it; false when `limit` passed.
    event::Task<bool> wait_for(event::Loop& home, std::uint64_t octets, Duration limit);
    void clear() noexcept { budget_.give_back(std::exchange(octets_, 0)); }

   private:
    BodyBudget& budget_;
    std::uint64_t octets_ = 0;
  };

  std::uint64_t used() const noexcept { return used_.load(); }
  std::uint64_t total() const noexcept { return total_; }

 private:
  using Wake = event::OneShot<bool>;
  bool take(std::uint64_t octets) noexcept;
  void give_back(std::uint64_t octets) noexcept;

  const std::uint64_t total_;
  std::atomic<std::uint64_t> used_{0};
  std::atomic<bool> contended_{false};  // somebody may be in waiting_
  std::mutex mutex_;
  std::vector<Wake::Sender> waiting_;  // at most one a session; those who gave up meanwhile are harmless
};

}  // namespace sealpost::intake
