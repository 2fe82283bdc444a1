// SPDX-License-Identifier: Apache-2.0
#include "web/sessions.hpp"

#include <doctest.h>

#include <set>
#include <vector>

using namespace sealpost;
using namespace std::chrono_literals;
using web::Session;
using web::Sessions;

namespace {
constexpr SteadyTime start{1000h};
Session of(const std::string& user) {
  Session session;
  session.user = user;
  return session;
}
}  // namespace

TEST_CASE("T-59 a session is found by its cookie alone, which nobody guesses") {
  Sessions sessions;
  const std::string cookie = sessions.open(of("anna"), start);
  CHECK(cookie.size() == 64);
  REQUIRE(sessions.find(cookie, start) != nullptr);
  CHECK(sessions.find(cookie, start)->user == "anna");
  CHECK(sessions.find(cookie, start)->token.size() == 64);
  CHECK(sessions.find(cookie, start)->token != cookie);
  CHECK(sessions.find("", start) == nullptr);
  CHECK(sessions.find(cookie.substr(1), start) == nullptr);
  CHECK(sessions.find(std::string(64, '0'), start) == nullptr);
  std::set<std::string> all;
  for (int i = 0; i < 100; ++i) all.insert(sessions.open(of("anna"), start));
  CHECK(all.size() == 100);
}

TEST_CASE("T-59 a session ends unused, after a day's work, and at logout") {
  Sessions sessions;
  const std::string idle = sessions.open(of("anna"), start), used = sessions.open(of("anna"), start);
  CHECK(sessions.find(used, start + 29min) != nullptr);
  CHECK(sessions.find(idle, start + 30min) == nullptr);
  SteadyTime now = start;
  while (now < start + 12h - 20min) CHECK(sessions.find(used, now += 20min) != nullptr);
  CHECK(sessions.find(used, start + 12h) == nullptr);
  const std::string closed = sessions.open(of("anna"), start);
  sessions.close(closed);
  CHECK(sessions.find(closed, start) == nullptr);
}

TEST_CASE("T-27 there are so many sessions and no more; who opens many ends his own first") {
  web::SessionLimits limits;
  limits.most = 8;
  limits.most_of_user = 3;
  Sessions sessions(limits);
  const std::string other = sessions.open(of("bert"), start);
  std::vector<std::string> own;
  for (int i = 0; i < 20; ++i) own.push_back(sessions.open(of("anna"), start + i * 1s));
  CHECK(sessions.size(start + 20s) == 4);
  CHECK(sessions.find(other, start + 30s) != nullptr);
  CHECK(sessions.find(own.back(), start + 30s) != nullptr);
  CHECK(sessions.find(own.front(), start + 30s) == nullptr);
  for (int i = 0; i < 100; ++i) sessions.open(of("user " + std::to_string(i)), start + 40s);
  CHECK(sessions.size(start + 40s) == 8);
}

TEST_CASE("sessions that are over are not counted, though nobody has come since") {
  Sessions sessions;
  sessions.open(of("anna"), start);
  sessions.open(of("bert"), start + 20min);
  CHECK(sessions.size(start + 29min) == 2);
  CHECK(sessions.size(start + 31min) == 1);
  CHECK(sessions.size(start + 51min) == 0);
}

TEST_CASE("T-59 whom a proxy names has one session, to which no cookie leads") {
  Sessions sessions;
  const Sessions::Key key = Sessions::key_of_proxied("anna");
  CHECK(sessions.at(key, start) == nullptr);
  sessions.open_proxied(of("anna"), start);
  REQUIRE(sessions.at(key, start) != nullptr);
  CHECK(sessions.at(key, start)->by_proxy);
  CHECK(sessions.find(key, start) == nullptr);
  CHECK(sessions.at(Sessions::key_of_proxied("bert"), start) == nullptr);
  CHECK(Sessions::key_of_cookie(key).empty());
  sessions.open_proxied(of("anna"), start);
  CHECK(sessions.size(start) == 1);
}
