// SPDX-License-Identifier: Apache-2.0
//
// The body of a transaction in chunks (RFC 3030 §2), which need no dot and no DATA. The first chunk waits for the replies to the
// envelope even where it could go with it: a message is not sent to who wants none of it, and a connection that is lost
// before them delivered nothing (D-15, ADR 50).
#include <optional>
#include <string>
#include <utility>

#include "smtp/client_exchange.hpp"

namespace sealpost::smtp {

namespace {

constexpr std::size_t chunk_octets = 65536;
constexpr std::size_t most_open_chunks = 8;  // without reply: what a peer says to them fits in any window

// It has not understood the command at all: no word about the message. Its octets may have been taken for commands.
bool knows_no_chunks(const Reply& reply) noexcept {
  return reply.code == 500 || reply.code == 501 || reply.code == 502 || reply.code == 504;
}

}  // namespace

void ClientSession::Exchange::add_to_chunk(std::string_view piece) {
  if (body_ == BodyType::binary)
    chunk_ += piece;
  else
    stuffer_.append(piece, chunk_);
}

// A chunk goes when there is more than it holds, so that the last one has octets: some hosts do not know "BDAT 0 LAST".
event::Task<void> ClientSession::Exchange::chunks(std::unique_ptr<spool::BodyReader> reader,
                                                  std::string_view first) {
  std::string_view piece = first;
  while (!piece.empty()) {
    if (chunk_.size() >= chunk_octets) {
      const bool goes_on = co_await send_chunk(false);
      if (!goes_on) co_return;
    }
    const std::string_view some = piece.substr(0, chunk_octets);
    add_to_chunk(some);
    piece.remove_prefix(some.size());
    if (!piece.empty()) continue;
    auto next = co_await reader->next();
    if (!next) {  // without the last chunk there is no message
      result_.unreadable = true;
      failed(session_.fail(Stage::body, std::move(next).error()));
      co_return;
    }
    piece = *next;
  }
  if (body_ != BodyType::binary) chunk_ += stuffer_.finish();
  const bool sent = co_await send_chunk(true);
  if (sent) co_await last_reply();
}

// False: the message is refused, or the session over; the result says which.
event::Task<bool> ClientSession::Exchange::send_chunk(bool last) {
  const bool wanted = co_await earlier_replies();
  if (!wanted) co_return false;
  line_ = "BDAT " + std::to_string(chunk_.size()) + (last ? " LAST\r\n" : "\r\n");
  session_.stream_.put(line_);
  std::string_view octets = chunk_;
  if (octets.size() < written_directly) {
    session_.stream_.put(octets);
    octets = std::string_view();
  }
  auto pushed = co_await push(octets);
  if (!pushed) {
    const std::optional<Reply>& word = pushed.error().reply;
    result_.chunks_unknown = chunks_answered_ == 0 && word && knows_no_chunks(*word);
    failed(std::move(pushed).error());
    co_return false;
  }
  chunk_.clear();
  ++chunks_sent_;
  const std::size_t open = session_.extensions_.pipelining ? most_open_chunks : 1;
  if (last || chunks_sent_ - chunks_answered_ < open) co_return true;
  const bool taken = co_await chunk_reply();
  co_return taken;
}

// What has been said meanwhile to chunks before this one. More words than chunks are none of them (M27).
event::Task<bool> ClientSession::Exchange::earlier_replies() {
  while (session_.has_spoken()) {
    if (chunks_answered_ == chunks_sent_) {
      failed(session_.fail(Stage::body, Error(Errc::protocol, "peer spoke before it had the whole message")));
      co_return false;
    }
    const bool taken = co_await chunk_reply();
    if (!taken) co_return false;
  }
  co_return true;
}

// The reply to a chunk that is not the last. False: no further one is sent.
event::Task<bool> ClientSession::Exchange::chunk_reply() {
  auto answer = co_await session_.reply(Stage::body, session_.limits_.body);
  if (!answer && answer.error().reply) {  // 421: it goes, and has taken nothing
    result_.final = std::move(answer.error().reply);
    co_return false;
  }
  if (!answer) {
    failed(std::move(answer).error());
    co_return false;
  }
  ++chunks_answered_;
  if (answer->positive()) co_return true;
  if (answer->intermediate()) {
    failed(session_.protocol_error(Stage::body, *answer));
    co_return false;
  }
  if (chunks_answered_ == 1 && knows_no_chunks(*answer)) {
    result_.chunks_unknown = true;
    failed(session_.protocol_error(Stage::data, *answer));
    co_return false;
  }
  result_.final = std::move(*answer);
  co_await replies_left();
  co_return false;
}

// To chunks that were on their way when one was refused. What they say counts for nothing, but each must come, or whose
// answer the next one is nobody could tell. The peer holds an envelope still: RSET comes first.
event::Task<void> ClientSession::Exchange::replies_left() {
  while (chunks_answered_ < chunks_sent_) {
    auto answer = co_await session_.reply(Stage::body, session_.limits_.body);
    if (!answer) co_return;
    ++chunks_answered_;
  }
}

// The last chunk is on its way, so from here on the message may have been taken (D-15).
event::Task<void> ClientSession::Exchange::last_reply() {
  std::optional<Reply> refused;
  bool first_refused = false;
  while (chunks_answered_ + 1 < chunks_sent_) {
    auto answer = co_await session_.reply(Stage::final_dot, session_.limits_.final_dot);
    if (!answer && answer.error().reply) {
      result_.final = std::move(answer.error().reply);
      co_return;
    }
    if (!answer || answer->intermediate()) {
      failed(answer ? session_.protocol_error(Stage::final_dot, *answer) : std::move(answer).error());
      co_return;
    }
    if (!answer->positive() && !refused) {
      first_refused = chunks_answered_ == 0;
      refused = std::move(*answer);
    }
    ++chunks_answered_;
  }
  co_await final_reply();
  if (!result_.final) co_return;
  if (refused && result_.final->positive()) {  // a message with a hole in it
    result_.final.reset();
    failed(session_.protocol_error(Stage::final_dot, *refused));
    co_return;
  }
  first_refused = first_refused || (chunks_sent_ == 1 && !result_.final->positive());
  if (refused) result_.final = std::move(refused);
  if (result_.final->positive()) co_return;
  session_.transaction_open_ = true;  // until RSET (RFC 3030 §2)
  if (!first_refused || !knows_no_chunks(*result_.final)) co_return;
  result_.chunks_unknown = true;
  const Reply answer = std::move(*result_.final);
  failed(session_.protocol_error(Stage::data, answer));
}

}  // namespace sealpost::smtp
