// SPDX-License-Identifier: Apache-2.0
#include "auth/exchanges.hpp"

#include "auth/bearer.hpp"
#include "auth/entering.hpp"
#include "auth/password.hpp"
#include "auth/plain.hpp"
#include "auth/scram.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "event/wait.hpp"

namespace sealpost::auth {
namespace {

using Kind = Step::Kind;

constexpr std::chrono::seconds our_fault{5};  // of work of ours, before the client hangs up
constexpr std::size_t most_logged = 128;      // octets of a name

Step step_of(Kind kind, std::string why, const std::string& name = {}) {
  Step step;
  step.kind = kind;
  step.why = std::move(why);
  step.name = text::printable(name, most_logged);
  return step;
}

Step challenge(std::string text) {
  Step step;
  step.kind = Kind::challenge;
  step.text = std::move(text);
  return step;
}

Step unavailable(const Error& error, const std::string& name) {
  return step_of(Kind::unavailable, error.detail, name);
}

constexpr const char* failed_too_often = "too many failures of this client or this name from there";
constexpr const char* changed_meanwhile =
    "the account was disabled, removed or given another password meanwhile";

// As it is looked up; what no account can be called is looked up too, and is nobody's.
std::string key_of(const std::string& name) { return prepared_name(name).value_or(text::lower(name)); }

bool is_oneself(const std::string& authorization, const std::string& key) {
  return authorization.empty() || key_of(authorization) == key;
}

// As itself: who may act for whom is decided here, and a Dovecot would take the first name for a master's.
std::shared_ptr<const Secret> plain_message(const std::string& name, const Secret& password) {
  std::string message;
  message.reserve(name.size() + password.view().size() + 2);
  message.append(1, '\0').append(name).append(1, '\0').append(password.view());
  return std::make_shared<const Secret>(Secret::taken_from(message));
}

// An attempt that is given up while we have been at work for so long was not given up for a guesser's sake.
class OurWork {
 public:
  OurWork(Attempt& attempt, const event::Loop& loop) noexcept
      : attempt_(attempt), loop_(loop), since_(loop.steady()) {}
  OurWork(const OurWork&) = delete;
  OurWork& operator=(const OurWork&) = delete;
  // Of an attempt that has ended it changes nothing.
  ~OurWork() {
    if (loop_.steady() - since_ >= our_fault) attempt_.leave(Brakes::Ending::unknown, loop_.steady());
  }

 private:
  Attempt& attempt_;
  const event::Loop& loop_;
  const SteadyTime since_;
};

// What all mechanisms share.
class Base : public Exchange {
 public:
  Base(Accounts& accounts, event::Loop& loop, const Channel& channel) noexcept
      : accounts_(accounts), loop_(loop), client_(channel.client), local_(channel.local) {}

 protected:
  // Until there is room for this attempt, and its pause is over. No step: it may go on.
  event::Task<std::optional<Step>> enter(Attempt& attempt, std::string name) {
    const Entered entered = co_await auth::enter(loop_, attempt);
    switch (entered) {
      case Entered::yes: break;
      case Entered::refused: co_return step_of(Kind::too_many, failed_too_often, name);
      case Entered::crowded:
        co_return step_of(Kind::unavailable, "too many attempts with this name from this client at once",
                          name);
    }
    co_return std::nullopt;
  }

  event::Task<Step> accept(Attempt& attempt, User user, std::string text) {
    std::string name = user.name;
    const Expected<AccountPtr> account = co_await accounts_.let_in(loop_, std::move(user));
    if (!account) co_return no_answer(attempt, account.error(), name);
    if (!*account) co_return co_await refuse(attempt, changed_meanwhile, std::move(name));
    attempt.leave(Brakes::Ending::right, loop_.steady());
    Step step = step_of(Kind::accepted, {}, name);
    step.text = std::move(text);
    step.account = *account;
    co_return accounts_.counted(std::move(step));
  }

  event::Task<Step> refuse(Attempt& attempt, std::string why, std::string name) {
    const Duration pause = attempt.leave(Brakes::Ending::wrong, loop_.steady());
    if (pause > Duration()) co_await event::sleep_for(loop_, pause);
    co_return accounts_.counted(step_of(Kind::refused, std::move(why), name));
  }

  // A name and a password, whichever way they came. The same work for any name (T-32).
  event::Task<Step> log_in(std::string name, std::string authorization,
                           std::shared_ptr<const Secret> password) {
    const std::string key = key_of(name);
    Attempt attempt(accounts_.brakes(), client_, key);
    std::optional<Step> stopped = co_await enter(attempt, name);
    if (stopped) co_return accounts_.counted(std::move(*stopped));
    const OurWork work(attempt, loop_);
    if (accounts_.dovecot() != nullptr)
      co_return co_await ask_dovecot(attempt, std::move(name), std::move(authorization), std::move(password));
    const Expected<Accounts::Found> found = co_await accounts_.look_up(loop_, key);
    if (!found) co_return no_answer(attempt, found.error(), name);
    const std::optional<User>& user = found->user;
    const std::string& hash = user ? user->credentials.hash : nobodys_hash();
    const Expected<bool> right = co_await accounts_.check(loop_, password, hash, attempt.known());
    if (!right) co_return no_answer(attempt, right.error(), name);
    std::string why;
    if (!user)
      why = "no such account";
    else if (!*right)
      why = "wrong password";
    else if (user->disabled)
      why = "the account is disabled";
    else if (!is_oneself(authorization, key))
      why = "an account may not act for another";
    if (!why.empty()) co_return co_await refuse(attempt, std::move(why), name);
    co_return co_await accept(attempt, *user, std::string());
  }

  // The same question for any name, and for no to each: what Dovecot does about it takes its time (T-32). The account is the one
  // that Dovecot names.
  event::Task<Step> ask_dovecot(Attempt& attempt, std::string name, std::string authorization,
                                std::shared_ptr<const Secret> password) {
    DovecotClient& dovecot = *accounts_.dovecot();
    const SteadyTime asked = loop_.steady();
    DovecotQuestion question;
    question.client = client_;
    question.local = local_;
    question.known = attempt.known();
    question.plain = plain_message(name, *password);
    const Expected<DovecotVerdict> verdict = co_await dovecot.ask(loop_, std::move(question));
    if (!verdict) co_return no_answer(attempt, verdict.error(), name);
    const auto account = prepared_name(verdict->user);
    std::string why;
    if (!verdict->right)
      why = "Dovecot refuses it";
    else if (!account)
      why = "Dovecot gives it a name that no account here can have";
    else if (!is_oneself(authorization, key_of(name)))
      why = "an account may not act for another";
    if (!why.empty()) co_return co_await refuse_late(attempt, std::move(why), std::move(name), asked);
    const Expected<Accounts::Admission> admission = co_await accounts_.admit(loop_, *account);
    if (!admission) co_return no_answer(attempt, admission.error(), name);
    if (!admission->account) co_return co_await refuse_late(attempt, admission->why, std::move(name), asked);
    attempt.leave(Brakes::Ending::right, loop_.steady());
    Step step = step_of(Kind::accepted, {}, name);
    step.account = admission->account;
    co_return accounts_.counted(std::move(step));
  }

  // No sooner than Dovecot says no to a wrong password, which it keeps back for seconds.
  event::Task<Step> refuse_late(Attempt& attempt, std::string why, std::string name, SteadyTime asked) {
    const Duration left = accounts_.dovecot()->refusal_takes() - (loop_.steady() - asked);
    if (left > Duration()) co_await event::sleep_for(loop_, left);
    co_return co_await refuse(attempt, std::move(why), std::move(name));
  }

  Step no_answer(Attempt& attempt, const Error& error, const std::string& name) {
    attempt.leave(Brakes::Ending::unknown, loop_.steady());
    return accounts_.counted(unavailable(error, name));
  }
  Step malformed(std::string why) { return accounts_.counted(step_of(Kind::malformed, std::move(why))); }
  Step over() { return malformed("the exchange is over"); }

  Accounts& accounts_;
  event::Loop& loop_;
  const IpAddress client_;
  const std::optional<IpAddress> local_;
};

class Plain final : public Base {
 public:
  using Base::Base;
  bool client_first() const noexcept override { return true; }

  event::Task<Step> step(std::string message) override {
    const WipeAtEnd wiped(message);
    if (over_) co_return over();
    over_ = true;
    auto plain = parse_plain(message);
    if (!plain) co_return malformed(plain.error().detail);
    auto password = std::make_shared<const Secret>(std::move(plain->password));
    co_return co_await log_in(plain->name, plain->authorization, std::move(password));
  }

 private:
  bool over_ = false;
};

// No RFC says it. A first message, if there is one, is the name.
class Login final : public Base {
 public:
  using Base::Base;
  bool client_first() const noexcept override { return false; }

  event::Task<Step> step(std::string message) override {
    const WipeAtEnd wiped(message);
    if (asked_ == Asked::nothing && message.empty()) {
      asked_ = Asked::name;
      co_return challenge("Username:");
    }
    if (asked_ == Asked::over) co_return over();
    if (asked_ != Asked::password) {
      if (message.empty()) co_return end("LOGIN has no name in it");
      if (!text::is_utf8(message)) co_return end("the name is not UTF-8");
      name_ = message;
      asked_ = Asked::password;
      co_return challenge("Password:");
    }
    asked_ = Asked::over;
    if (message.empty()) co_return malformed("LOGIN has no password in it");
    auto password = std::make_shared<const Secret>(Secret::taken_from(message));
    co_return co_await log_in(name_, {}, std::move(password));
  }

 private:
  enum class Asked : std::uint8_t { nothing, name, password, over };
  Step end(std::string why) {
    asked_ = Asked::over;
    return malformed(std::move(why));
  }
  std::string name_;
  Asked asked_ = Asked::nothing;
};

// RFC 4422, appendix A: who it is was said by the certificate, and TLS has proven it; the message is as whom to act. There is
// nothing to guess, so no brake holds it: guesses of others with this name keep nobody out who has a certificate.
class External final : public Base {
 public:
  External(Accounts& accounts, event::Loop& loop, const Channel& channel)
      : Base(accounts, loop, channel), key_(key_of(channel.certified_user)) {}
  bool client_first() const noexcept override { return true; }

  event::Task<Step> step(std::string message) override {
    if (over_) co_return over();
    over_ = true;
    if (!text::is_utf8(message) || message.find('\0') != message.npos)
      co_return malformed("the identity is not UTF-8, or has a NUL in it");
    if (!is_oneself(message, key_)) co_return no("an account may not act for another");
    const Expected<Accounts::Found> found = co_await accounts_.look_up(loop_, key_);
    if (!found) co_return accounts_.counted(unavailable(found.error(), key_));
    if (!found->user) co_return no("no such account");
    if (found->user->disabled) co_return no("the account is disabled");
    const Expected<AccountPtr> account = co_await accounts_.let_in(loop_, *found->user);
    if (!account) co_return accounts_.counted(unavailable(account.error(), key_));
    if (!*account) co_return no(changed_meanwhile);
    Step step = step_of(Kind::accepted, {}, key_);
    step.account = *account;
    co_return accounts_.counted(std::move(step));
  }

 private:
  Step no(std::string why) { return accounts_.counted(step_of(Kind::refused, std::move(why), key_)); }

  const std::string key_;
  bool over_ = false;
};

class Scram final : public Base {
 public:
  Scram(Accounts& accounts, event::Loop& loop, const Channel& channel, ScramBinding binding)
      : Base(accounts, loop, channel), server_(std::move(binding), accounts.nonce()) {}
  bool client_first() const noexcept override { return true; }

  event::Task<Step> step(std::string message) override {
    const WipeAtEnd wiped(message);
    switch (std::exchange(at_, At::over)) {
      case At::first: co_return co_await first(message);
      case At::final: co_return co_await last(message);
      case At::over: break;
    }
    co_return over();
  }

 private:
  enum class At : std::uint8_t { first, final, over };

  Step unheard(const Error& error) {
    if (error.code != Errc::refused) return malformed(error.detail);
    return accounts_.counted(step_of(Kind::refused, error.detail, server_.name()));
  }

  event::Task<Step> first(const std::string& message) {
    const Expected<void> heard = server_.hear_first(message);
    if (!heard) co_return unheard(heard.error());
    key_ = key_of(server_.name());
    if (accounts_.brakes().stops(client_, key_, loop_.steady()))
      co_return accounts_.counted(step_of(Kind::too_many, failed_too_often, server_.name()));
    Expected<Accounts::Found> found = co_await accounts_.look_up(loop_, key_);
    if (!found) co_return accounts_.counted(unavailable(found.error(), server_.name()));
    keys_ = nobodys_scram_keys(found->secret, key_);
    if (found->user) keys_ = found->user->credentials.scram;
    user_ = std::move(found->user);
    at_ = At::final;
    co_return challenge(server_.challenge(keys_));
  }

  event::Task<Step> last(const std::string& message) {
    Attempt attempt(accounts_.brakes(), client_, key_);
    std::optional<Step> stopped = co_await enter(attempt, server_.name());
    if (stopped) co_return accounts_.counted(std::move(*stopped));
    const OurWork work(attempt, loop_);
    const Expected<std::string> word = server_.hear_final(message, keys_);
    if (!word && word.error().code != Errc::refused) {
      attempt.leave(Brakes::Ending::wrong, loop_.steady());
      co_return malformed(word.error().detail);
    }
    std::string why;
    if (!user_)
      why = "no such account";
    else if (!word)
      why = word.error().detail;
    else if (user_->disabled)
      why = "the account is disabled";
    else if (!is_oneself(server_.authorization(), key_))
      why = "an account may not act for another";
    if (!why.empty()) co_return co_await refuse(attempt, std::move(why), server_.name());
    co_return co_await accept(attempt, *user_, *word);
  }

  ScramServer server_;
  std::string key_;
  ScramKeys keys_;
  std::optional<User> user_;
  At at_ = At::first;
};

// A token, verified here: it is looked at before the brakes are, for nobody guesses one. A good one counts by its account, which
// passwords share; a bad one by the name it was sent with, or by itself.
class TokenLogin final : public Base {
 public:
  using Parse = Expected<BearerMessage> (*)(std::string_view);
  TokenLogin(Accounts& accounts, event::Loop& loop, const Channel& channel, Parse parse) noexcept
      : Base(accounts, loop, channel), parse_(parse) {}
  bool client_first() const noexcept override { return true; }

  event::Task<Step> step(std::string message) override {
    const WipeAtEnd wiped(message);
    // Whatever the client says to the challenge that told it of its failure (RFC 7628 §3.2.3).
    if (failed_) {
      const Step failed = std::move(*failed_);
      failed_.reset();
      co_return accounts_.counted(failed);
    }
    if (over_) co_return over();
    over_ = true;
    const OutsideRulesPtr rules = accounts_.outside();
    if (!rules->tokens)
      co_return accounts_.counted(step_of(Kind::unavailable, "tokens are not taken any more"));
    const Expected<BearerMessage> heard = parse_(message);
    if (!heard) co_return malformed(heard.error().detail);
    const TokenVerdict verdict = verify_token(heard->token.view(), *rules->tokens, loop_.believed());
    co_return co_await judge(verdict, heard->authorization, sha256_octets(heard->token.view()),
                             rules->tokens->scope);
  }

 private:
  event::Task<Step> judge(TokenVerdict verdict, std::string claimed, std::string digest, std::string scope) {
    const bool good = verdict.fault == TokenFault::none;
    const std::string name = claimed.empty() ? verdict.account : claimed;
    Attempt attempt(accounts_.brakes(), client_,
                    good              ? verdict.account
                    : claimed.empty() ? digest
                                      : key_of(claimed));
    std::optional<Step> stopped = co_await enter(attempt, name);
    if (stopped) co_return accounts_.counted(std::move(*stopped));
    const OurWork work(attempt, loop_);
    std::string why = verdict.why;
    if (good && !is_oneself(claimed, verdict.account)) why = "an account may not act for another";
    AccountPtr account;
    if (why.empty()) {
      const Expected<Accounts::Admission> admission = co_await accounts_.admit(loop_, verdict.account);
      if (!admission) co_return no_answer(attempt, admission.error(), name);
      account = admission->account;
      why = admission->why;
    }
    if (!account) {
      const Duration pause = attempt.leave(Brakes::Ending::wrong, loop_.steady());
      if (pause > Duration()) co_await event::sleep_for(loop_, pause);
      failed_ = step_of(Kind::refused, std::move(why), name);
      co_return challenge(bearer_failure(verdict.fault, scope));
    }
    attempt.leave(Brakes::Ending::right, loop_.steady());
    Step step = step_of(Kind::accepted, {}, name);
    step.account = std::move(account);
    co_return accounts_.counted(std::move(step));
  }

  const Parse parse_;
  bool over_ = false;
  std::optional<Step> failed_;
};

}  // namespace

std::unique_ptr<Exchange> make_exchange(Accounts& accounts, event::Loop& loop, std::string_view mechanism,
                                        const Channel& channel) {
  if (mechanism == "PLAIN") return std::make_unique<Plain>(accounts, loop, channel);
  if (mechanism == "EXTERNAL") return std::make_unique<External>(accounts, loop, channel);
  if (mechanism == "LOGIN") return std::make_unique<Login>(accounts, loop, channel);
  if (mechanism == "OAUTHBEARER")
    return std::make_unique<TokenLogin>(accounts, loop, channel, parse_oauthbearer);
  if (mechanism == "XOAUTH2") return std::make_unique<TokenLogin>(accounts, loop, channel, parse_xoauth2);
  ScramBinding binding;
  binding.plus = mechanism == "SCRAM-SHA-256-PLUS";
  binding.tls_exporter = channel.tls_exporter;
  binding.tls_server_end_point = channel.tls_server_end_point;
  return std::make_unique<Scram>(accounts, loop, channel, std::move(binding));
}

}  // namespace sealpost::auth
