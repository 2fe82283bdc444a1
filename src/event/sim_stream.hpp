// SPDX-License-Identifier: Apache-2.0
//
// A connection in memory, for tests and simulation: two streams over one wire with latency, a window, reads
// in random slices, and loss on command. Works on any Loop; on a SimLoop the same seed gives the same run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>

#include "event/stream.hpp"

namespace sealpost::event {

struct SimLink {
  SimLink() = default;
  Duration latency{};            // one way
  std::size_t window = 65536;    // octets under way or unread before a writer must wait
  std::size_t slice = SIZE_MAX;  // a read gives 1 to `slice` octets, drawn at random; SIZE_MAX: all there is
  std::uint64_t seed = 1;
};

// What both ends share, and the hand that breaks it.
class SimWire {
 public:
  enum Side : std::uint8_t { client = 0, server = 1 };
  SimWire(Loop& loop, const SimLink& link, Endpoint client_at, Endpoint server_at);

  void cut() noexcept;   // both ends fail with a reset now; what was under way is lost
  void hang() noexcept;  // nothing arrives any more, and nobody is told
  // Counted over both directions.
  void cut_after(std::uint64_t octets) noexcept { cut_at_ = carried_ + octets; }
  std::uint64_t carried() const noexcept { return carried_; }  // octets written so far

 private:
  friend class SimStream;
  struct Chunk {
    SteadyTime arrives;
    std::string bytes;
    bool end;
  };
  // One direction.
  struct Pipe final : Timer {
    explicit Pipe(SimWire& wire_) noexcept;
    SimWire& wire;
    std::deque<Chunk> under_way;
    std::string arrived;  // unread from `taken` on
    std::size_t taken = 0;
    std::size_t octets = 0;  // written and not read
    bool closed = false;     // writer said the end
    bool ended = false;      // the end has arrived
    bool reader_gone = false;
    StreamWait* reader = nullptr;
    StreamWait* writer = nullptr;
  };
  IoResult read(Pipe& pipe, std::span<char> into);
  IoResult write(Pipe& pipe, std::string_view bytes);
  void close(Pipe& pipe);
  void send(Pipe& pipe, std::string bytes, bool end);
  static void arrive(Pipe& pipe) noexcept;
  bool readable(const Pipe& pipe) const noexcept;
  bool writable(const Pipe& pipe) const noexcept;

  Loop& loop_;
  SimLink link_;
  std::mt19937_64 random_;
  Endpoint endpoints_[2];
  Pipe pipes_[2];  // by the side that writes
  bool cut_ = false;
  bool hung_ = false;
  std::uint64_t carried_ = 0;
  std::uint64_t cut_at_ = UINT64_MAX;
};

class SimStream final : public Stream {
 public:
  SimStream(Loop& loop, std::shared_ptr<SimWire> wire, SimWire::Side side) noexcept;
  ~SimStream() override;
  IoResult try_read(std::span<char> into) noexcept override;
  IoResult try_write(std::string_view bytes) noexcept override;
  Error error() const override { return Error(Errc::io, "connection: Connection reset by peer"); }
  Endpoint peer() const override { return wire_->endpoints_[1 - side_]; }
  Endpoint local() const override { return wire_->endpoints_[side_]; }
  bool may_progress(Interest interest) const noexcept override;
  void close() noexcept override;
  SimWire& wire() noexcept { return *wire_; }

 protected:
  bool arm(Interest interest, StreamWait& waiter) noexcept override;
  void disarm(Interest interest, StreamWait& waiter) noexcept override;

 private:
  SimWire::Pipe& in() const noexcept { return wire_->pipes_[1 - side_]; }
  SimWire::Pipe& out() const noexcept { return wire_->pipes_[side_]; }
  std::shared_ptr<SimWire> wire_;
  SimWire::Side side_;
};

// Two connected streams, and the wire between them.
struct SimConnection {
  SimConnection(Loop& loop, const SimLink& link, Endpoint client_at = {}, Endpoint server_at = {});
  std::shared_ptr<SimWire> wire;
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};

}  // namespace sealpost::event
