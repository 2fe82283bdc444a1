// SPDX-License-Identifier: Apache-2.0
//
// The web pages of control.http (docs/pages.md): who asks, whether he may, and the frame around what a page says. In this
// order, and nothing is shown before all of it holds:
//
//   1. the request names us as its host: another name is a page of somebody else's that leads here (DNS rebinding)
//   2. in clear from this machine alone; else TLS
//   3. a session, from a password or from the word of a proxy that is named; else the form for it
//   4. the role that the page wants
//   5. for a form: it is of our own origin, and brings the session's token along (CSRF)
//
// Pages hold no script and load nothing but our own style; the browser is told to allow nothing else.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "admin/http_server.hpp"
#include "base/log_limit.hpp"
#include "config/web_config.hpp"
#include "event/loop.hpp"
#include "event/semaphore.hpp"
#include "web/logins.hpp"
#include "web/page.hpp"
#include "web/sessions.hpp"

namespace sealpost::web {

using ConfigPtr = std::shared_ptr<const app::WebConfig>;

struct SiteSettings {
  SiteSettings() = default;
  std::string hostname;  // of the relay
  std::function<ConfigPtr()> config;
  Ask ask;
  SessionLimits sessions;
  LoginSettings logins;
};

class Site {
 public:
  Site(event::Loop& loop, SiteSettings settings);

  event::Task<admin::Page> serve(admin::Visit visit);

  std::size_t sessions() { return sessions_.size(loop_.steady()); }
  const Logins::Counters& logins() const noexcept { return logins_.counters(); }

 private:
  struct Visitor;
  struct Known;
  bool is_our_name(std::string_view host, const app::WebConfig& config) const;
  Known known(const Visitor& visitor);
  Known known_by_proxy(const Visitor& visitor, const std::string& name);
  event::Task<admin::Page> log_in(const Visitor& visitor, Form form);
  admin::Page log_out(const Visitor& visitor, const Known& known, const Form& form);
  event::Task<admin::Page> page(const Visitor& visitor, Known known, Form form);
  admin::Page login_form(int status, std::string_view words, std::string_view next) const;
  admin::Page framed(const Visitor& visitor, const Known& known, Reply reply);
  event::Task<admin::Answer> asked(std::string name, Json arguments);

  event::Loop& loop_;
  SiteSettings settings_;
  Sessions sessions_;
  Logins logins_;
  const Ask ask_;
  event::Semaphore queue_views_;  // each walks through the whole queue, on the loops that deliver it
  // Lines that a stranger can cause, and that a proxy can which names many.
  log::LogLimit refusals_{"web_login_refused", 20, 1}, proxied_{"web_login", 20, 1};
};

}  // namespace sealpost::web
