// SPDX-License-Identifier: Apache-2.0
#include "event/event_slot.hpp"

#include "event/event_slot_access.hpp"

namespace sealpost::event {

WatchedEvent::~WatchedEvent() {
  // Zeroed room is an event that was never assigned.
  if (event_initialized(event_in(*this))) event_del(event_in(*this));
}

}  // namespace sealpost::event
