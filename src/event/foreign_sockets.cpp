// SPDX-License-Identifier: Apache-2.0
#include "event/foreign_sockets.hpp"

#include "event/event_slot_access.hpp"

namespace sealpost::event {

ForeignSockets::~ForeignSockets() = default;

void ForeignSockets::fired(int fd, short what, void* self) noexcept {
  auto& sockets = *static_cast<ForeignSockets*>(self);
  sockets.ready_(sockets.owner_, fd, (what & EV_READ) != 0, (what & EV_WRITE) != 0);
}

bool ForeignSockets::watch(int fd, bool readable, bool writable) {
  watches_.erase(fd);
  if (!readable && !writable) return true;
  const int what = EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
  ::event* event = event_in(watches_[fd]);
  if (event_assign(event, loop_.base(), fd, static_cast<short>(what), &ForeignSockets::fired, this) == 0 &&
      event_add(event, nullptr) == 0)
    return true;
  watches_.erase(fd);
  return false;
}

}  // namespace sealpost::event
