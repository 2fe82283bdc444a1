// SPDX-License-Identifier: Apache-2.0
//
// The client side of one SMTP connection (RFC 5321, 3207, 2920, 1870, 6152): greeting, EHLO, STARTTLS, EHLO, then
// transactions. What a reply means for the mail is decided in src/delivery; here it is only carried back. A session
// that lost step (timeout, I/O error, bad syntax, 421) sends nothing more: broken() is true and it must be dropped.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event/line_stream.hpp"
#include "sealpost/handshake_facts.hpp"
#include "smtp/reply.hpp"
#include "spool/spool.hpp"
#include "tls/tls_client.hpp"

namespace sealpost::smtp {

enum class Stage : std::uint8_t { connect, greeting, ehlo, starttls, handshake, mail, rcpt, data, body, final_dot, rset, quit };
std::string_view name_of(Stage stage) noexcept;

struct ClientLimits {  // RFC 5321 §4.5.3.2; [delivery] timeouts
  Duration connect = std::chrono::seconds(30);
  Duration greeting = std::chrono::minutes(5), ehlo = std::chrono::minutes(5), starttls = std::chrono::minutes(2);
  Duration mail = std::chrono::minutes(5), rcpt = std::chrono::minutes(5), data = std::chrono::minutes(2);
  Duration body = std::chrono::minutes(3), final_dot = std::chrono::minutes(10), quit = std::chrono::seconds(5);
};

// A failure of the session: error and stage. Replies travel as values, except where a reply ends the session.
class SessionError {
 public:
  SessionError(Stage stage_, Error error_) : stage(stage_), error(std::move(error_)) {}
  SessionError(Stage stage_, Reply reply_)
      : stage(stage_), error(Errc::refused, reply_.to_string()), reply(std::move(reply_)) {}
  Stage stage;
  Error error;
  std::optional<Reply> reply;  // the reply that ended it: greeting 4yz/5yz, EHLO refused, 421 anywhere
};
template <class T>
using SessionResult = Expected<T, SessionError>;

struct Extensions {
  bool esmtp = false, starttls = false, pipelining = false, size = false, eight_bit_mime = false, dsn = false;
  bool smtputf8 = false, chunking = false, requiretls = false, enhanced_status = false;
  std::uint64_t size_limit = 0;         // 0: none stated
  std::optional<std::uint32_t> mail_max, rcpt_max, rcpt_domain_max;  // LIMITS (RFC 9422)
  std::string server_name;              // first word of the EHLO reply, printable, for receiving-mx-helo
};

struct Transaction {
  Transaction() = default;
  spool::StoredMessagePtr message;
  std::vector<std::uint32_t> recipients;  // indexes into the envelope
};

struct TransactionResult {
  TransactionResult() = default;
  std::optional<Reply> mail;               // set when MAIL was refused: holds for all
  std::vector<std::optional<Reply>> rcpt;  // per recipient of the transaction
  std::optional<Reply> final;              // reply to DATA (when refused) or to the final dot
  // The session failed on the way. At Stage::final_dot delivery may have happened (D-15).
  std::optional<SessionError> failure;
};

class ClientSession {
 public:
  ClientSession(std::unique_ptr<event::Stream> stream, std::string own_name, const ClientLimits& limits);

  // Greeting and EHLO (HELO only when `allow_helo`, M24).
  event::Task<SessionResult<Extensions>> open(bool allow_helo);
  // STARTTLS and the handshake, then EHLO again; what was known before is forgotten (T-04). The facts say how far it
  // got; a SessionError means that the connection is gone. Refused (454, 5yz) is a fact, not an error, and the
  // session goes on in clear if the caller wants it to.
  event::Task<SessionResult<SessionFacts>> start_tls(tls::Client& client, tls::ClientOptions options);
  event::Task<TransactionResult> transact(Transaction transaction, std::unique_ptr<spool::BodyReader> body);
  event::Task<void> quit();  // QUIT, short wait for 221, close

  const Extensions& extensions() const noexcept { return extensions_; }
  const SessionFacts& facts() const noexcept { return facts_; }
  bool encrypted() const noexcept { return facts_.starttls == StartTls::established; }
  bool broken() const noexcept { return broken_; }
  // True when the peer has closed or spoken while idle: do not reuse.
  bool stale() noexcept;
  Endpoint peer() const;
  Endpoint local() const;

 private:
  event::LineStream stream_;
  std::string own_name_;
  const ClientLimits& limits_;
  Extensions extensions_;
  SessionFacts facts_;
  bool broken_ = false;
};

}  // namespace sealpost::smtp
