// SPDX-License-Identifier: Apache-2.0
#include "auth/user_store.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "auth/password.hpp"
#include "base/digest.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "sqlite/schema.hpp"

namespace sealpost::auth {
namespace {

using sqlite::Database;
using sqlite::Statement;

// A file becomes one of version 2 with the first account whose mail asks for TLS: a release that knows only the first leaves such
// a file alone, and sends none of that mail in clear.
constexpr int schema_version = 1, version_with_tls = 2;
constexpr std::size_t secret_octets = 32;

// Times are microseconds since 1970 UTC.
constexpr const char* tables = R"sql(
CREATE TABLE IF NOT EXISTS user (
  name TEXT PRIMARY KEY,
  hash TEXT NOT NULL,
  salt BLOB NOT NULL,
  iterations INTEGER NOT NULL,
  stored_key BLOB NOT NULL,
  server_key BLOB NOT NULL,
  disabled INTEGER NOT NULL,
  messages_per_hour INTEGER NOT NULL,
  recipients_per_hour INTEGER NOT NULL,
  created INTEGER NOT NULL,
  changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sender (
  name TEXT NOT NULL,
  pattern TEXT NOT NULL,
  PRIMARY KEY (name, pattern)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS secret (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  value BLOB NOT NULL
) STRICT;
)sql";

// Beside the schema: a release that knows no tokens leaves it alone, and the version is the same with and without it. Whoever
// removes an account there leaves its tokens, which are for the account made then and for no other of its name.
constexpr const char* token_table = R"sql(
CREATE TABLE IF NOT EXISTS token (
  digest BLOB PRIMARY KEY,
  user TEXT NOT NULL,
  user_created INTEGER NOT NULL,
  name TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  UNIQUE (user, name)
) STRICT, WITHOUT ROWID;
)sql";
constexpr const char* tls_table = R"sql(
CREATE TABLE IF NOT EXISTS tls (
  name TEXT PRIMARY KEY,
  need TEXT NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

#define COLUMNS                                                                         \
  "name, hash, salt, iterations, stored_key, server_key, disabled, messages_per_hour, " \
  "recipients_per_hour, created, changed"

sqlite::Schema schema(int version) {
  if (version == version_with_tls)
    return {version_with_tls, {"user", "sender", "secret", "tls"}, {tables, tls_table}};
  return {schema_version, {"user", "sender", "secret"}, {tables}};
}

Expected<void> make_tables(Database& file, int version) {
  if (auto made = sqlite::make_tables(file, schema(version)); !made) return made;
  std::array<std::uint8_t, secret_octets> secret{};
  random_bytes(secret);
  auto put = file.statement("INSERT OR IGNORE INTO secret (one, value) VALUES (1, ?1)");
  if (!put) return put.error();
  return put->bind_blob(1, {reinterpret_cast<const char*>(secret.data()), secret.size()}).done();
}

// FULL: a password that was changed, or an account that was closed, is not the old one again after a power cut.
Expected<void> prepare_to_write(Database& file, int version) {
  if (auto set = sqlite::use_write_ahead_log(file); !set) return set;
  if (auto set = file.run("PRAGMA synchronous=FULL"); !set) return set;
  const auto complete = sqlite::is_complete(file, version, schema(version));
  if (!complete) return complete.error();
  const auto tokens = sqlite::has_table(file, "token");
  if (!tokens) return tokens.error();
  if (*complete && *tokens) return {};
  return file.in_transaction([&]() -> Expected<void> {
    if (!*complete)
      if (auto made = make_tables(file, version); !made) return made;
    return file.run(token_table);
  });
}

// Nothing is written into a file that holds no accounts.
Expected<void> prepare_to_read(Database& file, int version) {
  const auto complete = sqlite::is_complete(file, version, schema(version));
  if (!complete) return complete.error();
  if (!*complete) return Error(Errc::not_found, file.name() + ": " + file.path() + " holds no accounts");
  return sqlite::use_write_ahead_log(file);
}

sqlite::Settings settings_for(const std::string& data_dir, Access access) {
  sqlite::Settings settings;
  settings.path = data_dir + "/users.db";
  settings.newest = version_with_tls;
  settings.meanwhile = "nobody can log in (454 4.7.0)";
  settings.lost = "all accounts";
  settings.begin_anew = false;
  if (access == Access::read)
    settings.when_missing = "make the first account: sealpost user add NAME; or put " + settings.path +
                            " back in its place, from a backup; it is seen with the next login";
  settings.prepare = access == Access::read ? prepare_to_read : prepare_to_write;
  // Who logs in waits for it; who types a command has time.
  settings.busy = std::chrono::milliseconds(access == Access::read ? 1000 : 5000);
  if (access == Access::write) settings.busy_at_open = settings.busy;
  settings.first_retry = settings.longest_retry = {};  // with each login: a change counts at once
  return settings;
}

std::uint32_t small(const Statement& row, int column) {
  const std::int64_t number = row.number(column);
  return number < 0 || number > std::numeric_limits<std::uint32_t>::max()
             ? std::numeric_limits<std::uint32_t>::max()
             : static_cast<std::uint32_t>(number);
}

// A password in clear, or a key that would fit anything, is worse than no account (T-33, T-54).
bool believable(const User& user) {
  const ScramKeys& scram = user.credentials.scram;
  return prepared_name(user.name).value_or(std::string()) == user.name && is_fit(user.credentials.hash) &&
         scram.iterations >= least_scram_iterations && !scram.salt.empty() &&
         scram.stored_key.size() == scram_key_octets && scram.server_key.size() == scram_key_octets;
}

Expected<User> user_at(const Statement& row, const Database& file) {
  User user;
  user.name = row.text(0);
  user.credentials.hash = row.text(1);
  user.credentials.scram.salt = row.text(2);
  user.credentials.scram.iterations = small(row, 3);
  user.credentials.scram.stored_key = row.text(4);
  user.credentials.scram.server_key = row.text(5);
  user.disabled = row.number(6) != 0;
  user.limits = Limits(small(row, 7), small(row, 8));
  user.created = row.time(9);
  user.changed = row.time(10);
  if (!believable(user))
    return Error(Errc::damaged, file.name() + ": the account " + text::printable(user.name, 80) +
                                    " cannot be believed; remove it and add it again");
  return user;
}

}  // namespace

Expected<Credentials> credentials_of(const Secret& password) {
  auto hash = hash_password(password);
  if (!hash) return hash.error();
  return Credentials{std::move(*hash), new_scram_keys(password)};
}

int newest_schema() noexcept { return version_with_tls; }

UserStore::UserStore(const std::string& data_dir, Access access, Health* health)
    : file_(settings_for(data_dir, access), health) {}

Expected<std::vector<std::string>> UserStore::senders_of(const std::string& name) {
  auto query = file_.statement("SELECT pattern FROM sender WHERE name = ?1 ORDER BY pattern");
  if (!query) return query.error();
  query->bind(1, name);
  std::vector<std::string> senders;
  for (;;) {
    const auto row = query->row();
    if (!row) return row.error();
    if (!*row) return senders;
    senders.push_back(query->text(0));
  }
}

Expected<TlsNeed> UserStore::tls_of(const std::string& name) {
  const auto there = sqlite::has_table(file_, "tls");
  if (!there) return there.error();
  if (!*there) return TlsNeed::none;
  auto query = file_.statement("SELECT need FROM tls WHERE name = ?1");
  if (!query) return query.error();
  const auto row = query->bind(1, name).row();
  if (!row) return row.error();
  if (!*row) return TlsNeed::none;
  const auto need = tls_need_of(query->text(0));
  if (!need)
    return Error(Errc::damaged,
                 file_.name() + ": what TLS " + text::printable(name, 80) + " needs cannot be believed");
  return *need;
}

// The same questions whether there is such a name or not (T-32). The first, while it is not reset, keeps the second in its
// snapshot: senders that another has just written or dropped would be none, which is any.
Expected<std::optional<User>> UserStore::find(const std::string& name) {
  auto query = file_.statement("SELECT " COLUMNS " FROM user WHERE name = ?1");
  if (!query) return query.error();
  const auto row = query->bind(1, name).row();
  if (!row) return row.error();
  auto senders = senders_of(name);
  if (!senders) return senders.error();
  const auto tls = tls_of(name);
  if (!tls) return tls.error();
  if (!*row) return std::optional<User>();
  auto user = user_at(*query, file_);
  if (!user) return user.error();
  user->senders = std::move(*senders);
  user->tls = *tls;
  return std::optional<User>(std::move(*user));
}

Expected<std::vector<User>> UserStore::list() {
  auto query = file_.statement("SELECT " COLUMNS " FROM user ORDER BY name");
  if (!query) return query.error();
  std::vector<User> users;
  for (;;) {
    const auto row = query->row();
    if (!row) return row.error();
    if (!*row) return users;
    auto user = user_at(*query, file_);
    if (!user) return user.error();
    auto senders = senders_of(user->name);
    if (!senders) return senders.error();
    const auto tls = tls_of(user->name);
    if (!tls) return tls.error();
    user->senders = std::move(*senders);
    user->tls = *tls;
    users.push_back(std::move(*user));
  }
}

Expected<std::string> UserStore::secret() {
  auto query = file_.statement("SELECT value FROM secret");
  if (!query) return query.error();
  const auto row = query->row();
  if (!row) return row.error();
  std::string secret = *row ? query->text(0) : std::string();
  if (secret.size() != secret_octets) return Error(Errc::damaged, file_.name() + ": its secret is missing");
  return secret;
}

Expected<std::int64_t> UserStore::version() { return file_.number("PRAGMA data_version"); }

Expected<void> UserStore::put_senders(const std::string& name, const std::vector<std::string>& senders) {
  auto drop = file_.statement("DELETE FROM sender WHERE name = ?1");
  if (!drop) return drop.error();
  if (auto dropped = drop->bind(1, name).done(); !dropped) return dropped;
  auto put = file_.statement("INSERT OR IGNORE INTO sender (name, pattern) VALUES (?1, ?2)");
  if (!put) return put.error();
  for (const std::string& pattern : senders)
    if (auto done = put->reset().bind(1, name).bind(2, pattern).done(); !done) return done;
  return {};
}

// ---- changes

Expected<void> UserStore::add(const User& user) {
  return file_.in_transaction([&]() -> Expected<void> {
    auto there = file_.statement("SELECT 1 FROM user WHERE name = ?1");
    if (!there) return there.error();
    const auto row = there->bind(1, user.name).row();
    if (!row) return row.error();
    if (*row) return Error(Errc::exists, "there is an account " + user.name + " already");
    auto put = file_.statement("INSERT INTO user (" COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)");
    if (!put) return put.error();
    const ScramKeys& scram = user.credentials.scram;
    put->bind(1, user.name).bind(2, user.credentials.hash).bind_blob(3, scram.salt);
    put->bind(4, std::int64_t{scram.iterations}).bind_blob(5, scram.stored_key);
    put->bind_blob(6, scram.server_key).bind(7, std::int64_t{user.disabled});
    put->bind(8, std::int64_t{user.limits.messages_per_hour});
    put->bind(9, std::int64_t{user.limits.recipients_per_hour}).bind(10, user.created).bind(11, user.changed);
    if (auto done = put->done(); !done) return done;
    if (auto done = put_tls(user.name, user.tls); !done) return done;
    return put_senders(user.name, user.senders);
  });
}

Expected<void> UserStore::change(const std::string& name, Expected<Statement> update) {
  if (!update) return update.error();
  if (auto done = update->bind(1, name).done(); !done) return done;
  if (file_.changed() == 0) return Error(Errc::not_found, "there is no account " + name);
  return {};
}

Expected<void> UserStore::set_credentials(const std::string& name, const Credentials& credentials,
                                          SystemTime now) {
  return file_.in_transaction([&] {
    auto update = file_.statement(
        "UPDATE user SET hash = ?2, salt = ?3, iterations = ?4, stored_key = ?5, server_key = ?6, "
        "changed = ?7 WHERE name = ?1");
    const ScramKeys& scram = credentials.scram;
    if (update) {
      update->bind(2, credentials.hash).bind_blob(3, scram.salt).bind(4, std::int64_t{scram.iterations});
      update->bind_blob(5, scram.stored_key).bind_blob(6, scram.server_key).bind(7, now);
    }
    return change(name, std::move(update));
  });
}

Expected<void> UserStore::set_disabled(const std::string& name, bool disabled, SystemTime now) {
  return file_.in_transaction([&] {
    auto update = file_.statement("UPDATE user SET disabled = ?2, changed = ?3 WHERE name = ?1");
    if (update) update->bind(2, std::int64_t{disabled}).bind(3, now);
    return change(name, std::move(update));
  });
}

Expected<void> UserStore::set_limits(const std::string& name, Limits limits, SystemTime now) {
  return file_.in_transaction([&] {
    auto update = file_.statement(
        "UPDATE user SET messages_per_hour = ?2, recipients_per_hour = ?3, changed = ?4 WHERE name = ?1");
    if (update) {
      update->bind(2, std::int64_t{limits.messages_per_hour});
      update->bind(3, std::int64_t{limits.recipients_per_hour}).bind(4, now);
    }
    return change(name, std::move(update));
  });
}

Expected<void> UserStore::put_tls(const std::string& name, TlsNeed need) {
  if (need == TlsNeed::none) {
    const auto there = sqlite::has_table(file_, "tls");
    if (!there) return there.error();
    if (!*there) return {};
    auto drop = file_.statement("DELETE FROM tls WHERE name = ?1");
    if (!drop) return drop.error();
    return drop->bind(1, name).done();
  }
  if (auto made = sqlite::make_tables(file_, schema(version_with_tls)); !made) return made;
  auto put = file_.statement("INSERT OR REPLACE INTO tls (name, need) VALUES (?1, ?2)");
  if (!put) return put.error();
  return put->bind(1, name).bind(2, std::string(name_of(need))).done();
}

Expected<void> UserStore::set_tls(const std::string& name, TlsNeed need, SystemTime now) {
  return file_.in_transaction([&]() -> Expected<void> {
    auto update = file_.statement("UPDATE user SET changed = ?2 WHERE name = ?1");
    if (update) update->bind(2, now);
    if (auto done = change(name, std::move(update)); !done) return done;
    return put_tls(name, need);
  });
}

Expected<void> UserStore::set_senders(const std::string& name, const std::vector<std::string>& senders,
                                      SystemTime now) {
  return file_.in_transaction([&]() -> Expected<void> {
    auto update = file_.statement("UPDATE user SET changed = ?2 WHERE name = ?1");
    if (update) update->bind(2, now);
    if (auto done = change(name, std::move(update)); !done) return done;
    return put_senders(name, senders);
  });
}

Expected<void> UserStore::remove(const std::string& name) {
  return file_.in_transaction([&]() -> Expected<void> {
    if (auto done = change(name, file_.statement("DELETE FROM user WHERE name = ?1")); !done) return done;
    auto drop = file_.statement("DELETE FROM token WHERE user = ?1");
    if (!drop) return drop.error();
    if (auto done = drop->bind(1, name).done(); !done) return done;
    if (auto done = put_tls(name, TlsNeed::none); !done) return done;
    return put_senders(name, {});
  });
}

}  // namespace sealpost::auth
