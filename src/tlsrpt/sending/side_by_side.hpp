// SPDX-License-Identifier: Apache-2.0
//
// Much of the same work that mostly waits for the network: a few at a time.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "event/semaphore.hpp"
#include "event/wait.hpp"

namespace sealpost::tlsrpt {

namespace detail {
inline event::Task<void> hold_place([[maybe_unused]] event::Semaphore::Permit permit,
                                    event::Task<void> work) {
  co_await std::move(work);
}
}  // namespace detail

// Returns when all are done. Cancelling destroys what is under way.
template <class Item>
event::Task<void> side_by_side(event::Loop& loop, std::size_t at_once, std::vector<Item> items,
                               std::function<event::Task<void>(Item)> work) {
  event::Semaphore places(loop, at_once);
  event::TaskScope scope(loop);
  for (Item& item : items) {
    auto place = co_await places.acquire();
    scope.spawn(detail::hold_place(std::move(place), work(std::move(item))));
  }
  co_await scope.join();
}

}  // namespace sealpost::tlsrpt
