// SPDX-License-Identifier: Apache-2.0
//
// One transaction of a client session (RFC 5321 §3.3): MAIL, RCPT, DATA, the body, the final dot. With
// PIPELINING (RFC 2920) the whole envelope is one write, and a small body with its final dot another. A body in chunks, which
// needs no dot and no DATA, is in client_chunks.cpp.
#include <algorithm>
#include <string>
#include <utility>

#include "smtp/client_command.hpp"
#include "smtp/client_exchange.hpp"

namespace sealpost::smtp {

namespace {

constexpr std::size_t largest_group = 100;  // commands in one write: replies to more might fill both windows
constexpr std::size_t copied_tail = 4096;   // the end of those is copied, to go out with what follows
constexpr std::size_t flushed_at = 65536;

}  // namespace

event::Task<TransactionResult> ClientSession::transact(Transaction transaction,
                                                       std::unique_ptr<spool::BodyReader> body) {
  TransactionResult result;
  result.rcpt.resize(transaction.recipients.size());
  if (broken_) {
    result.failure.emplace(Stage::mail, Error(Errc::closed, "the session is over"));
    co_return result;
  }
  Exchange exchange(*this, transaction, result);
  if (!exchange.addresses_fit()) {
    result.failure.emplace(Stage::mail,
                           Error(Errc::invalid, "an address of the envelope has control characters"));
    co_return result;
  }
  if (!exchange.body_fits()) {
    result.failure.emplace(Stage::mail,
                           Error(Errc::invalid, "the message needs what the peer does not offer"));
    co_return result;
  }
  // Before anything is said: a body that cannot be read is no matter between us and the peer.
  auto first = co_await body->next();
  if (!first) {
    result.unreadable = true;
    result.failure.emplace(Stage::body, std::move(first).error());
    co_return result;
  }
  const bool data = co_await exchange.envelope();
  if (!data) co_return result;
  if (exchange.wanted()) {
    co_await exchange.message(std::move(body), *first);
  } else {
    co_await exchange.empty_body();
  }
  co_return result;
}

void ClientSession::Exchange::put(std::size_t step) {
  line_.clear();
  switch (stage_of(step)) {
    case Stage::rset: line_ = "RSET\r\n"; break;
    case Stage::mail: append_mail(line_, envelope_, size_, body_, utf8_, session_.extensions_); break;
    case Stage::rcpt:
      append_rcpt(line_, envelope_.recipients[recipients_[step - reset_ - 1]], session_.extensions_);
      break;
    default: line_ = "DATA\r\n"; break;
  }
  session_.stream_.put(line_);
}

// Puts what may go out together (RFC 2920 §3.1: DATA may end a group). Returns the step after it.
std::size_t ClientSession::Exchange::put_group(std::size_t from) {
  const std::size_t size = session_.extensions_.pipelining ? largest_group : 1;
  const std::size_t end = std::min(total_, from + size);
  for (std::size_t step = from; step < end; ++step) put(step);
  return end;
}

// Is there still a reason to say what comes next?
bool ClientSession::Exchange::goes_on_with(std::size_t step) const noexcept {
  return !result_.mail && (stage_of(step) != Stage::data || accepted_ > 0);
}

event::Task<bool> ClientSession::Exchange::envelope() {
  std::size_t said = 0;
  for (std::size_t step = 0; step < total_; ++step) {
    const Stage stage = stage_of(step);
    if (step == said) {
      if (!goes_on_with(step)) co_return false;
      said = put_group(step);
      auto answer = co_await session_.ask(stage, limit_of(stage));
      if (!answer) {
        failed(std::move(answer).error());
        co_return false;
      }
      take(stage, step, std::move(*answer));
    } else {
      auto answer = co_await session_.reply(stage, limit_of(stage));
      if (!answer) {
        failed(std::move(answer).error());
        co_return false;
      }
      take(stage, step, std::move(*answer));
    }
    if (result_.failure) co_return false;
  }
  if (by_chunks_ && wanted()) co_return true;
  // Every command has its answer. One more means that they were not what they were taken for.
  if (!data_expected_ && session_.has_spoken())
    failed(session_.fail(Stage::data, Error(Errc::protocol, "peer gave more replies than it was asked for")));
  co_return data_expected_;
}

void ClientSession::Exchange::take(Stage stage, std::size_t step, Reply reply) {
  // Only DATA is answered by 3yz, and by no 2yz: such a peer is not where we are.
  if (reply.intermediate() != (stage == Stage::data) && (reply.intermediate() || reply.positive())) {
    return failed(session_.protocol_error(stage, reply));
  }
  switch (stage) {
    case Stage::rset:
      if (!reply.positive()) return failed(session_.fail(stage, Error(Errc::protocol, reply.to_string())));
      session_.transaction_open_ = false;
      break;
    case Stage::mail:
      if (reply.positive()) {
        session_.transaction_open_ = true;
      } else {
        result_.mail = std::move(reply);
      }
      break;
    case Stage::rcpt:
      if (result_.mail) break;  // 503, and nobody's own answer
      if (reply.positive()) ++accepted_;
      result_.rcpt[step - reset_ - 1] = std::move(reply);
      break;
    default:
      data_expected_ = reply.intermediate();
      if (!data_expected_ && wanted()) result_.final = std::move(reply);
      break;
  }
}

event::Task<void> ClientSession::Exchange::empty_body() {
  session_.stream_.put(".\r\n");
  auto answer = co_await session_.ask(Stage::data, session_.limits_.final_dot);
  session_.transaction_open_ = false;
  if (!answer) failed(std::move(answer).error());
}

event::Task<void> ClientSession::Exchange::message(std::unique_ptr<spool::BodyReader> reader,
                                                   std::string_view first) {
  // A peer that speaks between the replies to the envelope and the end of the message has its word taken for the answer to it.
  if (session_.has_spoken()) {
    failed(session_.fail(Stage::data, Error(Errc::protocol, "peer spoke before it had the message")));
    co_return;
  }
  if (by_chunks_)
    co_await chunks(std::move(reader), first);
  else
    co_await body(std::move(reader), first);
}

event::Task<void> ClientSession::Exchange::body(std::unique_ptr<spool::BodyReader> reader,
                                                std::string_view first) {
  std::string_view piece = first;
  while (!piece.empty()) {
    auto pushed = co_await push_piece(piece);
    if (!pushed) {
      failed(std::move(pushed).error());
      co_return;
    }
    auto next = co_await reader->next();
    if (!next) {  // half a message must not look like a whole one: no dot, no more words
      result_.unreadable = true;
      failed(session_.fail(Stage::body, std::move(next).error()));
      co_return;
    }
    piece = *next;
  }
  // A yes that came before the end of the message is no answer to it (M27); a no may well be.
  if (session_.has_spoken() && !session_.stream_.buffered().starts_with('4') &&
      !session_.stream_.buffered().starts_with('5')) {
    failed(session_.fail(Stage::body, Error(Errc::protocol, "peer spoke before it had the whole message")));
    co_return;
  }
  session_.stream_.put(stuffer_.finish());
  auto pushed = co_await push(std::string_view());
  if (!pushed) {  // the dot has not left us whole
    failed(std::move(pushed).error());
    co_return;
  }
  co_await final_reply();
}

event::Task<SessionResult<void>> ClientSession::Exchange::push_piece(std::string_view piece) {
  while (!piece.empty()) {
    const DotStuffer::Run run = stuffer_.next(piece);
    std::string_view verbatim = piece.substr(0, run.verbatim);
    if (verbatim.size() >= written_directly) {
      auto pushed = co_await push(verbatim.substr(0, verbatim.size() - copied_tail));
      if (!pushed) co_return pushed;
      verbatim.remove_prefix(verbatim.size() - copied_tail);
    }
    session_.stream_.put(verbatim);
    session_.stream_.put(run.insert);
    piece.remove_prefix(run.verbatim + run.skip);
    if (session_.stream_.pending() >= flushed_at) {
      auto pushed = co_await push(std::string_view());
      if (!pushed) co_return pushed;
    }
  }
  co_return SessionResult<void>();
}

// Writes what has been put, then `bytes` from where they are. The limit of a block grows with its size, so
// that a large message may be slow, but no slower than the minimum rate (T-26).
event::Task<SessionResult<void>> ClientSession::Exchange::push(std::string_view bytes) {
  const ClientLimits& limits = session_.limits_;
  const std::size_t octets = session_.stream_.pending() + bytes.size();
  const Duration whole =
      limits.body + std::chrono::seconds(octets / std::max<std::uint32_t>(limits.minimum_rate, 1));
  auto sending = session_.stream_.send(bytes, limits.body);
  auto sent = co_await event::within(session_.loop_, whole, std::move(sending));
  if (sent) co_return SessionResult<void>();
  SessionError lost = session_.fail(Stage::body, std::move(sent).error());
  if (lost.error.code == Errc::timed_out) co_return lost;
  // A peer that hangs up in the middle has often said why ("552 too big").
  auto last_word = co_await session_.reply(Stage::body, limits.quit);
  if (last_word && !last_word->positive() && !last_word->intermediate()) {
    co_return SessionError(Stage::body, std::move(*last_word));
  }
  if (!last_word && last_word.error().reply) co_return std::move(last_word).error();
  co_return lost;
}

event::Task<void> ClientSession::Exchange::final_reply() {
  auto answer = co_await session_.reply(Stage::final_dot, session_.limits_.final_dot);
  session_.transaction_open_ = false;
  if (!answer && answer.error().reply) {  // 421: not taken, and the session is over
    result_.final = std::move(answer.error().reply);
    co_return;
  }
  if (!answer) {
    failed(std::move(answer).error());
    co_return;
  }
  if (answer->intermediate()) {
    failed(session_.protocol_error(Stage::final_dot, *answer));
    co_return;
  }
  result_.final = std::move(*answer);
}

}  // namespace sealpost::smtp
