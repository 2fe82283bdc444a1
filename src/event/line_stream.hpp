// SPDX-License-Identifier: Apache-2.0
//
// LineStream: lines in, coalesced bytes out, over any Stream, with in-place change to TLS. It owns the only
// buffers of a session, so the STARTTLS boundary is exact: bytes that arrived before the handshake are visible
// here and nowhere else (T-01, T-02). The input buffer is given back while an idle session waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "event/stream.hpp"

namespace sealpost::event {

struct Line {
  std::string_view text;  // without its line end; valid until the next call that reads
  bool crlf = true;       // false: ended by a bare LF
};

class LineStream {
 public:
  explicit LineStream(std::unique_ptr<Stream> stream);

  // The next line if it is complete in the buffer and at most `most` octets with its end: no wait. Call before
  // line() to save a frame (PIPELINING).
  bool buffered_line(Line& line, std::size_t most = SIZE_MAX) noexcept;
  // The next line, at most `most` octets including its end; Errc::too_long beyond (the session has lost step),
  // Errc::closed at end of stream, Errc::timed_out when `limit` passes without it complete (bytes that drip in do
  // not extend it, T-26).
  Task<Expected<Line>> line(std::size_t most, Duration limit);

  // Raw access, for message data: what is buffered now; take `count` of it; read more (0 octets = end of stream).
  // fill() moves the buffer: views into it end there. It adds at most what makes the buffer 64 KiB; Errc::too_long
  // when that much lies unused.
  std::string_view buffered() const noexcept;
  void consume(std::size_t count) noexcept;
  Task<Expected<std::size_t>> fill(Duration limit);
  // fill() in two halves, for those who wait themselves, because something else may end their wait: while must_wait(),
  // co_await stream().wait(want, ...); then try_fill() reads once, and `want` is what it says after would_block. A
  // full buffer of 64 KiB reads nothing: would_block.
  bool must_wait(Interest want) noexcept;
  IoResult try_fill();

  // Output: put() buffers; flush() sends all of it, each wait for progress at most `limit`. What was buffered is gone
  // when it fails.
  // send() writes large data from the caller's memory after what is buffered, without copying it.
  void put(std::string_view bytes);
  std::size_t pending() const noexcept { return out_.size(); }
  Task<Expected<void>> flush(Duration limit);
  Task<Expected<void>> send(std::string_view bytes, Duration limit);

  // STARTTLS: take the stream out (only with nothing buffered in either direction), put the encrypted one in.
  bool quiet() const noexcept { return buffered().empty() && pending() == 0; }
  std::unique_ptr<Stream> take_stream() noexcept;
  void set_stream(std::unique_ptr<Stream> stream) noexcept;
  // False between take_stream() and set_stream(), and after a failed handshake.
  bool has_stream() const noexcept { return stream_ != nullptr; }
  Stream& stream() noexcept { return *stream_; }
  void close() noexcept;

 private:
  Task<Expected<std::size_t>> fill_until(SteadyTime end);
  void make_room();
  void give_back() noexcept;
  Task<Expected<void>> write_all(std::string_view bytes, Duration limit);

  std::unique_ptr<Stream> stream_;
  std::unique_ptr<char[]> in_;  // allocated when there is something to read
  std::size_t in_capacity_ = 0;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  std::size_t scanned_ = 0;  // octets after in_begin_ known to hold no LF
  std::size_t read_size_;    // what the next read asks for; grows with a peer that sends much
  std::string out_;
};

}  // namespace sealpost::event
