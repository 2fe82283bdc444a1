// SPDX-License-Identifier: Apache-2.0
//
// ScriptStream: a stream that reads what a test says, in slices of a given size, and keeps what is written.
// All in the present moment: a session over it runs as far as its input goes.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "event/stream.hpp"

namespace sealpost::test {

// The test's end.
struct Script {
  std::string input;       // not yet read
  std::string output;      // written so far
  std::size_t writes = 0;  // how often
  std::size_t slice = SIZE_MAX;
  bool end = true;       // end of stream behind the input; otherwise it waits for more
  bool closed = false;   // the session closed its side, or dropped the stream
  bool stalled = false;  // takes no more output
  Endpoint peer{IpAddress::v4({192, 0, 2, 7}), 40000};
  event::StreamWait* reader = nullptr;

  void say(std::string_view more) {
    input.append(more);
    wake();
  }
  void hang_up() {
    end = true;
    wake();
  }
  std::string take() { return std::exchange(output, {}); }

 private:
  void wake() {
    if (reader) std::exchange(reader, nullptr)->complete();
  }
};

class ScriptStream final : public event::Stream {
 public:
  ScriptStream(event::Loop& loop, Script& script) noexcept : Stream(loop), script_(script) {}
  ~ScriptStream() override { script_.closed = true; }

  event::IoResult try_read(std::span<char> into) noexcept override {
    if (script_.input.size() == taken_)
      return {script_.end ? event::IoState::closed : event::IoState::would_block, 0, event::Interest::read};
    const std::size_t count = std::min({into.size(), script_.slice, script_.input.size() - taken_});
    std::memcpy(into.data(), script_.input.data() + taken_, count);
    taken_ += count;
    if (taken_ == script_.input.size()) {
      script_.input.clear();
      taken_ = 0;
    }
    return {event::IoState::done, count, event::Interest::read};
  }
  event::IoResult try_write(std::string_view bytes) noexcept override {
    if (script_.stalled) return {event::IoState::would_block, 0, event::Interest::write};
    script_.output.append(bytes);
    ++script_.writes;
    return {event::IoState::done, bytes.size(), event::Interest::write};
  }
  Error error() const override { return Error(Errc::io, "script failed"); }
  Endpoint peer() const override { return script_.peer; }
  Endpoint local() const override { return Endpoint(IpAddress::v4({192, 0, 2, 1}), 25); }
  void close() noexcept override { script_.closed = true; }
  bool may_progress(event::Interest interest) const noexcept override {
    return interest == event::Interest::read ? script_.end || script_.input.size() > taken_
                                             : !script_.stalled;
  }

 protected:
  bool arm(event::Interest interest, event::StreamWait& waiter) noexcept override {
    if (may_progress(interest)) return false;
    if (interest == event::Interest::read) script_.reader = &waiter;
    return true;
  }
  void disarm(event::Interest, event::StreamWait& waiter) noexcept override {
    if (script_.reader == &waiter) script_.reader = nullptr;
  }

 private:
  Script& script_;
  std::size_t taken_ = 0;
};

}  // namespace sealpost::test
