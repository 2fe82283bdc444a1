// SPDX-License-Identifier: Apache-2.0
//
// The server side of one SMTP connection (RFC 5321, 3207, 2920, 1870, 6152, 3030, 2034), for relaying or submission
// (RFC 6409, 8314, 4954): greeting, commands, message data, until one side ends it. The order of commands is in
// server_state.hpp, grammar in command.hpp, data in data_decoder.hpp, AUTH in server_auth.cpp; what becomes of a message
// is the handler's.
//
// Replies are gathered and sent when the input is empty, so a pipelined group is answered with one write (RFC
// 2920 §3.2). Waiting for a command costs no buffer: what an idle session holds is this object and two
// coroutine frames.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "event/line_stream.hpp"
#include "smtp/command.hpp"
#include "smtp/data_decoder.hpp"
#include "smtp/server_handler.hpp"
#include "smtp/server_reply.hpp"
#include "smtp/server_state.hpp"
#include "smtp/service.hpp"
#include "tls/tls_server.hpp"

namespace sealpost::smtp {

struct ServerLimits {
  ServerLimits() = default;
  std::uint64_t message_size = 50U << 20;  // octets; SIZE in the reply to EHLO
  std::uint32_t recipients = 1000;         // of one transaction (T-29; RFC 5321 §4.5.3.1.8 asks for 100)
  std::uint32_t errors = 20;               // refused commands before the session ends (T-06)
  std::uint32_t refusals =
      10'000;  // the same, those counted that are nobody's fault: 4yz, and a trusted client's RCPT
  std::uint32_t idle_commands = 10'000;        // between two messages: NOOP, RSET, VRFY, EHLO ...
  Duration command = std::chrono::minutes(5);  // for the next command, whole (RFC 5321 §4.5.3.2.7, T-26)
  Duration transaction = std::chrono::minutes(30);  // MAIL to DATA
  Duration data_block = std::chrono::minutes(5);    // silence within message data
  std::uint32_t minimum_rate = 512;  // octets a second of message data, on average, after `rate_grace` (T-26)
  Duration rate_grace = std::chrono::minutes(2);
  Duration data = std::chrono::hours(2);     // for all of one message's data, whatever its rate
  Duration write = std::chrono::minutes(5);  // for the client to take our replies
  Duration handshake = std::chrono::minutes(1);
  Duration authentication = std::chrono::minutes(1);  // all of an AUTH exchange
  std::uint32_t failed_authentications = 3;           // of a session (T-31)
  Duration session = std::chrono::hours(24);          // also within data and the handshake
};
// What is left of these for clients that may not relay, and for them while places are scarce.
ServerLimits for_strangers(const ServerLimits& limits);
ServerLimits under_stress(const ServerLimits& limits);

struct ServerOptions {
  ServerOptions() = default;
  Service service = Service::relay;
  std::string hostname;  // greeting and EHLO
  ServerLimits limits;
  std::optional<ServerLimits> strangers;         // of clients that may not relay; none: the same
  std::optional<ServerLimits> stressed;          // of these, while ServerHandler::stressed(); none: as ever
  std::shared_ptr<tls::Server> tls;              // null: STARTTLS is not offered; submissions need one
  auth::Authenticator* authenticator = nullptr;  // outlives the sessions; submission needs one
  BareNewline bare_newline = BareNewline::normalize;  // of clients that may relay; others are refused
  bool offer_dsn = false;                             // DSN (RFC 3461); delivery must pass it on
  bool offer_requiretls = false;                      // REQUIRETLS (RFC 8689), inside TLS only
  bool offer_smtputf8 = false;                        // SMTPUTF8 (RFC 6531)
};

class ServerSession {
 public:
  enum class Ending : std::uint8_t {
    quit,
    closed,     // by the client, without QUIT
    timed_out,  // nothing said or taken in time, or too slowly
    shut_down,  // by drain()
    shed,       // by shed()
    abuse,      // too many errors, a web client
    lost_step,  // bare line ends, endless lines, data behind STARTTLS
    failed,     // connection reset, or the handshake failed
  };

  // A session keeps the options it started with (T-52). The handler must outlive it.
  ServerSession(std::unique_ptr<event::Stream> stream, std::shared_ptr<const ServerOptions> options,
                ServerHandler& handler);
  ~ServerSession();
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;

  // The whole session; the connection is closed when it returns. Once.
  event::Task<Ending> run();

  // Ends the session with 421 as soon as no transaction is open; a session that waits for a command ends at
  // once.
  void drain() noexcept;
  // Ends it with 421 where it waits for its client, so that another may have its place: when it can be, which it
  // cannot while it is at work or on its way out.
  void shed() noexcept;
  bool can_be_shed() const noexcept { return waiting_ != nullptr && !ending_ && !unwanted_; }
  // The limits are others now: what waits under the old ones waits anew.
  void limits_changed() noexcept;
  bool in_transaction() const noexcept {
    return incoming_ != nullptr || phase_ == Phase::mail || phase_ == Phase::rcpt;
  }
  const SessionInfo& info() const noexcept { return info_; }
  std::uint64_t messages() const noexcept { return messages_; }  // accepted
  std::uint32_t errors() const noexcept { return errors_; }      // refused commands

 private:
  enum class Next : std::uint8_t { command, data, chunk, starttls, auth };
  struct Incoming;  // a message being received: server_incoming.hpp

  Next handle(const event::Line& line);
  bool perform(const CommandLine& command, Next& next);
  bool hello(Verb verb, std::string_view name);
  bool mail(std::string_view argument);
  bool rcpt(std::string_view argument);
  bool xclient(std::string_view argument);
  Next chunk(std::string_view argument);
  const ServerReply* parameter_refusal(const MailCommand& command) const noexcept;
  const ServerReply* starttls_refusal(std::string_view argument) const noexcept;
  bool auth(std::string_view argument);
  const ServerReply* auth_refusal() const noexcept;
  const ServerReply* access_refusal(Verb verb) const noexcept;
  const ServerLimits& limits() const noexcept;  // look anew after each wait: stress comes and goes
  SteadyTime session_end() const noexcept { return event::deadline(begun_, limits().session); }
  // What is granted beyond the grammar is granted to those who may relay (ADR 32).
  Syntax syntax() const noexcept { return handler_.trusted() ? Syntax::lenient : Syntax::strict; }
  // Not to strangers: what they may send, postmasters and programs read, has lines.
  bool offers_binarymime() const noexcept {
    return options_->service != Service::relay || handler_.trusted();
  }
  // To be sent later, and TLS for one message: of who answers for what it sends.
  bool offers_wishes() const noexcept { return handler_.trusted() && info_.esmtp; }
  bool offers_requiretls() const noexcept { return options_->offer_requiretls && info_.tls; }
  // What addresses may hold: of MAIL as it is offered, of RCPT as MAIL said.
  Utf8 utf8_offered() const noexcept {
    return options_->offer_smtputf8 && info_.esmtp ? Utf8::accept : Utf8::refuse;
  }
  void say_greeting();
  void say_extensions();

  void say(const ServerReply& reply);
  bool accept(const ServerReply& reply);             // true
  bool refuse(Verb verb, const ServerReply& reply);  // false
  void move_to(Phase phase);
  void end(Ending ending) noexcept;
  void end(Ending ending, const ServerReply& last_words);

  // These come back with ending_ set when the session is over.
  event::Task<void> await_line();
  event::Task<void> send_replies();
  event::Task<void> start_tls();
  event::Task<void> shake_hands();
  event::Task<void> receive();
  event::Task<void> farewell();

  auth::Channel channel() const;
  std::size_t line_cap() const noexcept;
  bool spoke_early();
  event::Task<void> authenticate();
  event::Task<void> exchange(auth::Exchange& exchange, const AuthCommand& command);
  event::Task<std::optional<std::string>> ask(std::string challenge);
  event::Task<auth::Step> take_step(auth::Exchange& exchange, std::string message);
  void succeed(std::string_view mechanism, auth::AccountPtr account);
  void fail(std::string_view mechanism, const auth::Step& step);

  std::optional<ServerReply> begin_message(DataDecoder::Framing framing);
  std::optional<ServerReply> chunk_refusal();
  std::uint64_t swallowed_at_most() const noexcept;
  event::Task<void> receive_chunk();
  void take_chunk(Incoming& incoming, std::uint64_t& left);
  bool finish_chunks(Incoming& incoming);
  Duration patience_for_chunk() const noexcept;
  void waited_for_chunk(Duration spent);
  const ServerReply* content_refusal(const Incoming& incoming) const noexcept;
  event::Task<void> more_data(Incoming& incoming);
  bool too_slow(const Incoming& incoming) const noexcept;
  void take_data(Incoming& incoming);
  event::Task<void> settle(Incoming& incoming);
  event::Task<bool> conclude(Incoming& incoming, Verb verb);  // kept

  event::LineStream stream_;
  std::shared_ptr<const ServerOptions> options_;
  ServerHandler& handler_;
  SessionInfo info_;
  std::unique_ptr<Envelope> envelope_;    // of the open transaction
  std::unique_ptr<Incoming> incoming_;    // from DATA or the first BDAT to the reply that ends it
  Chunk chunk_;                           // the one announced last
  std::unique_ptr<AuthCommand> auth_;     // from AUTH to the reply that ends the exchange
  event::StreamWait* waiting_ = nullptr;  // the wait for a command or for data, for drain() and shed()
  SteadyTime begun_;
  SteadyTime transaction_end_ = SteadyTime::max();
  std::uint64_t messages_ = 0;
  std::uint64_t declared_size_ = 0;          // of the open transaction
  std::uint64_t swallowed_ = 0;              // octets of refused chunks since the last MAIL or message
  std::optional<ServerReply> failed_chunk_;  // what those behind it hear, up to the last
  std::uint32_t errors_ = 0;
  std::uint32_t refusals_ = 0;       // and those that count less
  std::uint32_t idle_commands_ = 0;  // since the last message
  std::uint32_t failures_ = 0;       // to authenticate
  Phase phase_ = Phase::hello;
  bool draining_ = false;
  bool unwanted_ = false;  // by shed()
  std::optional<Ending> ending_;
};

std::string_view name_of(ServerSession::Ending ending) noexcept;

}  // namespace sealpost::smtp
