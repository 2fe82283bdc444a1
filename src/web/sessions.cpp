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

// Looked up by its digest: how long that takes says nothing of cookies that are good.
std::string key_of(std::string_view cookie) { return sha256_octets(cookie); }

}  // namespace

bool Sessions::is_over(const Session& session, SteadyTime now) const noexcept {
  return now - session.used >= limits_.idle || now - session.began >= limits_.whole;
}

// What is over goes first; then the user's own that was not used for longest (the table has the newest first).
void Sessions::make_room(const std::string& user, SteadyTime now) {
  std::vector<std::string> over;
  std::string last_of_user;
  std::size_t of_user = 0;
  table_.for_each([&](const std::string& key, const Session& session) {
    if (is_over(session, now)) {
      over.push_back(key);
    } else if (session.user == user) {
      ++of_user;
      last_of_user = key;
    }
  });
  for (const std::string& key : over) table_.erase(key);
  if (of_user >= limits_.most_of_user) table_.erase(last_of_user);
}

std::string Sessions::open(Session session, SteadyTime now) {
  make_room(session.user, now);
  std::string cookie = random_word();
  session.token = random_word();
  session.began = session.used = now;
  table_.at(key_of(cookie)) = std::move(session);
  return cookie;
}

Session* Sessions::find(std::string_view cookie, SteadyTime now) {
  if (cookie.size() != longest_cookie) return nullptr;
  const std::string key = key_of(cookie);
  if (table_.find(key) == nullptr) return nullptr;
  Session& session = table_.at(key);
  if (is_over(session, now)) {
    table_.erase(key);
    return nullptr;
  }
  session.used = now;
  return &session;
}

void Sessions::close(std::string_view cookie) { table_.erase(key_of(cookie)); }

}  // namespace sealpost::web
