// SPDX-License-Identifier: Apache-2.0
//
// Room for one of libevent's `struct event` inside an object, without its definition: where that name is seen beside
// our namespace `event`, code that uses namespace sealpost becomes ambiguous. event_slot_access.hpp opens it.
#pragma once

#include <cstddef>

namespace sealpost::event {

class EventSlot {
 public:
  EventSlot() noexcept = default;
  EventSlot(const EventSlot&) = delete;
  EventSlot& operator=(const EventSlot&) = delete;
  std::byte* room() noexcept { return room_; }
  static constexpr std::size_t size = 128;

 private:
  alignas(std::max_align_t) std::byte room_[size]{};
};

// An event that removes itself; its base has to be alive then.
struct WatchedEvent : EventSlot {
  ~WatchedEvent();
};

}  // namespace sealpost::event
