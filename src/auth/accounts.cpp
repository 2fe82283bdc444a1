// SPDX-License-Identifier: Apache-2.0
#include "auth/accounts.hpp"

#include <algorithm>
#include <chrono>

#include "auth/exchanges.hpp"
#include "auth/password.hpp"
#include "auth/scram.hpp"
#include "base/digest.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

namespace sealpost::auth {
namespace {

constexpr std::chrono::seconds refresh_every{1};
constexpr const char* cause = "accounts";

std::string random_nonce() {
  std::array<std::uint8_t, nonce_octets> octets{};
  random_bytes(octets);
  return text::base64({reinterpret_cast<const char*>(octets.data()), octets.size()});
}

std::unique_ptr<event::BlockingPool> pool_of(std::unique_ptr<event::BlockingPool>& given, std::size_t threads,
                                             std::size_t most_waiting) {
  if (given) return std::move(given);
  return std::make_unique<event::ThreadPool>(threads, most_waiting);
}

// One of the places that strangers have, until the work that owns it is gone, done or not.
class Place {
 public:
  explicit Place(std::atomic<std::size_t>& taken) noexcept : taken_(taken) { ++taken_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { --taken_; }

 private:
  std::atomic<std::size_t>& taken_;
};

AccountPtr account_of(const User& user, std::string stamp) {
  auto account = std::make_shared<Account>();
  account->name = user.name;
  account->senders = user.senders;
  account->recipients_per_hour = user.limits.recipients_per_hour;
  account->messages_per_hour = user.limits.messages_per_hour;
  account->tls = user.tls;
  account->stamp = std::move(stamp);
  return account;
}

// Changes with each new password, be it the same one, with the senders, and with what TLS its mail needs.
std::string stamp_of(const User& user) {
  std::string all = user.credentials.hash + user.credentials.scram.stored_key;
  for (const std::string& sender : user.senders) all.append(1, '\0').append(sender);
  if (user.tls != TlsNeed::none) all.append(2, '\0').append(name_of(user.tls));
  return sha256_octets(all);
}

}  // namespace

Accounts::Accounts(const std::string& data_dir, Health* health, AccountsSettings settings)
    : settings_(std::move(settings)),
      health_(health),
      store_(data_dir, Access::read, health),
      brakes_(settings_.brakes),
      outside_(settings_.outside ? settings_.outside : std::make_shared<const OutsideRules>()),
      dovecot_(settings_.dovecot ? std::make_unique<DovecotClient>(*settings_.dovecot, health) : nullptr),
      reading_(pool_of(settings_.reading, 1, settings_.most_reading)),
      hashing_(pool_of(settings_.hashing, settings_.hashing_threads, settings_.most_waiting)) {
  // What is wrong with the file is said now, and not to the first who logs in.
  reading_->submit([this] { store_.file().tend(); });
}

Accounts::~Accounts() = default;

std::vector<std::string_view> Accounts::mechanisms(const Channel& channel) const {
  if (!channel.encrypted) return {};
  std::vector<std::string_view> offered;
  // A client takes the strongest that it knows: what only users.db could answer would keep Dovecot's accounts out.
  if (!dovecot_) {
    if (!channel.tls_exporter.empty() || !channel.tls_server_end_point.empty())
      offered.push_back("SCRAM-SHA-256-PLUS");
    offered.push_back("SCRAM-SHA-256");
  }
  if (outside()->tokens) offered.insert(offered.end(), {"OAUTHBEARER", "XOAUTH2"});
  offered.insert(offered.end(), {"PLAIN", "LOGIN"});
  if (!channel.certified_user.empty()) offered.insert(offered.begin(), "EXTERNAL");
  return offered;
}

std::unique_ptr<Exchange> Accounts::begin(event::Loop& loop, std::string_view mechanism,
                                          const Channel& channel) {
  for (const std::string_view offered : mechanisms(channel))
    if (offered == mechanism) return make_exchange(*this, loop, mechanism, channel);
  return nullptr;
}

std::string Accounts::nonce() const { return settings_.nonce ? settings_.nonce() : random_nonce(); }

// On the reading thread.
Expected<Accounts::Found> Accounts::read(const std::string& name) {
  store_.file().tend();
  Found found;
  auto secret = store_.secret();
  auto user = secret ? store_.find(name) : Expected<std::optional<User>>(secret.error());
  if (!user) {
    // What the file is not open for is said by its own cause.
    if (health_ != nullptr && store_.file().is_open())
      health_->raise(cause, "accounts cannot be read, and logins are put off (454): " + user.error().detail,
                     "'sealpost user list' says more; it is tried again with each login");
    return user.error();
  }
  if (health_ != nullptr) health_->clear(cause);
  found.secret = std::move(*secret);
  found.user = std::move(*user);
  return found;
}

event::Task<Expected<Accounts::Found>> Accounts::look_up(event::Loop& loop, std::string name) {
  std::function<Expected<Found>()> work = [this, name = std::move(name)] { return read(name); };
  co_return co_await event::run_blocking<Found>(*reading_, loop, std::move(work));
}

event::Task<Expected<bool>> Accounts::check(event::Loop& loop, std::shared_ptr<const Secret> password,
                                            std::string hash, bool known) {
  std::shared_ptr<const Place> place;
  if (!known) {
    place = std::make_shared<const Place>(strangers_);
    const std::size_t places = settings_.hashing_threads + settings_.most_waiting;
    if (strangers_.load() + std::min(settings_.kept_back, places) > places)
      co_return Error(Errc::unavailable, "too many passwords of clients that are new wait to be hashed");
  }
  std::function<Expected<bool>()> work = [place = std::move(place), password = std::move(password),
                                          hash = std::move(hash)] {
    return Expected<bool>(matches(*password, hash));
  };
  co_return co_await event::run_blocking<bool>(*hashing_, loop, std::move(work));
}

event::Task<Expected<AccountPtr>> Accounts::let_in(event::Loop& loop, User proven) {
  std::function<Expected<AccountPtr>()> work = [this, proven = std::move(proven)] {
    return read_again(proven);
  };
  co_return co_await event::run_blocking<AccountPtr>(*reading_, loop, std::move(work));
}

// On the reading thread, as is refresh(): what was read last is what holds.
Expected<AccountPtr> Accounts::read_again(const User& proven) {
  const Expected<Found> found = read(proven.name);
  if (!found) return found.error();
  const std::optional<User>& user = found->user;
  now_is(proven.name, user);
  if (!user || user->disabled || !(user->credentials == proven.credentials)) return AccountPtr();
  return account_of(*user, stamp_of(*user));
}

event::Task<Expected<Accounts::Admission>> Accounts::admit(event::Loop& loop, std::string name) {
  std::function<Expected<Admission>()> work = [this, name = std::move(name)] { return read_vouched(name); };
  co_return co_await event::run_blocking<Admission>(*reading_, loop, std::move(work));
}

// On the reading thread too.
Expected<Accounts::Admission> Accounts::read_vouched(const std::string& name) {
  const Expected<Found> found = read(name);
  if (!found) return found.error();
  now_is(name, found->user);
  Admission admission;
  if (found->user && found->user->disabled) {
    admission.why = "the account is disabled";
    return admission;
  }
  const std::optional<User> user = found->user ? found->user : unlisted_user(name, outside()->unlisted);
  if (user)
    admission.account = account_of(*user, stamp_of(*user));
  else
    admission.why = "users.db has no such account, and auth.unlisted lets no other in by that name";
  return admission;
}

OutsideRulesPtr Accounts::outside() const {
  const std::lock_guard lock(mutex_);
  return outside_;
}

void Accounts::use(OutsideRulesPtr outside) {
  {
    const std::lock_guard lock(mutex_);
    outside_.swap(outside);
  }
  reading_->submit([this] {
    seen_version_ = 0;
    refresh();
  });
}

bool Accounts::vouched_by_others(const OutsideRules& rules) const noexcept {
  return dovecot_ != nullptr || rules.tokens != nullptr;
}

event::Task<Expected<Accounts::TokenHolder>> Accounts::by_token(event::Loop& loop, std::string digest,
                                                                std::string scope, SystemTime now) {
  std::function<Expected<TokenHolder>()> work = [this, digest = std::move(digest), scope = std::move(scope),
                                                 now] { return read_token(digest, scope, now); };
  co_return co_await event::run_blocking<TokenHolder>(*reading_, loop, std::move(work));
}

// On the reading thread.
Expected<Accounts::TokenHolder> Accounts::read_token(const std::string& digest, const std::string& scope,
                                                     SystemTime now) {
  store_.file().tend();
  const auto token = store_.find_token(digest);
  if (!token) return token.error();
  TokenHolder holder;
  if (!*token || ((*token)->expires != SystemTime{} && (*token)->expires <= now)) return holder;
  const Expected<Found> found = read((*token)->user);
  if (!found) return found.error();
  if (!found->user) return holder;
  auto account = read_again(*found->user);
  if (!account) return account.error();
  holder.account = std::move(*account);
  holder.token = (*token)->name;
  const auto& scopes = (*token)->scopes;
  holder.has_scope = std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
  return holder;
}

// An account without a row may be one of those that others vouch for: that it has a row no more, or has one now, changes its
// stamp, and who is in a session logs in anew.
void Accounts::now_is(const std::string& name, const std::optional<User>& user) {
  const OutsideRulesPtr rules = outside();
  const std::optional<User> now =
      user || !vouched_by_others(*rules) ? user : unlisted_user(name, rules->unlisted);
  if (now && !now->disabled)
    allowances_.set(name, now->limits, stamp_of(*now));
  else
    allowances_.close(name);
}

bool Accounts::take_message(const Account& account, std::uint32_t recipients) {
  const SteadyTime now = settings_.now ? settings_.now() : SteadyTime(std::chrono::steady_clock::now());
  const std::int64_t count = now.time_since_epoch().count();
  std::int64_t last = refreshed_.load();
  if (SteadyTime::duration(count - last) >= refresh_every && refreshed_.compare_exchange_strong(last, count))
    reading_->submit([this] { refresh(); });
  return allowances_.take(account.name, Limits(account.messages_per_hour, account.recipients_per_hour),
                          recipients, now, account.stamp);
}

// On the reading thread. A file that cannot be read changes nothing; an account that cannot be believed in one that can is
// closed, and keeps no other open.
void Accounts::refresh() {
  if (!store_.file().tend()) return;
  const auto version = store_.version();
  if (!version || (*version == seen_version_ && store_.file().generation() == seen_generation_)) return;
  for (const std::string& name : allowances_.names()) {
    const auto user = store_.find(name);
    if (user)
      now_is(name, *user);
    else if (user.error().code == Errc::damaged && store_.file().trouble() == sqlite::Trouble::none)
      allowances_.close(name);
    else
      return;
  }
  seen_version_ = *version;
  seen_generation_ = store_.file().generation();
}

Step Accounts::counted(Step step) noexcept {
  ++endings_[static_cast<std::size_t>(step.kind)];
  return step;
}

Accounts::Counters Accounts::counters() const {
  const auto of = [&](Step::Kind kind) { return endings_[static_cast<std::size_t>(kind)].load(); };
  Counters counters;
  counters.accepted = of(Step::Kind::accepted);
  counters.refused = of(Step::Kind::refused);
  counters.malformed = of(Step::Kind::malformed);
  counters.unavailable = of(Step::Kind::unavailable);
  counters.too_many = of(Step::Kind::too_many);
  counters.brakes = brakes_.counters();
  return counters;
}

}  // namespace sealpost::auth
