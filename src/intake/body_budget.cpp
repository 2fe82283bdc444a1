// SPDX-License-Identifier: Apache-2.0
#include "intake/body_budget.hpp"

namespace sealpost::intake {
namespace {

event::Task<Expected<bool>> until_woken(event::OneShot<bool>& wake) {
  const bool woken = co_await wake;
  co_return woken;
}

}  // namespace

bool BodyBudget::take(std::uint64_t octets) noexcept {
  std::uint64_t used = used_.load();
  while (used + octets <= total_) {
    if (used_.compare_exchange_weak(used, used + octets)) return true;
  }
  return false;
}

void BodyBudget::give_back(std::uint64_t octets) noexcept {
  if (octets == 0) return;
  used_.fetch_sub(octets);
  if (!contended_.load()) return;
  std::vector<Wake::Sender> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(waiting_);
    contended_.store(false);
  }
  for (const Wake::Sender& waiter : waiting) waiter.send(true);  // all: each tries anew, some have gone
}

bool BodyBudget::Lease::grow_to(std::uint64_t octets) noexcept {
  if (octets <= octets_) return true;
  if (!budget_.take(octets - octets_)) return false;
  octets_ = octets;
  return true;
}

event::Task<bool> BodyBudget::Lease::wait_for(event::Loop& home, std::uint64_t octets, Duration limit) {
  const SteadyTime until = home.now() + limit;
  for (;;) {
    BodyBudget::Wake wake(home);
    {
      const std::lock_guard lock(budget_.mutex_);
      budget_.waiting_.push_back(wake.sender());
      budget_.contended_.store(true);
    }
    // Registered first: what is given back from here on is noticed.
    if (grow_to(octets)) co_return true;
    const auto woken = co_await event::within(home, until - home.now(), until_woken(wake));
    if (!woken) co_return false;
  }
}

}  // namespace sealpost::intake
