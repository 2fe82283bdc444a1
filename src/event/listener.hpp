// SPDX-License-Identifier: Apache-2.0
//
// Listener: accepts TCP connections on an EventLoop and hands each to its owner as a stream. Out of
// descriptors it pauses for 100 ms instead of spinning (T-27).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/handles.hpp"
#include "event/event_loop.hpp"
#include "event/event_slot.hpp"
#include "event/stream.hpp"

namespace sealpost::event {

struct ListenOptions {
  int backlog = 1024;
  bool reuse_port = false;  // one listener per loop shares the address; the kernel spreads connections
  bool absent = false;  // also an address that this machine does not have: connections come once it has it
};

// A listening socket bound to `at` (port 0: a free one). Errors name the address.
Expected<FileDescriptor> listen_on(const Endpoint& at, const ListenOptions& options = {});
// Does nobody else listen there? Asked by a socket that shares with nobody: with reuse_port alone two relays of one
// user would each get a part of the connections, and neither would notice.
Expected<void> address_is_free(const Endpoint& at);
// Does this machine have that address now? Nothing: it cannot be told, for want of descriptors for example. An unspecified
// address is always here.
std::optional<bool> address_is_here(const IpAddress& address) noexcept;
// Listening TCP sockets handed over by a service manager (LISTEN_PID, LISTEN_FDS); the variables are removed.
// Call once, before other threads exist.
std::vector<FileDescriptor> inherited_listeners();

class Listener : private Timer {
 public:
  using OnConnection = std::function<void(std::unique_ptr<Stream>)>;

  // Takes a socket made by listen_on() or inherited; accepts from the loop's next turn on. `on_connection`
  // must not destroy the listener.
  static Expected<std::unique_ptr<Listener>> start(EventLoop& loop, FileDescriptor socket,
                                                   OnConnection on_connection);
  ~Listener();

  Endpoint local() const;
  // Stop accepting for a while, for example above a cap on sessions: connections wait in the backlog.
  void pause() noexcept;
  void resume() noexcept;
  bool paused() const noexcept { return paused_; }
  std::uint64_t starved() const noexcept { return starved_; }  // times it ran out of descriptors or memory

 private:
  Listener(EventLoop& loop, FileDescriptor socket, OnConnection on_connection) noexcept;
  void watch() noexcept;
  void accept_some() noexcept;
  bool accept_one();
  void starve(int number);

  EventLoop& loop_;
  FileDescriptor socket_;
  OnConnection on_connection_;
  bool paused_ = false;
  std::uint64_t starved_ = 0;
  SteadyTime warned_{};
  WatchedEvent readable_;
};

}  // namespace sealpost::event
