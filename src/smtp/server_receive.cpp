// SPDX-License-Identifier: Apache-2.0
//
// DATA: from 354 to the reply to the final dot (RFC 5321 §4.1.1.4). What is refused half-way is still read to
// its end, so that the client hears why, but only as far again as a message may be long.
#include <algorithm>
#include <cassert>

#include "base/planted.hpp"
#include "event/wait.hpp"
#include "smtp/server_incoming.hpp"

namespace sealpost::smtp {

namespace {

constexpr std::uint64_t text_line = 998;  // octets without CRLF (RFC 5321 §4.5.3.1.6)

}  // namespace

// A message for the open transaction, whose envelope it takes.
std::optional<ServerReply> ServerSession::begin_message(DataDecoder::Framing framing) {
  assert(envelope_);
  const bool utf8 = envelope_->smtputf8;
  auto begun = handler_.begin(info_, std::move(*envelope_), declared_size_);
  if (!begun) return begun.error();
  const BareNewline bare = handler_.trusted() ? options_->bare_newline : BareNewline::reject;
  incoming_ = std::make_unique<Incoming>(std::move(*begun), bare, framing);
  incoming_->utf8 = utf8;
  return std::nullopt;
}

event::Task<void> ServerSession::receive() {
  const auto refusal = begin_message(DataDecoder::Framing::final_dot);
  if (refusal) {
    move_to(step(phase_, Verb::data).on_failure);
    refuse(Verb::data, *refusal);
    co_return;
  }
  Incoming& incoming = *incoming_;
  say(replies::send_data);
  co_await send_replies();
  while (!ending_ && incoming.state != DataDecoder::State::end) {
    if (stream_.buffered().empty()) {
      co_await more_data(incoming);
      continue;
    }
    take_data(incoming);
    if (incoming.progress == IncomingMessage::Progress::settle) co_await settle(incoming);
  }
  if (!ending_) co_await conclude(incoming, Verb::data);
  // The transaction is over, whatever became of the data (T-24).
  move_to(step(phase_, Verb::data).on_success);
}

// Decodes what is buffered.
void ServerSession::take_data(Incoming& incoming) {
  std::string& out = incoming.out();
  const std::size_t before = out.size();
  const auto result = incoming.decoder.decode(stream_.buffered(), out);
  incoming.octets += out.size() - before;
  incoming.state = result.state;
  stream_.consume(result.consumed);
  if (result.state == DataDecoder::State::bare_cr || result.state == DataDecoder::State::bare_lf) {  // T-21
    incoming.drop(replies::bare_line_end);
    end(Ending::lost_step);
    refuse(Verb::data, replies::bare_line_end);
    return;
  }
  const std::uint64_t limit = options_->limits.message_size;
  if (incoming.octets > limit) incoming.drop(replies::too_big);  // T-29: whatever SIZE said
  if (incoming.octets / 2 > limit) {
    end(Ending::abuse);
    refuse(Verb::data, *incoming.refusal);
    return;
  }
  if (!incoming.message) return;
  if (incoming.decoder.mended_header()) incoming.message->header_was_mended();
  incoming.progress = incoming.message->appended();
  if (incoming.progress == IncomingMessage::Progress::refused) incoming.drop(incoming.message->refusal());
}

event::Task<void> ServerSession::settle(Incoming& incoming) {
  incoming.progress = co_await incoming.message->settle();
  if (incoming.progress == IncomingMessage::Progress::refused) incoming.drop(incoming.message->refusal());
}

bool ServerSession::too_slow(const Incoming& incoming) const noexcept {
  const ServerLimits& now = limits();
  const auto owed = std::chrono::seconds(incoming.octets / std::max(now.minimum_rate, 1U));
  return incoming.waited > now.rate_grace + owed ||
         (incoming.waited >= now.data && !planted(Plant::no_data_deadline));
}

// Reads more, within the limits for silence, for the average rate, for the whole of the data and for the session (T-26).
event::Task<void> ServerSession::more_data(Incoming& incoming) {
  event::Loop& loop = stream_.stream().loop();
  event::Interest want = event::Interest::read;
  while (!ending_) {
    if (stream_.must_wait(want)) {
      const SteadyTime begin = loop.now();
      const Duration left =
          planted(Plant::no_data_deadline) ? limits().data_block : limits().data - incoming.waited;
      const Duration longest = std::min(limits().data_block, left);
      event::StreamWait wait(stream_.stream(), want, std::min(longest, session_end() - begin));
      waiting_ = &wait;
      const bool ready = co_await wait;
      waiting_ = nullptr;
      incoming.waited += loop.now() - begin;
      if (unwanted_) {
        end(Ending::shed, replies::place_needed);
        break;
      }
      const bool over = loop.now() >= session_end();
      if (!ready || over || too_slow(incoming)) {
        end(Ending::timed_out, over ? replies::session_too_long : replies::too_slow);
        break;
      }
    }
    const event::IoResult got = stream_.try_fill();
    want = got.want;
    if (got.state == event::IoState::done) break;
    if (got.state == event::IoState::closed) end(Ending::closed);
    if (got.state == event::IoState::failed) end(Ending::failed);
  }
}

// What the octets of a message must be. A client that may relay is taken as it is where changing them would break a
// signature and the next hop can say no by itself (ADR 32).
const ServerReply* ServerSession::content_refusal(const Incoming& incoming) const noexcept {
  const DataDecoder& decoder = incoming.decoder;
  if (decoder.nul()) return &replies::nul_octet;
  if (handler_.trusted()) return nullptr;
  if (decoder.longest_line() > text_line) return &replies::long_line;
  if (decoder.eight_bit_header() && !incoming.utf8) return &replies::eight_bit_header;
  return nullptr;
}

// All of it has come. Nothing stands between the last octet and the reply but keeping the message (D-01, D-10).
event::Task<bool> ServerSession::conclude(Incoming& incoming, Verb verb) {
  if (incoming.message)
    if (const ServerReply* wrong = content_refusal(incoming)) incoming.drop(*wrong);
  if (!incoming.message) co_return refuse(verb, *incoming.refusal);
  auto kept = co_await incoming.message->finish(incoming.decoder.eight_bit());
  if (!kept) co_return refuse(verb, kept.error());
  ++messages_;
  idle_commands_ = 0;
  swallowed_ = 0;
  const std::string id = kept->to_string();
  stream_.put("250 2.0.0 queued as ");
  stream_.put(id);
  stream_.put("\r\n");
  co_return true;
}

}  // namespace sealpost::smtp
