// SPDX-License-Identifier: Apache-2.0
//
// Sockets that a C library owns and asks us to watch (c-ares, libcurl): it says which directions it waits
// for, and is called when one of them is ready. Level-triggered, because the library decides how much it
// reads.
#pragma once

#include <memory>
#include <unordered_map>

#include "event/event_loop.hpp"
#include "event/event_slot.hpp"

namespace sealpost::event {

class ForeignSockets {
 public:
  // Called from the loop. The library may watch, change and forget descriptors from inside the call, but it
  // must not destroy this object there.
  using Ready = void (*)(void* owner, int fd, bool readable, bool writable) noexcept;
  ForeignSockets(EventLoop& loop, Ready ready, void* owner) noexcept
      : loop_(loop), ready_(ready), owner_(owner) {}
  ForeignSockets(const ForeignSockets&) = delete;
  ForeignSockets& operator=(const ForeignSockets&) = delete;
  ~ForeignSockets();

  // Neither direction: forget the descriptor, before the library closes it. False: no memory, or no such
  // descriptor.
  bool watch(int fd, bool readable, bool writable);
  std::size_t size() const noexcept { return watches_.size(); }

 private:
  static void fired(int fd, short what, void* self) noexcept;

  EventLoop& loop_;
  Ready ready_;
  void* owner_;
  std::unordered_map<int, WatchedEvent> watches_;
};

}  // namespace sealpost::event
