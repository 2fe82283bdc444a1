// SPDX-License-Identifier: Apache-2.0
//
// users.db: who may log in, with what, and what that allows (docs/submission.md describes the tables). The command writes
// it, the relay reads it anew for each exchange, so that a change counts at once. What cannot be read is not absent: a file
// that is missing, locked or damaged is an error here, and nobody's refusal. Blocking; one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/scram.hpp"
#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"
#include "sealpost/requirement.hpp"
#include "sqlite/database.hpp"

namespace sealpost::auth {

struct Limits {
  Limits() = default;
  Limits(std::uint32_t messages_, std::uint32_t recipients_)
      : messages_per_hour(messages_), recipients_per_hour(recipients_) {}
  std::uint32_t messages_per_hour = 0, recipients_per_hour = 0;  // 0: no limit
};

struct Credentials {
  std::string hash;  // of the password, as crypt(3) writes it
  ScramKeys scram;
  bool operator==(const Credentials&) const = default;
};
// Slow: never on a loop. Errc::invalid: not a password.
Expected<Credentials> credentials_of(const Secret& password);

struct User {
  User() = default;
  std::string name;  // prepared
  Credentials credentials;
  bool disabled = false;
  std::vector<std::string> senders;  // patterns (sender_pattern.hpp); none: any
  Limits limits;
  TlsNeed tls =
      TlsNeed::none;  // what is asked of every host that its mail goes to, whatever the message asks
  SystemTime created{}, changed{};
};

// A key of an account for programs that hand in mail by HTTP (docs/injection.md). The key itself is kept by nobody but
// who was given it.
struct Token {
  Token() = default;
  std::string user;                 // whose
  std::string name;                 // one of the account's
  std::string digest;               // SHA-256 of the key, 32 octets
  std::vector<std::string> scopes;  // "send", sorted
  SystemTime created{};
  SystemTime expires{};  // the epoch: never
};
struct NewToken {
  std::string key;  // what is shown once
  std::string digest;
};
NewToken make_token_key();
// Empty: no text that make_token_key() can have made.
std::string digest_of_token_key(std::string_view key);
inline constexpr std::size_t most_tokens_of_user = 100;
// A name that a token may have: 1 to 60 letters, digits, '.', '_' and '-'.
bool is_token_name(std::string_view name) noexcept;
bool is_token_scope(std::string_view scope) noexcept;

enum class Access : std::uint8_t {
  read,  // the relay's: nothing is made
  write,  // the command's: the file is made when it is missing, and each change is on disk when the call returns
};

int newest_schema() noexcept;  // of users.db

class UserStore {
 public:
  // Opens nothing yet; file().tend() does, or open(). `health` outlives it; null: nobody is told.
  UserStore(const std::string& data_dir, Access access, Health* health = nullptr);

  Expected<void> open() { return file_.open(); }
  sqlite::Database& file() noexcept { return file_; }

  // Errc::damaged: the row is not one that can have been written here (T-54).
  Expected<std::optional<User>> find(const std::string& name);
  Expected<std::vector<User>> list();  // by name
  // For keys of names that nobody has; made with the file.
  Expected<std::string> secret();
  // Changes when somebody else has changed something.
  Expected<std::int64_t> version();

  // Errc::exists, Errc::not_found.
  Expected<void> add(const User& user);
  Expected<void> set_credentials(const std::string& name, const Credentials& credentials, SystemTime now);
  Expected<void> set_disabled(const std::string& name, bool disabled, SystemTime now);
  Expected<void> set_limits(const std::string& name, Limits limits, SystemTime now);
  Expected<void> set_tls(const std::string& name, TlsNeed need, SystemTime now);
  Expected<void> set_senders(const std::string& name, const std::vector<std::string>& senders,
                             SystemTime now);
  Expected<void> remove(const std::string& name);

  // Of the account as it is now: one of the same name that was made anew has none of its tokens.
  Expected<std::optional<Token>> find_token(const std::string& digest);
  Expected<std::vector<Token>> tokens();  // by user and name
  // Errc::not_found: no such account. Errc::exists: it has a token of that name. Errc::no_space: it has too many.
  Expected<void> add_token(const Token& token);
  Expected<void> remove_token(const std::string& user, const std::string& name);  // Errc::not_found

 private:
  Expected<bool> has_tokens();
  Expected<std::vector<std::string>> senders_of(const std::string& name);
  Expected<TlsNeed> tls_of(const std::string& name);
  Expected<void> put_tls(const std::string& name, TlsNeed need);
  Expected<void> put_senders(const std::string& name, const std::vector<std::string>& senders);
  Expected<void> change(const std::string& name, Expected<sqlite::Statement> update);

  sqlite::Database file_;
};

}  // namespace sealpost::auth
