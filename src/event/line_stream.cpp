// SPDX-License-Identifier: Apache-2.0
#include "event/line_stream.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace sealpost::event {

namespace {

constexpr std::size_t first_buffer = 4096;     // holds a burst of pipelined commands
constexpr std::size_t largest_buffer = 65536;  // bulk data: one read per 64 KiB
constexpr std::size_t copied_at_most = 8192;   // send() joins less than this to what is buffered
constexpr std::size_t kept_idle = 512;         // output capacity an idle session keeps

}  // namespace

LineStream::LineStream(std::unique_ptr<Stream> stream)
    : stream_(std::move(stream)), read_size_(first_buffer) {}

// ---- input
// ----------------------------------------------------------------------------------------------------

std::string_view LineStream::buffered() const noexcept {
  return {in_.get() + in_begin_, in_end_ - in_begin_};
}

void LineStream::consume(std::size_t count) noexcept {
  assert(count <= in_end_ - in_begin_);
  in_begin_ += count;
  scanned_ -= std::min(scanned_, count);
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
}

bool LineStream::buffered_line(Line& line, std::size_t most) noexcept {
  const std::string_view have = buffered();
  const std::size_t lf = have.find('\n', scanned_);
  if (lf == std::string_view::npos) {
    scanned_ = have.size();
    return false;
  }
  scanned_ = lf;  // found again at once when the line is too long for this caller
  if (lf + 1 > most) return false;
  line.crlf = lf > 0 && have[lf - 1] == '\r';
  line.text = have.substr(0, line.crlf ? lf - 1 : lf);
  consume(lf + 1);
  return true;
}

Task<Expected<Line>> LineStream::line(std::size_t most, Duration limit) {
  const SteadyTime end = deadline(stream_->loop().now(), limit);
  Line line;
  while (!buffered_line(line, most)) {
    if (buffered().size() >= most)
      co_return Error(Errc::too_long, "line longer than " + std::to_string(most) + " octets");
    auto got = co_await fill_until(end);
    if (!got) co_return std::move(got).error();
    if (*got == 0) co_return Error(Errc::closed, "connection closed by peer");
  }
  co_return line;
}

Task<Expected<std::size_t>> LineStream::fill(Duration limit) {
  return fill_until(deadline(stream_->loop().now(), limit));
}

Task<Expected<std::size_t>> LineStream::fill_until(SteadyTime end) {
  if (buffered().size() >= largest_buffer) co_return Error(Errc::too_long, "input buffer full");
  Interest want = Interest::read;
  for (;;) {
    if (must_wait(want)) {
      const Duration left = end == SteadyTime::max() ? Duration::max() : end - stream_->loop().now();
      const bool ready = co_await stream_->wait(want, left);
      if (!ready) co_return Error(Errc::timed_out, "nothing received in time");
    }
    const IoResult read = try_fill();
    switch (read.state) {
      case IoState::done: co_return read.bytes;
      case IoState::closed: co_return std::size_t{0};
      case IoState::failed: co_return stream_->error();
      case IoState::would_block: want = read.want; break;
    }
  }
}

bool LineStream::must_wait(Interest want) noexcept {
  if (stream_->may_progress(want)) return false;
  if (in_begin_ == in_end_) give_back();  // an idle session waits without a buffer
  return true;
}

IoResult LineStream::try_fill() {
  make_room();
  const std::size_t room = in_capacity_ - in_end_;
  if (room == 0) return {IoState::would_block, 0, Interest::read};
  const IoResult read = stream_->try_read({in_.get() + in_end_, room});
  if (read.state == IoState::done) {
    in_end_ += read.bytes;
    if (read.bytes == room) read_size_ = std::min(read_size_ * 2, largest_buffer);
    if (read.bytes < read_size_ / 8) read_size_ = std::max(read_size_ / 2, first_buffer);
  }
  return read;
}

void LineStream::give_back() noexcept {
  in_.reset();
  in_capacity_ = 0;
}

// Room for the next read: what is unread moves to the front of a buffer that is large enough.
void LineStream::make_room() {
  const std::size_t have = in_end_ - in_begin_;
  std::size_t capacity = std::max(in_capacity_, read_size_);
  if (have > capacity / 2) capacity = std::min(capacity * 2, largest_buffer);
  if (capacity != in_capacity_) {
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (have) std::memcpy(larger.get(), in_.get() + in_begin_, have);
    in_ = std::move(larger);
    in_capacity_ = capacity;
  } else if (in_begin_ > 0) {
    std::memmove(in_.get(), in_.get() + in_begin_, have);
  }
  in_begin_ = 0;
  in_end_ = have;
}

// ---- output
// ---------------------------------------------------------------------------------------------------

void LineStream::put(std::string_view bytes) { out_.append(bytes); }

Task<Expected<void>> LineStream::flush(Duration limit) {
  std::string sending;
  sending.swap(out_);  // in this frame, so that a put() while it waits moves nothing
  auto done = co_await write_all(sending, limit);
  if (out_.empty() && sending.capacity() <= kept_idle) {
    sending.clear();
    out_.swap(sending);
  }
  co_return done;
}

Task<Expected<void>> LineStream::send(std::string_view bytes, Duration limit) {
  if (pending() > 0 && bytes.size() < copied_at_most) {
    put(bytes);
    bytes = {};
  }
  if (pending() > 0) {
    auto done = co_await flush(limit);
    if (!done) co_return done;
  }
  auto done = co_await write_all(bytes, limit);
  co_return done;
}

Task<Expected<void>> LineStream::write_all(std::string_view bytes, Duration limit) {
  while (!bytes.empty()) {
    const IoResult written = stream_->try_write(bytes);
    switch (written.state) {
      case IoState::done: bytes.remove_prefix(written.bytes); break;
      case IoState::closed: co_return Error(Errc::closed, "connection closed by peer");
      case IoState::failed: co_return stream_->error();
      case IoState::would_block: {
        const bool ready = co_await stream_->wait(written.want, limit);
        if (!ready) co_return Error(Errc::timed_out, "peer does not take what is sent");
        break;
      }
    }
  }
  co_return Expected<void>();
}

// ---- the stream itself
// ----------------------------------------------------------------------------------------

std::unique_ptr<Stream> LineStream::take_stream() noexcept {
  assert(quiet());
  return std::move(stream_);
}

void LineStream::set_stream(std::unique_ptr<Stream> stream) noexcept {
  assert(!stream_);
  stream_ = std::move(stream);
}

void LineStream::close() noexcept {
  if (stream_) stream_->close();
}

}  // namespace sealpost::event
