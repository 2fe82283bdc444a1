// SPDX-License-Identifier: Apache-2.0
//
// What a page is made from and what it answers. A page is one file in pages/: a coroutine that asks the relay's commands,
// and plain functions that write what they answered. Who may see it, and who may act on it, its row says (pages.cpp);
// site.cpp has looked at that before.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "admin/control_server.hpp"
#include "auth/role.hpp"
#include "event/task.hpp"
#include "web/form.hpp"
#include "web/html.hpp"
#include "web/sessions.hpp"

namespace sealpost::web {

using admin::Json;
// A command of the control socket, in this process.
using Ask = std::function<event::Task<admin::Answer>(std::string name, Json arguments)>;

struct Reply {
  Reply() = default;
  int status = 200;
  std::string title;
  Html body;             // of the main part
  std::string go;        // not empty: the browser is sent there instead
  unsigned refresh = 0;  // seconds after which it is asked for again; 0: not by itself
};
Reply see(const Url::Written& there);
// What a command answered instead of a value, with what to do about it.
Reply refusal(const admin::Answer& answer, std::string title);

// One request of somebody who is known and may do it. Outlives the page's task.
class Call {
 public:
  using Note = std::function<void(std::string words)>;
  Call(const Ask& ask, Note note, const Session& session, const Form& query_, const Form& form_, bool posted_,
       SystemTime now_)
      : query(query_),
        form(form_),
        posted(posted_),
        now(now_),
        ask_(ask),
        note_(std::move(note)),
        session_(session) {}

  const Form& query;
  const Form& form;
  const bool posted;  // by a form of ours, and the visitor has the role to act
  const SystemTime now;

  event::Task<admin::Answer> ask(std::string name, Json arguments = Json::object()) const {
    return ask_(std::move(name), std::move(arguments));
  }
  bool may(auth::Role role) const noexcept { return session_.role >= role; }
  const std::string& user() const noexcept { return session_.user; }
  // In every form that posts.
  void put_token(Html& html) const;
  // What the next page shows above all else, once.
  void note(std::string words) const { note_(std::move(words)); }
  // For logs and journals: who did it.
  std::string by() const { return "by " + session_.user + " (web)"; }

 private:
  const Ask& ask_;
  const Note note_;
  const Session session_;  // as it was when the request came
};

struct Route {
  Url at;
  std::string_view title;  // empty: not among the links above every page
  auth::Role sees;
  std::optional<auth::Role> acts;  // none: it takes no forms
  event::Task<Reply> (*make)(const Call& call);
};
std::span<const Route> routes() noexcept;  // pages/pages.cpp

}  // namespace sealpost::web
