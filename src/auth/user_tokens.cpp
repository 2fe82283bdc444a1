// SPDX-License-Identifier: Apache-2.0
//
// Keys of accounts for programs (docs/injection.md): their table in users.db, and what a key looks like.
#include <algorithm>
#include <array>

#include "auth/user_store.hpp"
#include "base/digest.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "sqlite/schema.hpp"

namespace sealpost::auth {
namespace {

constexpr std::string_view key_prefix = "slp_";
constexpr std::size_t key_octets = 32;

constexpr const char* token_query =
    "SELECT token.user, token.name, token.digest, token.scopes, token.created, token.expires FROM token "
    "JOIN user ON user.name = token.user AND user.created = token.user_created ";

Token token_at(const sqlite::Statement& row) {
  Token token;
  token.user = row.text(0);
  token.name = row.text(1);
  token.digest = row.text(2);
  const std::string scopes = row.text(3);
  for (const std::string_view scope : text::split(scopes, ' '))
    if (!scope.empty()) token.scopes.emplace_back(scope);
  token.created = row.time(4);
  token.expires = row.time(5);
  return token;
}

}  // namespace

Expected<bool> UserStore::has_tokens() { return sqlite::has_table(file_, "token"); }

Expected<std::optional<Token>> UserStore::find_token(const std::string& digest) {
  const auto there = has_tokens();
  if (!there) return there.error();
  if (!*there) return std::optional<Token>();
  auto query = file_.statement((std::string(token_query) + "WHERE token.digest = ?1").c_str());
  if (!query) return query.error();
  const auto row = query->bind_blob(1, digest).row();
  if (!row) return row.error();
  if (!*row) return std::optional<Token>();
  return std::optional<Token>(token_at(*query));
}

Expected<std::vector<Token>> UserStore::tokens() {
  std::vector<Token> all;
  const auto there = has_tokens();
  if (!there) return there.error();
  if (!*there) return all;
  auto query = file_.statement((std::string(token_query) + "ORDER BY token.user, token.name").c_str());
  if (!query) return query.error();
  for (;;) {
    const auto row = query->row();
    if (!row) return row.error();
    if (!*row) return all;
    all.push_back(token_at(*query));
  }
}

Expected<void> UserStore::add_token(const Token& token) {
  return file_.in_transaction([&]() -> Expected<void> {
    auto owner = file_.statement("SELECT created FROM user WHERE name = ?1");
    if (!owner) return owner.error();
    const auto found = owner->bind(1, token.user).row();
    if (!found) return found.error();
    if (!*found) return Error(Errc::not_found, "there is no account " + token.user);
    const SystemTime made = owner->time(0);
    // Those of a former account of this name.
    auto drop = file_.statement("DELETE FROM token WHERE user = ?1 AND user_created != ?2");
    if (!drop) return drop.error();
    if (auto done = drop->bind(1, token.user).bind(2, made).done(); !done) return done;
    auto count =
        file_.statement("SELECT count(*), count(*) FILTER (WHERE name = ?2) FROM token WHERE user = ?1");
    if (!count) return count.error();
    const auto counted = count->bind(1, token.user).bind(2, token.name).row();
    if (!counted) return counted.error();
    if (count->number(1) > 0)
      return Error(Errc::exists, token.user + " has a token '" + token.name + "' already");
    if (count->number(0) >= static_cast<std::int64_t>(most_tokens_of_user))
      return Error(Errc::no_space,
                   token.user + " has " + std::to_string(most_tokens_of_user) + " tokens, which is the most");
    std::string scopes;
    for (const std::string& scope : token.scopes) scopes += (scopes.empty() ? "" : " ") + scope;
    auto put = file_.statement("INSERT INTO token VALUES (?1,?2,?3,?4,?5,?6,?7)");
    if (!put) return put.error();
    put->bind_blob(1, token.digest).bind(2, token.user).bind(3, made).bind(4, token.name);
    return put->bind(5, scopes).bind(6, token.created).bind(7, token.expires).done();
  });
}

Expected<void> UserStore::remove_token(const std::string& user, const std::string& name) {
  return file_.in_transaction([&]() -> Expected<void> {
    auto drop = file_.statement("DELETE FROM token WHERE user = ?1 AND name = ?2");
    if (!drop) return drop.error();
    if (auto done = drop->bind(1, user).bind(2, name).done(); !done) return done;
    if (file_.changed() == 0) return Error(Errc::not_found, user + " has no token '" + name + "'");
    return {};
  });
}

// 256 random bits: nobody finds one by trying, so a fast digest keeps it as well as a slow one would.
NewToken make_token_key() {
  std::array<std::uint8_t, key_octets> octets{};
  random_bytes(octets);
  std::string key = text::base64({reinterpret_cast<const char*>(octets.data()), octets.size()});
  key.resize(key.find('='));
  std::replace(key.begin(), key.end(), '+', '-');
  std::replace(key.begin(), key.end(), '/', '_');
  NewToken made;
  made.key = std::string(key_prefix) + key;
  made.digest = sha256_octets(made.key);
  return made;
}

std::string digest_of_token_key(std::string_view key) {
  const auto fits = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
  };
  constexpr std::size_t length = key_prefix.size() + 43;
  if (key.size() != length || !key.starts_with(key_prefix)) return {};
  return std::all_of(key.begin(), key.end(), fits) ? sha256_octets(key) : std::string();
}

bool is_token_name(std::string_view name) noexcept {
  const auto fits = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= 60 && std::all_of(name.begin(), name.end(), fits);
}

bool is_token_scope(std::string_view scope) noexcept { return scope == "send"; }

}  // namespace sealpost::auth
