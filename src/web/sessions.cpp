// SPDX-License-Identifier: Apache-2.0
#include "web/sessions.hpp"

#include <array>
#include <vector>

#include "base/digest.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

namespace sealpost::web {
namespace {

constexpr std::size_t cookie_octets = 32;
constexpr std::size_t longest_cookie = 2 * cookie_octets;

std::string random_word() {
  std::array<std::uint8_t, cookie_octets> octets{};
  random_bytes(octets);
  return text::hex(octets);
}

}  // namespace

bool Sessions::is_over(const Session& session, SteadyTime now) const noexcept {
  return now - session.used >= limits_.idle || now - session.began >= limits_.whole;
}

// Looked up by its digest: how long that takes says nothing of cookies that are good.
Sessions::Key Sessions::key_of_cookie(std::string_view cookie) {
  return cookie.size() == longest_cookie ? sha256_octets(cookie) : Key();
}

// Of another length than a digest: no cookie leads there.
Sessions::Key Sessions::key_of_proxied(std::string_view user) { return "proxied" + sha256_octets(user); }

void Sessions::forget_over(SteadyTime now) {
  std::vector<Key> over;
  table_.for_each([&](const Key& key, const Session& session) {
    if (is_over(session, now)) over.push_back(key);
  });
  for (const Key& key : over) table_.erase(key);
}

std::size_t Sessions::size(SteadyTime now) {
  forget_over(now);
  return table_.size();
}

// What is over goes first; then the user's own that was not used for longest (the table has the newest first).
void Sessions::make_room(const std::string& user, SteadyTime now) {
  forget_over(now);
  Key last_of_user;
  std::size_t of_user = 0;
  table_.for_each([&](const Key& key, const Session& session) {
    if (session.user != user) return;
    ++of_user;
    last_of_user = key;
  });
  if (of_user >= limits_.most_of_user) table_.erase(last_of_user);
}

void Sessions::put(const Key& key, Session session, SteadyTime now) {
  make_room(session.user, now);
  session.token = random_word();
  session.began = session.used = now;
  table_.at(key) = std::move(session);
}

std::string Sessions::open(Session session, SteadyTime now) {
  std::string cookie = random_word();
  put(key_of_cookie(cookie), std::move(session), now);
  return cookie;
}

void Sessions::open_proxied(Session session, SteadyTime now) {
  const Key key = key_of_proxied(session.user);
  session.by_proxy = true;
  put(key, std::move(session), now);
}

Session* Sessions::at(const Key& key, SteadyTime now) {
  if (key.empty() || table_.find(key) == nullptr) return nullptr;
  Session& session = table_.at(key);
  if (is_over(session, now)) {
    table_.erase(key);
    return nullptr;
  }
  session.used = now;
  return &session;
}

}  // namespace sealpost::web
