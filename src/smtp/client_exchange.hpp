// SPDX-License-Identifier: Apache-2.0
//
// What is under way of one transaction: for client_transaction.cpp, and client_chunks.cpp for a body without a dot.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "event/wait.hpp"
#include "mail/smtputf8.hpp"
#include "smtp/client_command.hpp"
#include "smtp/client_session.hpp"
#include "smtp/dot_stuffing.hpp"

namespace sealpost::smtp {

inline constexpr std::size_t written_directly = 16384;  // octets of a body that are worth not copying

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

}  // namespace sealpost::smtp
