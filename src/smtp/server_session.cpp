// SPDX-License-Identifier: Apache-2.0
//
// Commands and replies; what a session waits for is in server_waiting.cpp, message data in server_receive.cpp and
// server_chunks.cpp.
#include "smtp/server_session.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.hpp"
#include "event/wait.hpp"
#include "mail/future_release.hpp"
#include "smtp/server_incoming.hpp"
#include "smtp/xclient.hpp"

namespace sealpost::smtp {
namespace {

constexpr std::size_t replies_held = 4096;  // answered earlier when a client pipelines more than this (T-28)

using Digits = std::array<char, 20>;
std::string_view decimal(std::uint64_t number, Digits& into) noexcept {
  const auto end = std::to_chars(into.data(), into.data() + into.size(), number).ptr;
  return {into.data(), static_cast<std::size_t>(end - into.data())};
}

}  // namespace

ServerSession::ServerSession(std::unique_ptr<event::Stream> stream,
                             std::shared_ptr<const ServerOptions> options, ServerHandler& handler)
    : stream_(std::move(stream)), options_(std::move(options)), handler_(handler) {
  info_.peer = stream_.stream().peer();
  info_.local = stream_.stream().local();
  begun_ = stream_.stream().loop().now();
}

ServerSession::~ServerSession() = default;  // here Incoming is known

const ServerLimits& ServerSession::limits() const noexcept {
  if (handler_.trusted()) return options_->limits;
  if (options_->stressed && handler_.stressed()) return *options_->stressed;
  return options_->strangers ? *options_->strangers : options_->limits;
}

event::Task<ServerSession::Ending> ServerSession::run() {
  struct Release {  // a message that is not whole when the session ends, however it does
    explicit Release(std::unique_ptr<Incoming>& incoming) : incoming_(incoming) {}
    ~Release() { incoming_.reset(); }
    std::unique_ptr<Incoming>& incoming_;
  };
  const Release release(incoming_);
  if (options_->service == Service::submissions) co_await shake_hands();
  if (!ending_) {
    say_greeting();
  }
  while (!ending_) {
    event::Line line;
    if (!stream_.buffered_line(line, line_cap())) {
      co_await await_line();
      continue;
    }
    const Next next = handle(line);
    if (next == Next::data) co_await receive();
    if (next == Next::chunk) co_await receive_chunk();
    if (next == Next::starttls) co_await start_tls();
    if (next == Next::auth) co_await authenticate();
    if (stream_.pending() > replies_held) co_await send_replies();
  }
  incoming_.reset();
  co_await farewell();
  co_return *ending_;
}

void ServerSession::drain() noexcept {
  draining_ = true;
  if (waiting_) waiting_->wake();  // it finds nothing to read, and then that it should go
}

void ServerSession::shed() noexcept {
  unwanted_ = true;
  if (waiting_ != nullptr) waiting_->wake();
}

void ServerSession::limits_changed() noexcept {
  if (waiting_ != nullptr) waiting_->wake();
}

// ---- commands
// -------------------------------------------------------------------------------------------------

ServerSession::Next ServerSession::handle(const event::Line& line) {
  if (!line.crlf || line.text.find('\r') != std::string_view::npos) {  // T-21
    end(Ending::lost_step, replies::bare_line_end);
    return Next::command;
  }
  const CommandLine command = split_command(line.text, syntax());
  if (command.verb == Verb::bdat) return chunk(command.argument);
  failed_chunk_.reset();
  // What nearly says BDAT has octets behind it as BDAT has, and they are no commands either (T-21).
  if (command.verb == Verb::unknown && text::istarts_with(text::trim(line.text, " \t\v\f"), "BDAT"))
    return chunk("");
  if (const ServerReply* denied = access_refusal(command.verb)) {
    refuse(command.verb, *denied);
    return Next::command;
  }
  const Step step = smtp::step(phase_, command.verb);
  if (!step.allowed) {
    const ServerReply& reply = out_of_order(phase_, command.verb);
    move_to(step.on_failure);
    refuse(command.verb, reply);
    return Next::command;
  }
  Next next = Next::command;
  const bool accepted = perform(command, next);
  if (next == Next::command) move_to(accepted ? step.on_success : step.on_failure);
  return next;
}

// Answers the command, except those that need to wait: their coroutine does, and moves on. False: refused.
bool ServerSession::perform(const CommandLine& command, Next& next) {
  const std::string_view argument = command.argument;
  const Verb verb = command.verb;
  if (verb != Verb::mail && verb != Verb::rcpt && verb != Verb::data &&
      ++idle_commands_ > limits().idle_commands) {
    end(Ending::abuse, replies::too_many_errors);
    return false;
  }
  switch (verb) {
    case Verb::ehlo:
    case Verb::helo: return hello(verb, argument);
    case Verb::mail: return mail(argument);
    case Verb::rcpt: return rcpt(argument);
    case Verb::data:
      if (!argument.empty()) return refuse(verb, replies::no_argument);
      if (envelope_->body == BodyType::binary) return refuse(verb, replies::binary_by_chunks);
      next = Next::data;
      return true;
    case Verb::starttls:
      if (const ServerReply* refusal = starttls_refusal(argument)) return refuse(verb, *refusal);
      next = Next::starttls;
      return true;
    case Verb::rset:
      if (!argument.empty()) return refuse(verb, replies::no_argument);
      return accept(replies::ok);
    case Verb::quit:
      if (!argument.empty()) return refuse(verb, replies::no_argument);
      end(Ending::quit, replies::bye);
      return true;
    case Verb::noop: return accept(replies::ok);
    case Verb::vrfy: return accept(replies::cannot_verify);
    case Verb::help: return accept(replies::help);
    case Verb::expn: return refuse(verb, replies::not_implemented);
    case Verb::auth:
      if (!auth(argument)) return false;
      next = Next::auth;
      return true;
    case Verb::xclient: return xclient(argument);
    case Verb::unknown: return refuse(verb, replies::unknown_command);
    case Verb::bdat:
    case Verb::bdat_last: break;  // chunk()
    case Verb::http: end(Ending::abuse); return refuse(verb, replies::not_http);
  }
  return false;
}

bool ServerSession::hello(Verb verb, std::string_view name) {
  // Who may send on is known later where AUTH is wanted, and desktops have names like "Annas PC".
  auto kept = helo_name(name, options_->service == Service::relay ? syntax() : Syntax::lenient);
  if (!kept) return refuse(verb, replies::bad_name);
  info_.helo = std::move(*kept);
  info_.esmtp = verb == Verb::ehlo;
  if (info_.esmtp) {
    say_extensions();
    return true;
  }
  return accept(ServerReply{250, "", options_->hostname});
}

void ServerSession::say_greeting() {
  stream_.put("220 ");
  stream_.put(options_->hostname);
  stream_.put(" ESMTP\r\n");
}

// The session of another client begins, on the same connection and in the same layer of TLS.
bool ServerSession::xclient(std::string_view argument) {
  auto command = parse_xclient(argument);
  if (!command) return refuse(Verb::xclient, command.error());
  if (command->names_client) {
    const bool named = command->address.has_value();
    info_.peer = named ? Endpoint(*command->address, command->port) : stream_.stream().peer();
    info_.account.reset();
    info_.certificate.reset();  // it was shown by who speaks for others
    if (const auto refusal = handler_.introduced(info_, named)) {
      end(Ending::shut_down);
      return refuse(Verb::xclient, *refusal);
    }
  }
  info_.helo = std::move(command->helo);
  info_.esmtp = false;
  say_greeting();
  return true;
}

// RFC 5321 §4.1.1.1. Said anew each time: what is offered depends on the layer (RFC 3207 §4.2, RFC 8689 §2).
void ServerSession::say_extensions() {
  Digits digits;
  stream_.put("250-");
  stream_.put(options_->hostname);
  stream_.put("\r\n250-PIPELINING\r\n250-SIZE ");
  stream_.put(decimal(options_->limits.message_size, digits));
  stream_.put("\r\n250-8BITMIME\r\n250-CHUNKING\r\n");
  if (offers_binarymime()) stream_.put("250-BINARYMIME\r\n");
  if (options_->tls && !info_.tls) stream_.put("250-STARTTLS\r\n");
  if (!auth_refusal() && !info_.account) {
    const auto mechanisms = options_->authenticator->mechanisms(channel());
    std::string line;
    for (const std::string_view mechanism : mechanisms) line.append(" ").append(mechanism);
    if (!line.empty()) stream_.put("250-AUTH" + line + "\r\n");
  }
  if (options_->offer_dsn) stream_.put("250-DSN\r\n");
  if (options_->offer_smtputf8) stream_.put("250-SMTPUTF8\r\n");
  if (offers_requiretls()) stream_.put("250-REQUIRETLS\r\n");
  if (offers_wishes()) {
    const std::chrono::seconds longest = longest_hold;
    stream_.put("250-FUTURERELEASE " + std::to_string(longest.count()) + ' ' +
                to_rfc3339(stream_.stream().loop().date() + longest) + "\r\n250-XTLS encrypt verify\r\n");
  }
  if (handler_.may_speak_for_others()) {
    stream_.put("250-XCLIENT ");
    stream_.put(xclient_attributes);
    stream_.put("\r\n");
  }
  stream_.put("250-LIMITS RCPTMAX=");
  stream_.put(decimal(options_->limits.recipients, digits));
  stream_.put("\r\n250 ENHANCEDSTATUSCODES\r\n");
}

bool ServerSession::mail(std::string_view argument) {
  auto command = parse_mail(argument, syntax(), utf8_offered());
  if (!command) return refuse(Verb::mail, command.error());
  if (const ServerReply* wrong = parameter_refusal(*command)) return refuse(Verb::mail, *wrong);
  const SystemTime now = stream_.stream().loop().date();
  std::optional<SystemTime> not_before = SystemTime{};
  if (command->hold_for)
    not_before = release_time(now + *command->hold_for, now);
  else if (command->hold_until)
    not_before = release_time(*command->hold_until, now);
  if (!not_before) return refuse(Verb::mail, replies::cannot_hold);
  if (const auto refusal = handler_.check_sender(info_, *command)) {
    if (refusal->code == 421) end(Ending::shut_down);  // RFC 5321 §3.8: it closes the channel
    return refuse(Verb::mail, *refusal);
  }

  envelope_ = std::make_unique<Envelope>();
  envelope_->reverse_path = std::move(command->reverse_path);
  envelope_->body = command->body;
  envelope_->flags.requiretls = (command->seen & parameter::requiretls) != 0;
  envelope_->flags.tls_need = command->tls_need;
  envelope_->not_before = *not_before;
  envelope_->envid = std::move(command->envid);
  envelope_->ret = command->ret;
  envelope_->smtputf8 = (command->seen & parameter::smtputf8) != 0;
  declared_size_ = command->size;
  swallowed_ = 0;
  transaction_end_ = stream_.stream().loop().now() + limits().transaction;
  return accept(replies::sender_ok);
}

const ServerReply* ServerSession::parameter_refusal(const MailCommand& command) const noexcept {
  const unsigned seen = command.seen;
  if ((seen & parameter::requiretls) && !offers_requiretls()) return &replies::requiretls_not_offered;
  if ((seen & (parameter::future_release | parameter::tls_need)) && !offers_wishes())
    return &replies::parameter_unknown;
  if (command.body == BodyType::binary && !offers_binarymime()) return &replies::binary_not_offered;
  if ((seen & parameter::smtputf8) && !options_->offer_smtputf8) return &replies::parameter_unknown;
  // Said by gateways about others; what it claims goes no further (RFC 4954 §5).
  if ((seen & parameter::auth) && options_->service == Service::relay) return &replies::parameter_unknown;
  if ((seen & parameter::dsn) && !options_->offer_dsn) return &replies::parameter_unknown;
  if (seen && !info_.esmtp) return &replies::parameter_unknown;  // HELO offers nothing
  if (command.size > options_->limits.message_size) return &replies::too_big;
  return nullptr;
}

bool ServerSession::rcpt(std::string_view argument) {
  auto command = parse_rcpt(argument, syntax(), envelope_->smtputf8 ? Utf8::accept : Utf8::refuse);
  if (!command) return refuse(Verb::rcpt, command.error());
  if ((command->seen & parameter::dsn) && !(options_->offer_dsn && info_.esmtp))
    return refuse(Verb::rcpt, replies::parameter_unknown);
  if (envelope_->recipients.size() >= options_->limits.recipients)
    return refuse(Verb::rcpt, replies::too_many_recipients);  // RFC 5321 §4.5.3.1.10: those before stay
  std::string address = std::move(command->address);
  if (const auto refusal = handler_.check_recipient(info_, address)) return refuse(Verb::rcpt, *refusal);

  Recipient& recipient = envelope_->recipients.emplace_back(std::move(address));
  recipient.notify = command->notify;
  recipient.original = std::move(command->original);
  return accept(replies::recipient_ok);
}

const ServerReply* ServerSession::starttls_refusal(std::string_view argument) const noexcept {
  if (info_.tls) return &replies::tls_active;
  if (!options_->tls) return &replies::not_implemented;
  if (!argument.empty()) return &replies::no_argument;  // RFC 3207 §4
  return nullptr;
}

event::Task<void> ServerSession::start_tls() {
  // What lies behind the command was sent in clear, perhaps by someone else, to be run inside TLS (T-01,
  // CVE-2011-0411). What arrives from here on goes to the handshake, which refuses anything that is no
  // ClientHello.
  if (!stream_.buffered().empty()) {
    end(Ending::lost_step);
    refuse(Verb::starttls, replies::data_before_tls);
    co_return;
  }
  say(replies::ready_for_tls);
  co_await send_replies();
  if (!ending_) co_await shake_hands();
}

event::Task<void> ServerSession::shake_hands() {
  auto plain = stream_.take_stream();
  const Duration limit = std::min(limits().handshake, session_end() - plain->loop().now());
  event::Loop& loop = plain->loop();
  const SteadyTime begun = loop.steady();
  auto secured = co_await options_->tls->accept(std::move(plain), limit);
  if (!secured) {
    handler_.tls_failed(info_, secured.error());
    end(Ending::failed);
    co_return;
  }
  handler_.tls_begun(loop.steady() - begun);
  stream_.set_stream(std::move(secured->stream));
  move_to(step(phase_, Verb::starttls).on_success);
  info_.helo.clear();  // both sides forget all that was said (RFC 3207 §4.2, T-04)
  info_.esmtp = false;
  info_.account.reset();
  info_.tls = std::make_unique<const HandshakeFacts>(std::move(secured->facts));
  info_.bindings = std::move(secured->bindings);
  info_.certificate = std::move(secured->client);
  if (info_.certificate) handler_.certified(info_);
}

// ---- small parts
// ----------------------------------------------------------------------------------------------

void ServerSession::say(const ServerReply& reply) {
  Digits digits;
  stream_.put(decimal(reply.code, digits));
  stream_.put(" ");
  if (!reply.status.empty()) {
    stream_.put(reply.status);
    stream_.put(" ");
  }
  stream_.put(reply.text);
  stream_.put("\r\n");
}

bool ServerSession::accept(const ServerReply& reply) {
  say(reply);
  return true;
}

bool ServerSession::refuse(Verb verb, const ServerReply& reply) {
  handler_.refused(info_, verb, reply);
  say(reply);
  // Counted all the same: nobody is refused for ever.
  if (++refusals_ >= limits().refusals) end(Ending::abuse, replies::too_many_errors);
  if (reply.transient() || (verb == Verb::rcpt && handler_.trusted())) return false;
  if (++errors_ >= limits().errors) end(Ending::abuse, replies::too_many_errors);
  return false;
}

void ServerSession::move_to(Phase phase) {
  const Phase before = std::exchange(phase_, phase);
  if (phase == Phase::mail || phase == Phase::rcpt) return;
  envelope_.reset();
  if (phase == Phase::chunks) {  // all of them within what the data of one message may take (T-26)
    if (before != phase) transaction_end_ = event::deadline(stream_.stream().loop().now(), limits().data);
    return;
  }
  incoming_.reset();
  transaction_end_ = SteadyTime::max();
}

void ServerSession::end(Ending ending) noexcept {
  if (!ending_) ending_ = ending;
}

void ServerSession::end(Ending ending, const ServerReply& last_words) {
  if (ending_) return;
  ending_ = ending;
  say(last_words);
}

std::string_view name_of(ServerSession::Ending ending) noexcept {
  switch (ending) {
    case ServerSession::Ending::quit: return "quit";
    case ServerSession::Ending::closed: return "closed by client";
    case ServerSession::Ending::timed_out: return "timed out";
    case ServerSession::Ending::shut_down: return "shutting down";
    case ServerSession::Ending::shed: return "place needed for another client";
    case ServerSession::Ending::abuse: return "abuse";
    case ServerSession::Ending::lost_step: return "lost step";
    case ServerSession::Ending::failed: return "connection failed";
  }
  return "";
}

}  // namespace sealpost::smtp
