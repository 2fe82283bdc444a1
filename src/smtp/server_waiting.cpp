// SPDX-License-Identifier: Apache-2.0
//
// What a session waits for: the next line, its client to take the replies, and the end of the connection.
#include <algorithm>

#include "event/wait.hpp"
#include "smtp/server_incoming.hpp"
#include "smtp/server_session.hpp"

namespace sealpost::smtp {
namespace {

constexpr auto linger_time = std::chrono::seconds(2);
constexpr std::size_t linger_octets = 1U << 20;

}  // namespace

// Comes back when a whole line is buffered, or the session is over.
event::Task<void> ServerSession::await_line() {
  event::Loop& loop = stream_.stream().loop();
  const SteadyTime begin = loop.now();
  event::Interest want = event::Interest::read;
  while (!ending_) {
    if (stream_.buffered().size() >= line_cap()) {  // T-25: not read on, not discarded
      end(Ending::lost_step,
          line_cap() == auth_line_cap ? replies::auth_line_too_long : replies::line_too_long);
      break;
    }
    if (draining_ && !in_transaction()) {
      end(Ending::shut_down, replies::shutting_down);
      break;
    }
    if (unwanted_) {
      end(Ending::shed, replies::place_needed);
      break;
    }
    if (stream_.pending() > 0) {
      co_await send_replies();
      continue;
    }
    if (stream_.must_wait(want)) {
      const SteadyTime session = session_end();
      const SteadyTime from = loop.now();
      const SteadyTime until = std::min(
          {begin + limits().command, transaction_end_, session, event::deadline(from, patience_for_chunk())});
      event::StreamWait wait(stream_.stream(), want, until - from);
      waiting_ = &wait;
      const bool ready = co_await wait;
      waiting_ = nullptr;
      waited_for_chunk(loop.now() - from);
      if (!ready) {
        end(Ending::timed_out, session == until ? replies::session_too_long : replies::idle_too_long);
        break;
      }
    }
    const event::IoResult got = stream_.try_fill();
    want = got.want;
    if (got.state == event::IoState::closed) end(Ending::closed);
    if (got.state == event::IoState::failed) end(Ending::failed);
    if (got.state == event::IoState::done && stream_.buffered().find('\n') != std::string_view::npos) break;
  }
}

event::Task<void> ServerSession::send_replies() {
  event::Loop& loop = stream_.stream().loop();
  const Duration limit = limits().write;
  // All of it within the limit, not each piece: a client that takes an octet a minute is no client (T-26).
  const auto sent = co_await event::within(loop, limit, stream_.flush(limit));
  if (!sent) end(sent.error().code == Errc::timed_out ? Ending::timed_out : Ending::failed);
}

// Sends what is left to say and closes. A client in the middle of sending would meet a reset, and never read
// why it was refused, if its octets were left unread: so they are read for a moment.
event::Task<void> ServerSession::farewell() {
  if (!stream_.has_stream()) co_return;
  if (stream_.pending() > 0 && *ending_ != Ending::failed && *ending_ != Ending::closed)
    co_await send_replies();
  stream_.close();
  if (*ending_ != Ending::abuse && *ending_ != Ending::lost_step) co_return;
  event::Loop& loop = stream_.stream().loop();
  const SteadyTime until = loop.now() + linger_time;
  event::Interest want = event::Interest::read;
  std::size_t left = linger_octets;
  while (left > 0) {
    stream_.consume(stream_.buffered().size());
    if (stream_.must_wait(want)) {
      const bool ready = co_await stream_.stream().wait(want, until - loop.now());
      if (!ready) break;
    }
    const event::IoResult got = stream_.try_fill();
    want = got.want;
    if (got.state == event::IoState::closed || got.state == event::IoState::failed) break;
    left -= std::min(left, got.bytes);
  }
}

}  // namespace sealpost::smtp
