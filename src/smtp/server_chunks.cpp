// SPDX-License-Identifier: Apache-2.0
//
// BDAT (RFC 3030 §2): a message in counted chunks. The octets of a chunk are read whatever becomes of it, so that what
// stands behind them is the next command and nothing of a message ever is (T-21); only then comes the reply. What is
// too large is known before it is read, and not read further than a message may be long (T-29). The content has to be
// what the content of DATA has to be; BINARYMIME is not offered, so a chunk is text, and its lines end in CRLF.
#include <algorithm>

#include "smtp/server_incoming.hpp"

namespace sealpost::smtp {

namespace {

constexpr std::uint64_t small_chunk =
    1024;  // octets; below, it counts as a command that gets nobody anywhere

}  // namespace

// The command; its octets follow.
ServerSession::Next ServerSession::chunk(std::string_view argument) {
  const auto announced = parse_chunk(argument);
  if (!announced) {
    end(Ending::lost_step);
    refuse(Verb::bdat, replies::bad_chunk);
    return Next::command;
  }
  chunk_ = *announced;
  return Next::chunk;
}

// Why the chunk is refused, as far as that is known before it is read. With nothing, the message has begun.
std::optional<ServerReply> ServerSession::chunk_refusal() {
  const Verb verb = chunk_.last ? Verb::bdat_last : Verb::bdat;
  if (!step(phase_, verb).allowed) return out_of_order(phase_, verb);
  if (!info_.esmtp) return replies::chunks_need_ehlo;
  if (phase_ == Phase::rcpt)
    if (auto refused = begin_message(DataDecoder::Framing::counted)) return refused;
  const std::uint64_t limit = options_->limits.message_size;
  if (chunk_.size > limit - std::min(limit, incoming_->octets)) return replies::too_big;
  return std::nullopt;
}

event::Task<void> ServerSession::receive_chunk() {
  const Verb verb = chunk_.last ? Verb::bdat_last : Verb::bdat;
  const Step order = step(phase_, verb);
  if (!chunk_.last && chunk_.size < small_chunk && ++idle_commands_ > limits().idle_commands) {
    end(Ending::abuse, replies::too_many_errors);
    co_return;
  }
  const auto refused = chunk_refusal();
  // A refused chunk has its octets read into nothing.
  if (!incoming_)
    incoming_ = std::make_unique<Incoming>(nullptr, BareNewline::reject, DataDecoder::Framing::counted);
  Incoming& incoming = *incoming_;
  if (refused) incoming.drop(*refused);
  if (!incoming.message && chunk_.size > options_->limits.message_size - swallowed_) {
    end(Ending::abuse);
    refuse(verb, *incoming.refusal);
    co_return;
  }
  for (std::uint64_t left = chunk_.size; left > 0 && !ending_;) {
    if (!stream_.buffered().empty()) {
      take_chunk(incoming, left);
      if (incoming.progress == IncomingMessage::Progress::settle) co_await settle(incoming);
    } else if (stream_.pending() > 0) {
      co_await send_replies();
    } else {
      co_await more_data(incoming);
    }
  }
  if (ending_) co_return;
  bool kept = false;
  if (chunk_.last && finish_chunks(incoming)) {
    kept = co_await conclude(incoming, verb);
  } else if (!incoming.message) {
    refuse(verb, *incoming.refusal);
  } else {
    kept = accept(replies::chunk_ok);
  }
  move_to(kept ? order.on_success : order.on_failure);
}

// What is buffered of the chunk.
void ServerSession::take_chunk(Incoming& incoming, std::uint64_t& left) {
  const std::string_view piece =
      stream_.buffered().substr(0, std::min<std::uint64_t>(left, stream_.buffered().size()));
  left -= piece.size();
  if (!incoming.message) {
    incoming.octets += piece.size();
    swallowed_ += std::min<std::uint64_t>(piece.size(), options_->limits.message_size - swallowed_);
    stream_.consume(piece.size());
    return;
  }
  std::string& out = incoming.out();
  const std::size_t before = out.size();
  const auto result = incoming.decoder.decode(piece, out);
  incoming.octets += out.size() - before;
  stream_.consume(piece.size());
  if (result.state != DataDecoder::State::more) return incoming.drop(replies::bare_in_chunk);  // T-21
  if (incoming.octets > options_->limits.message_size) return incoming.drop(replies::too_big);
  incoming.progress = incoming.message->appended();
  if (incoming.progress == IncomingMessage::Progress::refused) incoming.drop(incoming.message->refusal());
}

// The message is whole: false when that is what is wrong with it.
bool ServerSession::finish_chunks(Incoming& incoming) {
  if (!incoming.message) return false;
  std::string& out = incoming.out();
  const std::size_t before = out.size();
  if (incoming.decoder.finish(out) != DataDecoder::State::end) incoming.drop(replies::bare_in_chunk);
  incoming.octets += incoming.message ? out.size() - before : 0;
  if (incoming.octets > options_->limits.message_size) incoming.drop(replies::too_big);
  return incoming.message != nullptr;
}

// Between two chunks the message waits as it does within one: its limits go on (T-26).
Duration ServerSession::patience_for_chunk() const noexcept {
  return incoming_ ? limits().data - incoming_->waited : Duration::max();
}

void ServerSession::waited_for_chunk(Duration spent) {
  if (!incoming_) return;
  incoming_->waited += spent;
  if (too_slow(*incoming_)) end(Ending::timed_out, replies::too_slow);
}

}  // namespace sealpost::smtp
