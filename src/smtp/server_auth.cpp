// SPDX-License-Identifier: Apache-2.0
//
// Who may do what before he is known, and AUTH (RFC 4954): the session carries base64 to and fro, what is in it is the
// authenticator's. Nothing a client says here is logged, counted or answered with.
//
// An exchange is a dialogue: who says AUTH, or answers a challenge, waits for our word. Octets that are there before it
// are no answer, and no command that may run in the client's new name either: they end the session, as those behind
// STARTTLS do (T-01, T-04).
#include <algorithm>
#include <cassert>

#include "base/text.hpp"
#include "event/wait.hpp"
#include "smtp/server_incoming.hpp"

namespace sealpost::smtp {
namespace {

constexpr unsigned most_rounds = 10;  // SCRAM has two

event::Task<Expected<auth::Step>> next_step(auth::Exchange& exchange, std::string message) {
  auth::Step step = co_await exchange.step(std::move(message));
  co_return step;
}

auth::Step unavailable(std::string why) {
  auth::Step step;
  step.kind = auth::Step::Kind::unavailable;
  step.why = std::move(why);
  return step;
}

}  // namespace

// Of a listener for submission: what a client without an account may say (RFC 3207 §4, RFC 4954 §6). Null: anything.
const ServerReply* ServerSession::access_refusal(Verb verb) const noexcept {
  if (verb == Verb::auth) return auth_refusal();
  if (verb == Verb::xclient && !handler_.may_speak_for_others()) return &replies::may_not_speak_for_others;
  if (options_->service == Service::relay || info_.account) return nullptr;
  switch (verb) {
    case Verb::ehlo:
    case Verb::helo:
    case Verb::noop:
    case Verb::rset:
    case Verb::quit:
    case Verb::starttls:
    case Verb::auth:
    case Verb::xclient:
    case Verb::http:
    case Verb::unknown: return nullptr;
    case Verb::mail:
    case Verb::rcpt:
    case Verb::data:
    case Verb::bdat:
    case Verb::bdat_last:
    case Verb::vrfy:
    case Verb::expn:
    case Verb::help: break;
  }
  return info_.tls ? &replies::auth_first : &replies::tls_first;
}

const ServerReply* ServerSession::auth_refusal() const noexcept {
  if (options_->service == Service::relay) return &replies::no_authentication;  // T-05
  if (!info_.tls) return &replies::auth_in_clear;
  if (!options_->authenticator || !handler_.may_authenticate()) return &replies::no_authentication;
  return nullptr;
}

// Whose AUTH would be taken may say more in a line (RFC 4954 §4); nobody else.
std::size_t ServerSession::line_cap() const noexcept {
  if (auth_) return auth_line_cap;
  const bool may = !info_.account && text::istarts_with(stream_.buffered(), "AUTH ") && !auth_refusal();
  return may ? auth_line_cap : command_line_cap;
}

auth::Channel ServerSession::channel() const {
  auth::Channel channel;
  channel.client = info_.peer.address;
  channel.encrypted = info_.tls != nullptr;
  channel.tls_exporter = info_.bindings.exporter;
  channel.tls_server_end_point = info_.bindings.server_end_point;
  if (info_.certificate) channel.certified_user = handler_.certified_user();
  return channel;
}

// The command; the exchange follows.
bool ServerSession::auth(std::string_view argument) {
  if (info_.account) return refuse(Verb::auth, replies::auth_is_over);
  if (!info_.esmtp) return refuse(Verb::auth, replies::hello_first);  // HELO offers nothing
  auto command = parse_auth(argument);
  if (!command) return refuse(Verb::auth, replies::bad_auth);
  auth_ = std::make_unique<AuthCommand>(std::move(*command));
  return true;
}

event::Task<void> ServerSession::authenticate() {
  event::Loop& loop = stream_.stream().loop();
  const AuthCommand command = std::move(*auth_);
  transaction_end_ = event::deadline(loop.now(), limits().authentication);
  auth::Channel known = channel();
  known.local = stream_.stream().local().address;
  const auto begun = options_->authenticator->begin(loop, command.mechanism, known);
  if (spoke_early()) co_return;
  if (begun) {
    co_await exchange(*begun, command);
  } else {
    refuse(Verb::auth, replies::mechanism_unknown);
  }
  auth_.reset();
  transaction_end_ = SteadyTime::max();
}

// True: the session is over, for what is there already was said without having heard us.
bool ServerSession::spoke_early() {
  if (stream_.buffered().empty()) return false;
  end(Ending::lost_step);
  refuse(Verb::auth, replies::data_behind_auth);
  return true;
}

event::Task<void> ServerSession::exchange(auth::Exchange& exchange, const AuthCommand& command) {
  std::optional<std::string> said = std::string();
  if (command.initial) {
    if (*command.initial != "=") said = text::from_base64(*command.initial);
    if (!said) {
      refuse(Verb::auth, replies::no_base64);
      co_return;
    }
  } else if (exchange.client_first()) {
    said = co_await ask("");
  }
  for (unsigned round = 0; said && round < most_rounds; ++round) {
    auth::Step step = co_await take_step(exchange, std::move(*said));
    if (spoke_early()) co_return;
    if (step.kind == auth::Step::Kind::challenge) {
      said = co_await ask(std::move(step.text));
      continue;
    }
    if (step.kind != auth::Step::Kind::accepted) {
      fail(command.mechanism, step);
      co_return;
    }
    // The last word of the server, which the client takes note of by saying nothing (RFC 4422 §3.2).
    if (!step.text.empty()) {
      said = co_await ask(std::move(step.text));
      if (!said) co_return;
      if (!said->empty()) {
        refuse(Verb::auth, replies::not_in_mechanism);
        co_return;
      }
      if (spoke_early()) co_return;
    }
    succeed(command.mechanism, std::move(step.account));
    co_return;
  }
  if (said) refuse(Verb::auth, replies::not_in_mechanism);
}

// The client's answer to a challenge, decoded. Nothing: it cancelled, or said what cannot be read, and has heard so; or
// the session is over.
event::Task<std::optional<std::string>> ServerSession::ask(std::string challenge) {
  std::optional<std::string> answer;
  stream_.put("334 ");
  stream_.put(text::base64(challenge));
  stream_.put("\r\n");
  event::Line line;
  while (!ending_ && !stream_.buffered_line(line, auth_line_cap)) co_await await_line();
  if (ending_) co_return answer;
  if (!line.crlf || line.text.find('\r') != std::string_view::npos) {
    end(Ending::lost_step, replies::bare_line_end);
    co_return answer;
  }
  if (line.text == "*") {
    refuse(Verb::auth, replies::auth_cancelled);
    co_return answer;
  }
  answer = text::from_base64(line.text);
  if (!answer) refuse(Verb::auth, replies::no_base64);
  co_return answer;
}

// Our own work counts too: who waits too long for it hears so, and may come again.
event::Task<auth::Step> ServerSession::take_step(auth::Exchange& exchange, std::string message) {
  event::Loop& loop = stream_.stream().loop();
  const Duration left = std::min(transaction_end_, session_end()) - loop.now();
  auto step = co_await event::within(loop, left, next_step(exchange, std::move(message)));
  if (!step) co_return unavailable("the accounts took too long to answer");
  if (step->kind == auth::Step::Kind::accepted && !step->account)
    co_return unavailable("accepted without an account");
  co_return std::move(*step);
}

void ServerSession::succeed(std::string_view mechanism, auth::AccountPtr account) {
  info_.account = std::move(account);
  info_.bindings = {};
  idle_commands_ = 0;
  handler_.authenticated(info_, mechanism);
  say(replies::authenticated);
}

void ServerSession::fail(std::string_view mechanism, const auth::Step& step) {
  handler_.auth_failed(info_, mechanism, step);
  switch (step.kind) {
    case auth::Step::Kind::challenge:
    case auth::Step::Kind::accepted: assert(false); break;
    case auth::Step::Kind::malformed: refuse(Verb::auth, replies::not_in_mechanism); break;
    case auth::Step::Kind::unavailable: refuse(Verb::auth, replies::cannot_authenticate); break;
    case auth::Step::Kind::too_many:
      end(Ending::abuse);
      refuse(Verb::auth, replies::fails_too_often);
      break;
    case auth::Step::Kind::refused:
      refuse(Verb::auth, replies::not_authenticated);
      if (++failures_ >= limits().failed_authentications) end(Ending::abuse, replies::too_many_failures);
      break;
  }
}

std::string_view name_of(Service service) noexcept {
  switch (service) {
    case Service::relay: return "relay";
    case Service::submission: return "submission";
    case Service::submissions: return "submissions";
  }
  return "";
}

}  // namespace sealpost::smtp
