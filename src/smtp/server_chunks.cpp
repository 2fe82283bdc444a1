// SPDX-License-Identifier: Apache-2.0
//
// BDAT (RFC 3030 §2): a message in counted chunks. The octets of a chunk are read whatever becomes of it, so that what
// stands behind them is the next command and nothing of a message ever is (T-21); only then comes the reply. What is
// too large is known before it is read, and read no further than twice what a message may have (T-29). The content has to be
// what the content of DATA has to be: lines that end in CRLF. With BODY=BINARYMIME that holds for the header alone (§3).
#include <algorithm>

#include "smtp/server_incoming.hpp"

namespace sealpost::smtp {

namespace {

// In octets. Below, a chunk counts as a command that gets nobody anywhere.
constexpr std::uint64_t small_chunk = 64;
// Read of who sends chunks without a transaction, for the sake of the reply.
constexpr std::uint64_t uninvited = 64 * 1024;

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

// How many octets of refused chunks are read before the reply. Of a message too large as much again as one may have, as in
// DATA: who sends it all before it listens must hear 552, and not try again for days.
std::uint64_t ServerSession::swallowed_at_most() const noexcept {
  if (failed_chunk_ || (in_transaction() && info_.esmtp)) return 2 * options_->limits.message_size;
  return handler_.trusted() || !handler_.stressed() ? uninvited : 0;
}

// Why the chunk is refused, as far as that is known before it is read. With nothing, the message has begun.
std::optional<ServerReply> ServerSession::chunk_refusal() {
  if (failed_chunk_) return failed_chunk_;
  if (const ServerReply* denied = access_refusal(Verb::bdat)) return *denied;
  const Verb verb = chunk_.last ? Verb::bdat_last : Verb::bdat;
  if (!step(phase_, verb).allowed) return out_of_order(phase_, verb);
  if (!info_.esmtp) return replies::chunks_need_ehlo;
  if (phase_ == Phase::rcpt)
    if (auto refused = begin_message(envelope_->body == BodyType::binary ? DataDecoder::Framing::binary
                                                                         : DataDecoder::Framing::counted))
      return refused;
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
  const bool told = failed_chunk_.has_value();
  const bool transaction = in_transaction();
  const std::uint64_t most = swallowed_at_most();
  const auto refused = chunk_refusal();
  // A refused chunk has its octets read into nothing.
  if (!incoming_)
    incoming_ = std::make_unique<Incoming>(nullptr, BareNewline::reject, DataDecoder::Framing::counted);
  Incoming& incoming = *incoming_;
  if (refused) incoming.drop(*refused);
  if (!incoming.message && chunk_.size > most - std::min(most, swallowed_)) {
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
  } else if (incoming.message) {
    kept = accept(replies::chunk_ok);
  } else if (told) {
    say(*incoming.refusal);
  } else {
    refuse(verb, *incoming.refusal);
    // A client that goes by the reply to the last chunk must not take 503 for the fate of its message.
    if (transaction) failed_chunk_ = incoming.refusal;
  }
  if (chunk_.last) failed_chunk_.reset();
  move_to(kept ? order.on_success : order.on_failure);
}

// What is buffered of the chunk.
void ServerSession::take_chunk(Incoming& incoming, std::uint64_t& left) {
  const std::string_view piece =
      stream_.buffered().substr(0, std::min<std::uint64_t>(left, stream_.buffered().size()));
  left -= piece.size();
  if (!incoming.message) {
    incoming.octets += piece.size();
    swallowed_ += piece.size();
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
  if (incoming.decoder.mended_header()) incoming.message->header_was_mended();
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
