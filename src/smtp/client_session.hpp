// SPDX-License-Identifier: Apache-2.0
//
// The client side of one SMTP connection (RFC 5321, 3207, 2920, 1870, 6152, 3030): greeting, EHLO, STARTTLS, EHLO,
// then transactions. What a reply means for the mail is decided in src/delivery; here it is only carried
// back. A session that lost step (timeout, I/O error, bad syntax, 421) sends nothing more: broken() is true
// and it must be dropped.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/sasl_client.hpp"
#include "event/line_stream.hpp"
#include "sealpost/handshake_facts.hpp"
#include "smtp/extensions.hpp"
#include "smtp/reply.hpp"
#include "smtp/reply_parser.hpp"
#include "spool/spool.hpp"
#include "tls/tls_client.hpp"

namespace sealpost::smtp {

enum class Stage : std::uint8_t {
  connect,
  greeting,
  ehlo,
  starttls,
  handshake,
  auth,
  mail,
  rcpt,
  data,
  body,
  final_dot,  // or the last chunk
  rset,
  quit,
};
std::string_view name_of(Stage stage) noexcept;  // "final dot", for people

// How long each step may take (RFC 5321 §4.5.3.2; [delivery] timeouts). Every limit is its own: octets that
// drip in do not extend it, and it does not run while another step is under way.
struct ClientLimits {
  using Minutes = std::chrono::minutes;
  Duration connect = std::chrono::seconds(30);
  Duration greeting = Minutes(5);
  Duration ehlo = Minutes(5);
  Duration starttls = Minutes(2);  // the reply, and once more the handshake
  Duration mail = Minutes(5);
  Duration rcpt = Minutes(5);
  Duration data = Minutes(2);
  Duration body = Minutes(3);  // each block
  Duration final_dot = Minutes(10);
  Duration quit = std::chrono::seconds(5);
  // Against tarpits (T-26): all replies to one envelope together, beyond mail + rcpt + data, per recipient;
  // and the octets a second at which a peer must take the body, on the average of a block.
  Duration per_recipient = Minutes(1);
  std::uint32_t minimum_rate = 500;
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

struct Transaction {
  Transaction() = default;
  spool::StoredMessagePtr message;
  std::vector<std::uint32_t> recipients;  // indexes into the envelope
  std::uint64_t size = 0;                 // of what is sent, when that is not the message as it is stored
  std::optional<BodyType> body;           // likewise what it is made of
  bool chunks = false;                    // by BDAT (RFC 3030), which has to be offered
};

struct TransactionResult {
  TransactionResult() = default;
  std::optional<Reply> mail;               // set when MAIL was refused: holds for all
  std::vector<std::optional<Reply>> rcpt;  // per recipient of the transaction
  // Reply to DATA (when refused) or to the final dot; there also a 421, which says that nothing was taken.
  std::optional<Reply> final;
  bool unreadable = false;      // the spool could not give us the whole body: no word about the peer
  bool chunks_unknown = false;  // it offers CHUNKING and knows no BDAT; the failure says the rest
  // The session failed on the way. At Stage::final_dot delivery may have happened (D-15); at Stage::body with
  // a session that is not broken, the body could not be read and nothing was said.
  std::optional<SessionError> failure;
};

class ClientSession {
 public:
  ClientSession(std::unique_ptr<event::Stream> stream, std::string own_name, const ClientLimits& limits);

  // Greeting and EHLO (HELO only when `allow_helo`, M24).
  event::Task<SessionResult<Extensions>> open(bool allow_helo);
  // STARTTLS and the handshake, then EHLO again; what was known before is forgotten (T-04). The facts say how
  // far it got; a SessionError means that the connection is gone. Refused (454, 5yz) is a fact, not an error,
  // and the session goes on in clear if the caller wants it to.
  event::Task<SessionResult<SessionFacts>> start_tls(tls::Client& client, tls::ClientOptions options);
  // TLS from the first octet, before open() (RFC 8314 §3): what it proved is in facts().
  event::Task<SessionResult<void>> secure(tls::Client& client, tls::ClientOptions options);
  // AUTH (RFC 4954 §4), with all its steps. The last reply, whatever it says, without the client's words should the peer
  // repeat them; a SessionError means that the connection is gone, or, with Errc::refused and no reply, that the server
  // has not proven what it had to, after which nothing may be sent to it.
  event::Task<SessionResult<Reply>> authenticate(auth::SaslClient& client);
  const tls::ChannelBindings& bindings() const noexcept { return bindings_; }
  // Keywords that are not to be believed of this host (leave_out()), from now on.
  void ignore(std::vector<std::string> keywords) { ignored_ = std::move(keywords); }
  event::Task<TransactionResult> transact(Transaction transaction, std::unique_ptr<spool::BodyReader> body);
  event::Task<void> quit();  // QUIT, short wait for 221, close

  const Extensions& extensions() const noexcept { return extensions_; }
  const SessionFacts& facts() const noexcept { return facts_; }
  bool encrypted() const noexcept { return facts_.starttls == StartTls::established; }
  bool broken() const noexcept { return broken_; }
  // What the peer did that no peer should, and that was put up with; printable, empty: nothing.
  const std::string& remark() const noexcept { return remark_; }
  // True when the peer has closed or spoken while idle: do not reuse.
  bool stale() noexcept;
  Endpoint peer() const { return peer_; }
  Endpoint local() const { return local_; }

 private:
  class Exchange;  // one transaction (client_exchange.hpp)

  event::Loop& loop() noexcept { return loop_; }
  event::Task<SessionResult<Reply>> reply(Stage stage, Duration limit);
  // Sends what has been put, then waits for its reply.
  event::Task<SessionResult<Reply>> ask(Stage stage, Duration limit);
  event::Task<SessionResult<Extensions>> hello(bool allow_helo);
  event::Task<SessionResult<void>> shake_hands(tls::Client& client, tls::ClientOptions options);
  event::Task<bool> speaks_again();
  SessionError fail(Stage stage, Error error);
  SessionError refuse(Stage stage, Reply reply);
  SessionError protocol_error(Stage stage, const Reply& reply);
  // Has it said something that nobody has read yet?
  bool has_spoken();

  event::Loop& loop_;
  event::LineStream stream_;
  Endpoint peer_;  // kept: they are asked for after the connection is gone
  Endpoint local_;
  std::string own_name_;
  ClientLimits limits_;  // a copy: a pooled session outlives the configuration it began under
  ReplyParser parser_;
  Extensions extensions_;
  SessionFacts facts_;
  tls::ChannelBindings bindings_;
  std::vector<std::string> ignored_;
  std::string remark_;
  bool broken_ = false;
  bool transaction_open_ = false;  // the peer may hold an envelope of ours: RSET comes first
};

}  // namespace sealpost::smtp
