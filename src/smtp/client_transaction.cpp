// SPDX-License-Identifier: Apache-2.0
//
// One transaction of a client session (RFC 5321 §3.3): MAIL, RCPT, DATA, the body, the final dot. With
// PIPELINING (RFC 2920) the whole envelope is one write, and a small body with its final dot another. Or MAIL, RCPT, and the
// body in chunks (RFC 3030 §2), which need no dot and no DATA. The first chunk waits for the replies to the envelope even
// where it could go with it: a message is not sent to who wants none of it, and a connection that is lost before them
// delivered nothing (D-15, ADR 50).
#include <algorithm>
#include <string>
#include <utility>

#include "event/wait.hpp"
#include "mail/smtputf8.hpp"
#include "smtp/client_command.hpp"
#include "smtp/client_session.hpp"
#include "smtp/dot_stuffing.hpp"

namespace sealpost::smtp {

namespace {

constexpr std::size_t largest_group = 100;  // commands in one write: replies to more might fill both windows
constexpr std::size_t written_directly = 16384;  // octets of a body that are worth not copying
constexpr std::size_t copied_tail = 4096;        // the end of those is copied, to go out with what follows
constexpr std::size_t flushed_at = 65536;
constexpr std::size_t chunk_octets = 65536;
constexpr std::size_t most_open_chunks = 8;  // without reply: what a peer says to them fits in any window

// It has not understood the command at all: no word about the message. Its octets may have been taken for commands.
bool knows_no_chunks(const Reply& reply) noexcept {
  return reply.code == 500 || reply.code == 501 || reply.code == 502 || reply.code == 504;
}

}  // namespace

// The replies come in the order of the commands (RFC 2920 §3.1); they are told apart by counting, never by
// their text.
class ClientSession::Exchange {
 public:
  Exchange(ClientSession& session, const Transaction& transaction, TransactionResult& result)
      : session_(session),
        envelope_(transaction.message->envelope),
        size_(transaction.size != 0 ? transaction.size : transaction.message->size),
        body_(transaction.body.value_or(envelope_.body)),
        by_chunks_(transaction.chunks),
        recipients_(transaction.recipients),
        result_(result),
        reset_(session.transaction_open_ ? 1 : 0),
        total_(reset_ + 1 + recipients_.size() + (by_chunks_ ? 0 : 1)),
        utf8_(std::any_of(recipients_.begin(), recipients_.end(),
                          [this](std::uint32_t index) {
                            return index < envelope_.recipients.size() &&
                                   needs_smtputf8(envelope_, envelope_.recipients[index]);
                          })),
        stuffer_(by_chunks_ ? Dots::kept : Dots::doubled) {
    const ClientLimits& limits = session_.limits_;
    const auto count = static_cast<Duration::rep>(recipients_.size());
    end_ = event::deadline(session_.loop_.now(),
                           limits.mail + limits.rcpt + limits.data + count * limits.per_recipient);
  }

  bool addresses_fit() const noexcept {
    return fits_in_command(envelope_.reverse_path) &&
           std::all_of(recipients_.begin(), recipients_.end(), [this](std::uint32_t index) {
             return index < envelope_.recipients.size() &&
                    fits_in_command(envelope_.recipients[index].address) &&
                    fits_in_command(envelope_.recipients[index].original);
           });
  }

  // What is not lines leaves by chunks, and with the peer's consent, or not at all (X4).
  bool body_fits() const noexcept {
    const Extensions& offered = session_.extensions_;
    if (by_chunks_ && !offered.chunking) return false;
    return body_ != BodyType::binary || (by_chunks_ && offered.binarymime);
  }

  // RSET when needed, then MAIL, RCPT and DATA. True: the peer waits for message data.
  event::Task<bool> envelope();
  event::Task<void> message(std::unique_ptr<spool::BodyReader> reader, std::string_view first);
  event::Task<void> body(std::unique_ptr<spool::BodyReader> reader, std::string_view first);
  event::Task<void> chunks(std::unique_ptr<spool::BodyReader> reader, std::string_view first);
  // The peer waits for data nobody is to get: an empty message (RFC 2920 §3.1).
  event::Task<void> empty_body();

  bool wanted() const noexcept { return !result_.mail && accepted_ > 0; }

 private:
  Stage stage_of(std::size_t step) const noexcept {
    if (step < reset_) return Stage::rset;
    if (step == reset_) return Stage::mail;
    return step == reset_ + 1 + recipients_.size() ? Stage::data : Stage::rcpt;
  }
  Duration limit_of(Stage stage) const noexcept {
    const ClientLimits& limits = session_.limits_;
    const Duration own = stage == Stage::rcpt   ? limits.rcpt
                         : stage == Stage::data ? limits.data
                                                : limits.mail;
    return std::min(own, end_ - session_.loop_.now());
  }
  void put(std::size_t step);
  std::size_t put_group(std::size_t from);
  bool goes_on_with(std::size_t step) const noexcept;
  void take(Stage stage, std::size_t step, Reply reply);
  void failed(SessionError error) {
    // Who answers more, less or other than was asked may have answered something else before, too: whose words those
    // were is in doubt, and nobody is refused on such evidence. A refusal that ends the session is a plain word.
    const bool lost_step = !error.reply && error.stage != Stage::final_dot && error.stage != Stage::body &&
                           (error.error.code == Errc::protocol || error.error.code == Errc::too_long);
    if (lost_step) {
      result_.mail.reset();
      result_.final.reset();
      for (auto& reply : result_.rcpt) reply.reset();
    }
    result_.failure.emplace(std::move(error));
  }
  event::Task<SessionResult<void>> push(std::string_view bytes);
  event::Task<SessionResult<void>> push_piece(std::string_view piece);
  event::Task<void> final_reply();
  void add_to_chunk(std::string_view piece);
  event::Task<bool> send_chunk(bool last);
  event::Task<bool> earlier_replies();
  event::Task<bool> chunk_reply();
  event::Task<void> replies_left();
  event::Task<void> last_reply();

  ClientSession& session_;
  const Envelope& envelope_;
  std::uint64_t size_;
  BodyType body_;
  bool by_chunks_;
  const std::vector<std::uint32_t>& recipients_;
  TransactionResult& result_;
  std::size_t reset_;
  std::size_t total_;  // commands: [RSET] MAIL RCPT... [DATA]
  bool utf8_;          // some of it is beyond ASCII
  SteadyTime end_;
  std::size_t accepted_ = 0;
  bool data_expected_ = false;
  std::string line_;
  DotStuffer stuffer_;
  std::string chunk_;
  std::size_t chunks_sent_ = 0, chunks_answered_ = 0;
};

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

// ---- chunks
// -------------------------------------------------------------------------------------------------

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
