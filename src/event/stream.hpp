// SPDX-License-Identifier: Apache-2.0
//
// Stream: a connected byte stream, plain or TLS, real (SocketStream, tls/) or simulated. It never blocks:
// try_read and try_write do what is possible now, wait() suspends until more is. LineStream (line_stream.hpp)
// builds lines and coalesced replies on it. Connector opens streams.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "event/task.hpp"
#include "event/wait.hpp"
#include "sealpost/expected.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::event {

enum class Interest : std::uint8_t { read, write };
enum class IoState : std::uint8_t {
  done,         // bytes > 0 were moved
  would_block,  // wait for `want` (TLS may have to write in order to read)
  closed,       // orderly end (FIN, close_notify)
  failed,       // see Stream::error()
};
struct IoResult {
  IoState state = IoState::failed;
  std::size_t bytes = 0;
  Interest want = Interest::read;
};

class StreamWait;

class Stream {
 public:
  virtual ~Stream() = default;
  // `into` and `bytes` are never empty.
  virtual IoResult try_read(std::span<char> into) noexcept = 0;
  virtual IoResult try_write(std::string_view bytes) noexcept = 0;
  // Why the last call failed.
  virtual Error error() const = 0;
  virtual Endpoint peer() const = 0;
  virtual Endpoint local() const = 0;
  // The descriptor of a plain socket stream, for TLS to take over; -1 otherwise. Ownership does not move.
  virtual int descriptor() const noexcept { return -1; }
  // Who reads or writes descriptor() directly and met EAGAIN says so here; wait() would else return at once.
  virtual void drained(Interest) noexcept {}
  // Sends what says goodbye at this layer (TLS close_notify) without waiting, and shuts the write side.
  virtual void close() noexcept = 0;
  Loop& loop() const noexcept { return loop_; }

  // True when a try in this direction may move bytes now: wait() would not suspend. May be pessimistic.
  virtual bool may_progress(Interest) const noexcept { return false; }

  // co_await stream.wait(Interest::read, 30s) -> true when ready (perhaps spuriously), false when the limit passed.
  // Returns at once when bytes may be there: a stream counts as drained only after would_block, or a short read.
  // At most one waiter per direction.
  StreamWait wait(Interest interest, Duration limit) noexcept;

 protected:
  explicit Stream(Loop& loop) noexcept : loop_(loop) {}
  // Registers the waiter: call StreamWait::complete() once when the direction may make progress. false: ready now.
  virtual bool arm(Interest interest, StreamWait& waiter) noexcept = 0;
  virtual void disarm(Interest interest, StreamWait& waiter) noexcept = 0;
  // For a stream over another one: waits for it below.
  static bool arm_below(Stream& lower, Interest interest, StreamWait& waiter) noexcept {
    return lower.arm(interest, waiter);
  }
  static void disarm_below(Stream& lower, Interest interest, StreamWait& waiter) noexcept {
    lower.disarm(interest, waiter);
  }

 private:
  friend class StreamWait;
  Loop& loop_;
};

class StreamWait final : public Waiter, private Timer {
 public:
  StreamWait(Stream& stream, Interest interest, Duration limit) noexcept;
  ~StreamWait();
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> handle) noexcept;
  bool await_resume() const noexcept { return !expired_; }
  void complete() noexcept;  // called by the stream, which has forgotten the waiter by then; only queues

 private:
  Stream& stream_;
  Interest interest_;
  Duration limit_;
  bool armed_ = false;
  bool expired_ = false;
};
inline StreamWait Stream::wait(Interest interest, Duration limit) noexcept {
  return StreamWait(*this, interest, limit);
}

class Connector {
 public:
  virtual ~Connector() = default;
  // A connected plain stream, or refused / unreachable / timed_out. Cancelling closes the socket.
  virtual Task<Expected<std::unique_ptr<Stream>>> connect(Endpoint to, Duration limit) = 0;
};

}  // namespace sealpost::event
