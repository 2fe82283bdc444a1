// SPDX-License-Identifier: Apache-2.0
//
// TCP on an EventLoop: the connected stream, and what opens one. One persistent edge-triggered event watches
// a socket for its whole life, so waiting costs no system call; readiness is remembered in two flags that are
// cleared by EAGAIN or a short transfer.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/handles.hpp"
#include "event/event_loop.hpp"
#include "event/event_slot.hpp"
#include "event/stream.hpp"

namespace sealpost::event {

class SocketStream final : public Stream {
 public:
  // A connected or connecting non-blocking socket. Errc::no_space when the system has no room to watch it.
  static Expected<std::unique_ptr<SocketStream>> adopt(EventLoop& loop, FileDescriptor fd, Endpoint peer);
  ~SocketStream() override;

  IoResult try_read(std::span<char> into) noexcept override;
  IoResult try_write(std::string_view bytes) noexcept override;
  Error error() const override;
  Endpoint peer() const override { return peer_; }
  Endpoint local() const override;
  int descriptor() const noexcept override { return fd_.get(); }
  void drained(Interest interest) noexcept override { direction(interest).ready = false; }
  bool may_progress(Interest interest) const noexcept override;
  void close() noexcept override;

 protected:
  bool arm(Interest interest, StreamWait& waiter) noexcept override;
  void disarm(Interest interest, StreamWait& waiter) noexcept override;

 private:
  struct Direction {
    bool ready = false;  // the kernel reports what is there when the event is added
    StreamWait* waiter = nullptr;
  };
  SocketStream(EventLoop& loop, FileDescriptor fd, Endpoint peer) noexcept;
  Direction& direction(Interest interest) noexcept { return interest == Interest::read ? read_ : write_; }
  void happened(short what) noexcept;
  static void wake(Direction& direction) noexcept;
  IoResult failure(Interest interest) noexcept;

  FileDescriptor fd_;
  Endpoint peer_;
  Direction read_;
  Direction write_;
  bool ending_ = false;  // FIN seen or sent: the edge that announces the end may have passed already
  int errno_ = 0;
  WatchedEvent watch_;
};

class SocketConnector final : public Connector {
 public:
  // `source`: address to connect from, for its family; the system chooses otherwise.
  explicit SocketConnector(EventLoop& loop, std::optional<IpAddress> source = std::nullopt) noexcept
      : loop_(loop), source_(source) {}
  Task<Expected<std::unique_ptr<Stream>>> connect(Endpoint to, Duration limit) override;

 private:
  EventLoop& loop_;
  std::optional<IpAddress> source_;
};

// The same for a socket in the file system; peer() and local() have no address. One whose backlog is full is tried again until
// the limit passes.
Task<Expected<std::unique_ptr<Stream>>> connect_to_path(EventLoop& loop, std::string path, Duration limit);

}  // namespace sealpost::event
