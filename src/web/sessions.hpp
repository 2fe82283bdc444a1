// SPDX-License-Identifier: Apache-2.0
//
// Who is logged in to the pages. A session is a cookie that cannot be guessed, kept here as its digest; it ends when it is not
// used for a while, after a day's work, at logout, and when its user is changed. There are `most` of them and `most_of_user` of
// one user; a further one ends the one that was not used for longest. Whom a proxy names has one session, without a cookie: it
// is the proxy's word at each request that lets him in. In memory alone: a restart ends all. One loop's.
#pragma once

#include <string>
#include <string_view>

#include "auth/bounded_table.hpp"
#include "auth/role.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::web {

struct SessionLimits {
  SessionLimits() = default;
  Duration idle = std::chrono::minutes(30);
  Duration whole = std::chrono::hours(12);
  std::size_t most = 256, most_of_user = 16;
};

struct Session {
  Session() = default;
  std::string user;
  std::string stamp;  // of the user, as he was; with another one the session is over
  auth::Role role = auth::Role::viewer;
  bool by_proxy = false;  // holds only together with the proxy's word
  std::string token;      // what a form of ours brings along, and one of another site cannot know
  std::string note;       // to be shown once
  SteadyTime began{}, used{};
};

class Sessions {
 public:
  explicit Sessions(SessionLimits limits = {}) : limits_(limits), table_(limits.most) {}

  // By what a session is found again; the cookie is not kept.
  using Key = std::string;
  static Key key_of_cookie(std::string_view cookie);
  static Key key_of_proxied(std::string_view user);

  // What the cookie is to hold. The session gets its token here.
  std::string open(Session session, SteadyTime now);
  void open_proxied(Session session, SteadyTime now);
  // Null: there is none, or it is over. Counts as use. Until the next call.
  Session* at(const Key& key, SteadyTime now);
  Session* find(std::string_view cookie, SteadyTime now) { return at(key_of_cookie(cookie), now); }
  void end(const Key& key) { table_.erase(key); }
  void close(std::string_view cookie) { end(key_of_cookie(cookie)); }
  std::size_t size(SteadyTime now);  // of those that are not over

 private:
  void put(const Key& key, Session session, SteadyTime now);
  void forget_over(SteadyTime now);
  bool is_over(const Session& session, SteadyTime now) const noexcept;
  void make_room(const std::string& user, SteadyTime now);

  const SessionLimits limits_;
  auth::BoundedTable<Session> table_;  // by digest of the cookie
};

}  // namespace sealpost::web
