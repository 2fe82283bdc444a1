// SPDX-License-Identifier: Apache-2.0
//
// For .cpp files of this folder: the libevent event in an EventSlot.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include "event/event_slot.hpp"

namespace sealpost::event {

static_assert(sizeof(::event) <= EventSlot::size && alignof(::event) <= alignof(EventSlot));

inline ::event* event_in(EventSlot& slot) noexcept { return reinterpret_cast<::event*>(slot.room()); }

}  // namespace sealpost::event
