// SPDX-License-Identifier: Apache-2.0
#include "event/sim_stream.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace sealpost::event {

namespace {

void complete(StreamWait*& slot) noexcept {
  if (StreamWait* waiter = std::exchange(slot, nullptr)) waiter->complete();
}

}  // namespace

// ---- wire
// -----------------------------------------------------------------------------------------------------

SimWire::Pipe::Pipe(SimWire& wire_) noexcept
    : Timer(wire_.loop_, [](Timer& timer) noexcept { arrive(static_cast<Pipe&>(timer)); }), wire(wire_) {}

SimWire::SimWire(Loop& loop, const SimLink& link, Endpoint client_at, Endpoint server_at)
    : loop_(loop),
      link_(link),
      random_(link.seed),
      endpoints_{client_at, server_at},
      pipes_{Pipe(*this), Pipe(*this)} {}

void SimWire::cut() noexcept {
  cut_ = true;
  for (Pipe& pipe : pipes_) {
    pipe.disarm();
    complete(pipe.reader);
    complete(pipe.writer);
  }
}

void SimWire::hang() noexcept {
  hung_ = true;
  for (Pipe& pipe : pipes_) pipe.disarm();
}

bool SimWire::readable(const Pipe& pipe) const noexcept {
  return cut_ || pipe.taken < pipe.arrived.size() || pipe.ended;
}

bool SimWire::writable(const Pipe& pipe) const noexcept {
  return cut_ || pipe.closed || pipe.reader_gone || pipe.octets < link_.window;
}

IoResult SimWire::read(Pipe& pipe, std::span<char> into) {
  assert(!into.empty());
  if (cut_) return {IoState::failed, 0, Interest::read};
  const std::size_t there = pipe.arrived.size() - pipe.taken;
  if (there == 0) return {pipe.ended ? IoState::closed : IoState::would_block, 0, Interest::read};
  std::size_t count = std::min(there, into.size());
  if (link_.slice != SIZE_MAX) count = std::min<std::size_t>(count, 1 + random_() % link_.slice);
  std::memcpy(into.data(), pipe.arrived.data() + pipe.taken, count);
  pipe.taken += count;
  pipe.octets -= count;
  if (pipe.taken == pipe.arrived.size()) {
    pipe.arrived.clear();
    pipe.taken = 0;
  }
  complete(pipe.writer);
  return {IoState::done, count, Interest::read};
}

IoResult SimWire::write(Pipe& pipe, std::string_view bytes) {
  assert(!bytes.empty());
  if (cut_ || pipe.closed || pipe.reader_gone) return {IoState::failed, 0, Interest::write};
  if (pipe.octets >= link_.window) return {IoState::would_block, 0, Interest::write};
  std::size_t count = std::min(bytes.size(), link_.window - pipe.octets);
  count = static_cast<std::size_t>(std::min<std::uint64_t>(count, cut_at_ - carried_));
  carried_ += count;
  pipe.octets += count;
  send(pipe, std::string(bytes.substr(0, count)), false);
  if (carried_ >= cut_at_) {
    cut();
    if (count == 0) return {IoState::failed, 0, Interest::write};
  }
  return {IoState::done, count, Interest::write};
}

void SimWire::close(Pipe& pipe) {
  if (std::exchange(pipe.closed, true)) return;
  send(pipe, {}, true);
}

void SimWire::send(Pipe& pipe, std::string bytes, bool end) {
  pipe.under_way.push_back(Chunk{loop_.now() + link_.latency, std::move(bytes), end});
  if (hung_ || cut_) return;
  if (link_.latency == Duration::zero()) {
    arrive(pipe);
  } else if (!pipe.armed()) {
    pipe.arm(pipe.under_way.front().arrives);
  }
}

void SimWire::arrive(Pipe& pipe) noexcept {
  const SteadyTime now = pipe.wire.loop_.now();
  while (!pipe.under_way.empty() && pipe.under_way.front().arrives <= now) {
    pipe.arrived += pipe.under_way.front().bytes;
    pipe.ended = pipe.ended || pipe.under_way.front().end;
    pipe.under_way.pop_front();
  }
  if (!pipe.under_way.empty()) pipe.arm(pipe.under_way.front().arrives);
  complete(pipe.reader);
}

// ---- stream
// ---------------------------------------------------------------------------------------------------

SimStream::SimStream(Loop& loop, std::shared_ptr<SimWire> wire, SimWire::Side side) noexcept
    : Stream(loop), wire_(std::move(wire)), side_(side) {}

SimStream::~SimStream() {
  wire_->close(out());
  in().reader_gone = true;
  complete(in().writer);
}

IoResult SimStream::try_read(std::span<char> into) noexcept { return wire_->read(in(), into); }
IoResult SimStream::try_write(std::string_view bytes) noexcept { return wire_->write(out(), bytes); }
void SimStream::close() noexcept { wire_->close(out()); }

bool SimStream::may_progress(Interest interest) const noexcept {
  return interest == Interest::read ? wire_->readable(in()) : wire_->writable(out());
}

bool SimStream::arm(Interest interest, StreamWait& waiter) noexcept {
  if (may_progress(interest)) return false;
  StreamWait*& slot = interest == Interest::read ? in().reader : out().writer;
  assert(!slot);
  slot = &waiter;
  return true;
}

void SimStream::disarm(Interest interest, StreamWait& waiter) noexcept {
  StreamWait*& slot = interest == Interest::read ? in().reader : out().writer;
  if (slot == &waiter) slot = nullptr;
}

SimConnection::SimConnection(Loop& loop, const SimLink& link, Endpoint client_at, Endpoint server_at)
    : wire(std::make_shared<SimWire>(loop, link, client_at, server_at)),
      client(std::make_unique<SimStream>(loop, wire, SimWire::client)),
      server(std::make_unique<SimStream>(loop, wire, SimWire::server)) {}

}  // namespace sealpost::event
