// SPDX-License-Identifier: Apache-2.0
//
// The accounts of users.db as an Authenticator: PLAIN, LOGIN, SCRAM-SHA-256 and -PLUS, and EXTERNAL for who has shown a
// certificate. Where a Dovecot is asked, it alone looks at passwords, by PLAIN and LOGIN, and this file says what its accounts
// may (ADR 54). OAUTHBEARER and XOAUTH2 take tokens of the issuer that is named (token.hpp).
//
//   auth::Accounts accounts(config.data_dir, &health);   // one for the relay, before the workers
//
// The file is read anew for each exchange, on a thread of its own; passwords are hashed on others, so that neither waits on
// a loop, and mechanisms that need no hash do not wait for those that do. What waits is bounded: beyond it, and while the
// file cannot be read, the answer is `unavailable` (454), which no client takes for a wrong password.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/allowances.hpp"
#include "auth/authenticator.hpp"
#include "auth/brakes.hpp"
#include "auth/dovecot_client.hpp"
#include "auth/secret.hpp"
#include "auth/token.hpp"
#include "auth/unlisted.hpp"
#include "auth/user_store.hpp"
#include "base/health.hpp"
#include "event/blocking_pool.hpp"

namespace sealpost::auth {

// Who besides users.db vouches for accounts, as far as a reload replaces it.
struct OutsideRules {
  OutsideRules() = default;
  Unlisted unlisted;
  std::shared_ptr<const TokenRules> tokens;  // whose tokens are taken; null: nobody's
};
using OutsideRulesPtr = std::shared_ptr<const OutsideRules>;

struct AccountsSettings {
  AccountsSettings() = default;
  std::size_t hashing_threads = 2;  // each takes 16 MiB while it hashes
  std::size_t most_waiting = 128;   // for a hash; some seconds of them
  std::size_t kept_back = 32;       // of these places, for who has logged in from his network before
  std::size_t most_reading = 4096;
  BrakeSettings brakes;
  std::optional<DovecotSettings> dovecot;        // none: passwords are those of users.db
  OutsideRulesPtr outside;                       // null: the defaults
  std::function<std::string()> nonce;            // null: random
  std::function<SteadyTime()> now;               // null: the system's steady clock; for take_message()
  std::unique_ptr<event::BlockingPool> reading;  // null: threads of its own
  std::unique_ptr<event::BlockingPool> hashing;
};

class Accounts final : public Authenticator {
 public:
  // Opens the file, off this thread, and makes none. The loops of all exchanges outlive it; it outlives the exchanges.
  explicit Accounts(const std::string& data_dir, Health* health = nullptr, AccountsSettings settings = {});
  ~Accounts() override;

  std::vector<std::string_view> mechanisms(const Channel& channel) const override;
  std::unique_ptr<Exchange> begin(event::Loop& loop, std::string_view mechanism,
                                  const Channel& channel) override;
  // An account that was closed, limited or changed since its session began is as it is now, a second later at most, counted
  // from the first message after that.
  bool take_message(const Account& account, std::uint32_t recipients) override;
  // From now on, for open sessions too, as with a change of users.db. Any thread.
  void use(OutsideRulesPtr outside);

  // Whose key of that digest is, when it has the scope and its time is not over by `now`. Without brakes: keys cannot be guessed,
  // and who tries is the caller's to slow down.
  struct TokenHolder {
    AccountPtr account;  // null: there is no such key, its account is disabled, or its time is over
    std::string token;   // its name
    bool has_scope = false;
  };
  event::Task<Expected<TokenHolder>> by_token(event::Loop& loop, std::string digest, std::string scope,
                                              SystemTime now);

  struct Counters {
    std::uint64_t accepted = 0, refused = 0, malformed = 0, unavailable = 0, too_many = 0;
    Brakes::Counters brakes;
  };
  Counters counters() const;  // any thread

  // For the exchanges (exchanges.cpp).
  struct Found {
    Found() = default;
    std::optional<User> user;
    std::string secret;
  };
  event::Task<Expected<Found>> look_up(event::Loop& loop, std::string name);
  event::Task<Expected<bool>> check(event::Loop& loop, std::shared_ptr<const Secret> password,
                                    std::string hash, bool known);
  Brakes& brakes() noexcept { return brakes_; }
  std::string nonce() const;
  // Looks again, for a proof may have taken a minute: null when the account is closed now, or has other credentials.
  event::Task<Expected<AccountPtr>> let_in(event::Loop& loop, User proven);
  Step counted(Step step) noexcept;
  OutsideRulesPtr outside() const;
  DovecotClient* dovecot() noexcept { return dovecot_.get(); }  // null: it is not asked
  // Of somebody whom another has vouched for, by the prepared name of the account.
  struct Admission {
    Admission() = default;
    AccountPtr account;  // null: it is not let in, and
    std::string why;
  };
  event::Task<Expected<Admission>> admit(event::Loop& loop, std::string name);

 private:
  Expected<Found> read(const std::string& name);
  Expected<AccountPtr> read_again(const User& proven);
  Expected<Admission> read_vouched(const std::string& name);
  bool vouched_by_others(const OutsideRules& rules) const noexcept;
  Expected<TokenHolder> read_token(const std::string& digest, const std::string& scope, SystemTime now);
  void now_is(const std::string& name, const std::optional<User>& user);
  void refresh();

  AccountsSettings settings_;
  Health* const health_;
  UserStore store_;  // on the reading thread
  std::int64_t seen_version_ = 0;
  std::uint64_t seen_generation_ = 0;
  Brakes brakes_;
  Allowances allowances_;
  std::atomic<std::int64_t> refreshed_{0};               // steady time, in its own units
  std::array<std::atomic<std::uint64_t>, 6> endings_{};  // by Step::Kind
  mutable std::mutex mutex_;                             // guards outside_
  OutsideRulesPtr outside_;                              // never null
  const std::unique_ptr<DovecotClient> dovecot_;
  std::atomic<std::size_t> strangers_{0};                   // whose hashes wait or run
  std::unique_ptr<event::BlockingPool> reading_, hashing_;  // die first: they use what stands above
};

}  // namespace sealpost::auth
