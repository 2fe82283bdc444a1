// SPDX-License-Identifier: Apache-2.0
#include "web/site.hpp"

#include <algorithm>
#include <optional>

#include "auth/password.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "web/frame.hpp"
#include "web/style.hpp"

namespace sealpost::web {
namespace {

using Method = admin::HttpRequest::Method;
using admin::Page;

constexpr const char* html_type = "text/html; charset=utf-8";
constexpr std::size_t longest_logged = 128, longest_action = 1024;
constexpr std::size_t most_waiting_views = 4;  // of the queue

// Nothing from elsewhere, nothing in the page itself but words and our style, and no page of others around it.
void add_policies(Page& page) {
  page.plain = false;
  page.header(
      "Content-Security-Policy",
      "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
      "base-uri 'none'");
  page.header("Referrer-Policy", "same-origin");  // with "no-referrer" our own forms would say Origin: null
  page.header("X-Frame-Options", "DENY");
  page.header("Cross-Origin-Opener-Policy", "same-origin");
  page.header("Cross-Origin-Resource-Policy", "same-origin");
  page.header("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()");
}

Page with_policies(int status, std::string body, std::string_view type, bool kept = false) {
  Page page(status, std::move(body), type);
  add_policies(page);
  page.header("Cache-Control", kept ? "public, max-age=300" : "no-store");
  return page;
}

Page in_words(int status, const std::string& words) {
  return with_policies(status, words + "\n", "text/plain; charset=utf-8");
}

Page go_to(std::string_view where, int status = 303) {
  Page page = with_policies(status, std::string(), html_type);
  page.header("Location", where);
  return page;
}

// Empty: it is neither a name nor an address, with a port or without.
std::string_view without_port(std::string_view host) noexcept {
  const std::size_t bracket = host.starts_with('[') ? host.find(']') : 0;
  if (bracket == std::string_view::npos) return {};
  const std::size_t colon = host.find(':', bracket);
  const std::string_view port =
      colon == std::string_view::npos ? std::string_view("0") : host.substr(colon + 1);
  const std::string_view name = host.substr(0, colon);
  return text::parse_u64(port) && (bracket == 0 || name.ends_with(']')) ? name : std::string_view();
}

// Where a login leads: a page that there is, or the first one. The address came from outside.
std::string next_of(std::string_view wanted) {
  if (!std::all_of(wanted.begin(), wanted.end(), [](char c) { return c > ' ' && c < '\x7f'; })) return "/";
  const std::string_view path = wanted.substr(0, wanted.find('?'));
  for (const Route& route : routes())
    if (route.at.path() == path && wanted.size() < 1024) return std::string(wanted);
  return "/";
}

// A browser says from which site a form comes. One that says nothing of it is old, and has the token to show.
bool is_of_ours(const admin::HttpRequest& request) {
  const std::string_view site = request.field("sec-fetch-site");
  if (!site.empty() && site != "same-origin" && site != "none") return false;
  const std::string_view origin = request.field("origin");
  if (origin.empty()) return true;
  const std::size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && text::iequals(origin.substr(scheme + 3), request.field("host"));
}

std::string stamp_of(const app::WebUser& user) {
  return sha256_octets(user.hash + '\0' + std::string(name_of(user.role)));
}

const app::WebUser* find_user(const app::WebConfig& config, std::string_view name) noexcept {
  for (const app::WebUser& user : config.users)
    if (user.name == name) return &user;
  return nullptr;
}

bool same(std::string_view a,
          std::string_view b) noexcept {  // in a time that says nothing of where they differ
  unsigned char differs = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    differs = static_cast<unsigned char>(
        differs | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
  return differs == 0;
}

// What was meant, and whether it was confirmed or only counted; not the token, and of words not more than a line may have.
void log_action(const Route& page, const std::string& user, const Form& form) {
  std::string of;
  for (const auto& [name, value] : form.fields())
    if (name != "token" && name != "do" && name != "confirmed" && name != "draft" && !value.empty())
      of += (of.empty() ? "" : ", ") + name + " " + value;
  log::info("web_action", {{"user", user},
                           {"page", page.at.path()},
                           {"do", text::printable(form.value("do"), longest_logged)},
                           {"confirmed", form.value("confirmed") == "yes" ? "yes" : "no"},
                           {"of", text::printable(of, longest_action)}});
}

}  // namespace

struct Site::Visitor {
  explicit Visitor(admin::Visit visit_, ConfigPtr config_)
      : visit(std::move(visit_)), config(std::move(config_)) {}
  const admin::HttpRequest& request() const noexcept { return visit.request; }
  bool posts() const noexcept { return visit.request.method == Method::post; }
  // With this prefix a browser sets it for this host alone, over TLS alone.
  std::string_view cookie_name() const noexcept { return visit.tls ? "__Host-sealpost" : "sealpost"; }
  void set_cookie(Page& page, std::string_view value) const {
    page.header("Set-Cookie", std::string(cookie_name()) + "=" + std::string(value) +
                                  "; Path=/; HttpOnly; SameSite=Strict" + (visit.tls ? "; Secure" : "") +
                                  (value.empty() ? "; Max-Age=0" : ""));
  }
  admin::Visit visit;
  const ConfigPtr config;
};

struct Site::Known {
  Known() = default;
  std::optional<Session> session;  // as it is now; none: nobody is logged in
  Sessions::Key key;               // of the session
  std::string refused;             // whom the proxy names and nobody knows
};

Site::Site(event::Loop& loop, SiteSettings settings)
    : loop_(loop),
      settings_(std::move(settings)),
      sessions_(settings_.sessions),
      logins_(loop, std::move(settings_.logins)),
      ask_([this](std::string name, Json arguments) { return asked(std::move(name), std::move(arguments)); }),
      queue_views_(loop, 1) {}

// What looks through the queue is done for one visitor at a time, however many there are.
event::Task<admin::Answer> Site::asked(std::string name, Json arguments) {
  event::Semaphore::Permit turn;
  if (name.starts_with("queue.")) {
    if (queue_views_.waiting() >= most_waiting_views)
      co_return admin::Answer(503, "others are looking at the queue at this moment",
                              "try again in some seconds");
    turn = co_await queue_views_.acquire();
  }
  co_return co_await settings_.ask(std::move(name), std::move(arguments));
}

// An address is nobody else's name; a name may have been pointed here by somebody, to read with our visitor's browser.
bool Site::is_our_name(std::string_view host, const app::WebConfig& config) const {
  const std::string name = text::lower(without_port(host));
  if (name.size() > 2 && name.front() == '[' && name.back() == ']')
    return IpAddress::parse(name.substr(1, name.size() - 2)).has_value();
  if (IpAddress::parse(name) || name == "localhost" || name == settings_.hostname) return true;
  return std::find(config.names.begin(), config.names.end(), name) != config.names.end();
}

event::Task<Page> Site::serve(admin::Visit came) {
  const Visitor visitor(std::move(came), settings_.config());
  const admin::HttpRequest& request = visitor.request();
  const std::string_view host = request.field("host");
  if (!is_our_name(host, *visitor.config))
    co_return in_words(421, "this relay is not called '" + text::printable(host, 100) +
                                "'; add the name to control.http_names if it should be");
  if (!visitor.visit.tls && !visitor.visit.client.is_loopback()) {
    if (visitor.posts()) co_return in_words(403, "from another machine over https alone");
    std::string there = "https://" + std::string(host) + request.path;
    if (!request.query.empty()) there += "?" + request.query;
    co_return go_to(there, 308);
  }
  if (request.path == style_path && !visitor.posts())
    co_return with_policies(200, std::string(style_sheet()), "text/css; charset=utf-8", true);
  if (request.path == icon_path && !visitor.posts())
    co_return with_policies(200, std::string(icon()), "image/svg+xml", true);
  auto form = Form::read(visitor.posts() ? std::string_view(visitor.visit.form) : request.query);
  if (!form) co_return in_words(400, form.error().detail);
  if (visitor.posts() && !is_of_ours(request)) co_return in_words(403, "this form is of another site");
  if (request.path == "/login" && visitor.posts()) co_return co_await log_in(visitor, std::move(*form));
  Known who = known(visitor);
  if (!who.refused.empty())
    co_return in_words(403, "'" + text::printable(who.refused, longest_logged) + "' may not see these pages");
  if (!who.session) {
    if (visitor.posts())
      co_return login_form(403, "The session is over. Nothing was done; log in again.", "/");
    const std::string wanted = request.path + (request.query.empty() ? "" : "?" + request.query);
    if (request.path == "/login") co_return login_form(200, {}, form->value("next"));
    co_return go_to(Url("/login").with("next", next_of(wanted) == "/" ? "" : next_of(wanted)).text());
  }
  if (request.path == "/logout" && visitor.posts()) co_return log_out(visitor, who, *form);
  if (request.path == "/login") co_return go_to("/");
  co_return co_await page(visitor, std::move(who), std::move(*form));
}

Site::Known Site::known(const Visitor& visitor) {
  const app::WebConfig& config = *visitor.config;
  const auto& proxies = config.proxies;
  const bool by_proxy = !config.proxy_header.empty() &&
                        std::any_of(proxies.begin(), proxies.end(),
                                    [&](const Network& one) { return one.contains(visitor.visit.client); });
  if (by_proxy)
    if (const auto name = auth::prepared_name(visitor.request().field(config.proxy_header)))
      return known_by_proxy(visitor, *name);
  Known who;
  const auto sent = cookie(visitor.request().field("cookie"), visitor.cookie_name());
  if (!sent) return who;
  const Session* session = sessions_.find(*sent, loop_.steady());
  if (session == nullptr || session->by_proxy) return who;
  const app::WebUser* user = find_user(config, session->user);
  if (user == nullptr || stamp_of(*user) != session->stamp) {
    sessions_.close(*sent);
    return who;
  }
  who.key = Sessions::key_of_cookie(*sent);
  who.session = *session;
  return who;
}

Site::Known Site::known_by_proxy(const Visitor& visitor, const std::string& name) {
  Known who;
  const app::WebUser* user = find_user(*visitor.config, name);
  const auto role = user != nullptr ? std::optional(user->role) : visitor.config->proxy_role;
  const std::string client = visitor.visit.client.to_string();
  if (!role) {
    if (refusals_.allow(loop_.steady()))
      log::warning("web_login_refused",
                   {{"user", text::printable(name, longest_logged)}, {"client", client}, {"by", "proxy"}});
    who.refused = name;
    return who;
  }
  who.key = Sessions::key_of_proxied(name);
  const Session* session = sessions_.at(who.key, loop_.steady());
  if (session == nullptr || session->role != *role) {
    Session begun;
    begun.user = name;
    begun.role = *role;
    sessions_.open_proxied(std::move(begun), loop_.steady());
    session = sessions_.at(who.key, loop_.steady());
    if (proxied_.allow(loop_.steady()))
      log::info("web_login", {{"user", text::printable(name, longest_logged)},
                              {"role", name_of(*role)},
                              {"client", client},
                              {"by", "proxy"}});
  }
  who.session = *session;
  return who;
}

event::Task<Page> Site::log_in(const Visitor& visitor, Form form) {
  const std::string next = next_of(form.value("next"));
  const auto name = auth::prepared_name(form.value("name"));
  const app::WebUser* user = name ? find_user(*visitor.config, *name) : nullptr;
  const auto password = std::make_shared<const auth::Secret>(form.as_typed("password"));
  const std::string hash = user != nullptr ? user->hash : std::string();
  const std::string tried = name ? *name : "(malformed)";
  const Login login = co_await logins_.check(visitor.visit.client, tried, password, hash);
  const std::string client = visitor.visit.client.to_string();
  switch (login) {
    case Login::right: break;
    case Login::wrong:
      if (refusals_.allow(loop_.steady()))
        log::warning("web_login_refused",
                     {{"user", text::printable(tried, longest_logged)}, {"client", client}});
      co_return login_form(401, "Wrong name or password.", next);
    case Login::too_many: co_return login_form(429, "Too many attempts failed. Wait a while.", next);
    case Login::busy: co_return login_form(503, "Too many log in at once. Try again in a moment.", next);
  }
  // It took a while: he may not be what he was.
  const ConfigPtr now = settings_.config();
  const app::WebUser* still = find_user(*now, *name);
  if (still == nullptr || still->hash != hash) co_return login_form(401, "Wrong name or password.", next);
  Session session;
  session.user = still->name;
  session.role = still->role;
  session.stamp = stamp_of(*still);
  // Whoever has put a session into this browser before has no part in the new one.
  if (const auto before = cookie(visitor.request().field("cookie"), visitor.cookie_name()))
    sessions_.close(*before);
  Page answer = go_to(next);
  visitor.set_cookie(answer, sessions_.open(std::move(session), loop_.steady()));
  log::info("web_login", {{"user", still->name}, {"role", name_of(still->role)}, {"client", client}});
  co_return answer;
}

Page Site::log_out(const Visitor& visitor, const Known& known, const Form& form) {
  if (!same(form.value("token"), known.session->token))
    return in_words(403, "the form is not of this session");
  sessions_.end(known.key);
  log::info("web_logout", {{"user", known.session->user}});
  Page answer = go_to("/login");
  visitor.set_cookie(answer, {});
  return answer;
}

event::Task<Page> Site::page(const Visitor& visitor, Known who, Form form) {
  const bool posts = visitor.posts();
  const Route* found = nullptr;
  for (const Route& route : routes())
    if (route.at.path() == visitor.request().path) found = &route;
  Reply reply;
  if (found == nullptr) {
    reply.status = 404;
    reply.title = "No such page";
    reply.body.put("p", "There is no page of this address.");
    co_return framed(visitor, who, std::move(reply));
  }
  if (posts && !same(form.value("token"), who.session->token))
    co_return in_words(403, "the form is not of this session; go back, load the page again and repeat it");
  if (posts && !found->acts) co_return in_words(405, "this page takes no forms");
  const auth::Role wanted = posts ? *found->acts : found->sees;
  if (who.session->role < wanted) {
    reply.status = 403;
    reply.title = "Not for you";
    reply.body.put("p", "This " + std::string(posts ? "action" : "page") + " is for the role " +
                            std::string(name_of(wanted)) + "; you are " +
                            std::string(name_of(who.session->role)) + ".");
    co_return framed(visitor, who, std::move(reply));
  }
  if (posts) log_action(*found, who.session->user, form);
  const Form nothing;
  auto note = [this, key = who.key](std::string words) {
    if (Session* session = sessions_.at(key, loop_.steady())) session->note = std::move(words);
  };
  const Call call(ask_, std::move(note), *who.session, posts ? nothing : form, posts ? form : nothing, posts,
                  loop_.date());
  reply = co_await found->make(call);
  co_return framed(visitor, who, std::move(reply));
}

Page Site::login_form(int status, std::string_view words, std::string_view next) const {
  return with_policies(status, login_page(words, next_of(next)), html_type);
}

Page Site::framed(const Visitor& visitor, const Known& known, Reply reply) {
  const Session& session = *known.session;
  Page answer = go_to(reply.go);
  if (reply.go.empty()) {
    // Shown now, and not again; one that came meanwhile is for the next page.
    Session* kept = sessions_.at(known.key, loop_.steady());
    const std::string note = kept == nullptr ? std::string() : std::exchange(kept->note, std::string());
    Around around;
    around.hostname = settings_.hostname;
    around.path = visitor.request().path;
    around.note = note;
    around.session = &session;
    const int status = reply.status;
    answer = with_policies(status, whole_page(around, std::move(reply)), html_type);
  }
  return answer;
}

}  // namespace sealpost::web
