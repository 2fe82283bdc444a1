// SPDX-License-Identifier: Apache-2.0
#include "event/foreign_sockets.hpp"

#include <event2/event.h>

namespace sealpost::event {

void ForeignSockets::FreeEvent::operator()(::event* event) const noexcept { event_free(event); }

ForeignSockets::~ForeignSockets() = default;

void ForeignSockets::fired(int fd, short what, void* self) noexcept {
  auto& sockets = *static_cast<ForeignSockets*>(self);
  sockets.ready_(sockets.owner_, fd, (what & EV_READ) != 0, (what & EV_WRITE) != 0);
}

bool ForeignSockets::watch(int fd, bool readable, bool writable) {
  watches_.erase(fd);
  if (!readable && !writable) return true;
  const int what = EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
  std::unique_ptr<::event, FreeEvent> watch(
      event_new(loop_.base(), fd, static_cast<short>(what), &ForeignSockets::fired, this));
  if (!watch || event_add(watch.get(), nullptr) != 0) return false;
  watches_.emplace(fd, std::move(watch));
  return true;
}

}  // namespace sealpost::event
