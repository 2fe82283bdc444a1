// SPDX-License-Identifier: Apache-2.0
#include "web/frame.hpp"

#include "web/style.hpp"

namespace sealpost::web {
namespace {

void put_head(Html& html, const std::string& title, unsigned refresh) {
  const auto head = html.in("head");
  html.alone("meta", {{"charset", "utf-8"}});
  html.alone("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  html.alone("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
  html.alone("meta", {{"name", "robots"}, {"content", "noindex"}});
  if (refresh > 0) html.refresh(refresh);
  html.put("title", title);
  html.style_sheet(Url(style_path));
  html.icon(Url(icon_path));
}

void put_links(Html& html, const Around& around) {
  const auto nav = html.in("nav", {{"aria-label", "Pages"}});
  const auto list = html.in("ul");
  for (const Route& route : routes()) {
    if (route.title.empty() || around.session->role < route.sees) continue;
    const auto item = html.in("li");
    if (route.at.path() == around.path)
      html.link(route.at, route.title, {{"aria-current", "page"}});
    else
      html.link(route.at, route.title);
  }
}

void put_visitor(Html& html, const Session& session) {
  const auto form = html.in_form(Url("/logout"), true);
  {
    const auto who = html.in("span", {{"class", "who"}});
    html.put("b", session.user);
    html.text(", " + std::string(name_of(session.role)));
  }
  html.alone("input", {{"type", "hidden"}, {"name", "token"}, {"value", session.token}});
  if (!session.by_proxy) html.put("button", {{"class", "quiet"}}, "Log out");
}

}  // namespace

std::string whole_page(const Around& around, Reply reply) {
  Html html;
  {
    const auto document = html.in("html", {{"lang", "en"}});
    put_head(html, reply.title + " - " + around.hostname, reply.refresh);
    const auto body = html.in("body");
    html.link(Url::Written::here("main"), "To the content", {{"class", "skip"}});
    {
      const auto header = html.in("header");
      {
        const auto name = html.in("p", {{"class", "name"}});
        html.put("span", {{"class", "seal"}, {"aria-hidden", "true"}}, "");
        html.text("sealpost ");
        html.put("span", {{"class", "host"}}, around.hostname);
      }
      put_links(html, around);
      put_visitor(html, *around.session);
    }
    const auto main = html.in("main", {{"id", "main"}, {"tabindex", "-1"}});
    html.put("h1", reply.title);
    if (!around.note.empty()) html.put("p", {{"class", "note"}, {"role", "status"}}, around.note);
    html.add(std::move(reply.body));
  }
  return "<!doctype html>\n" + html.take() + "\n";
}

std::string login_page(std::string_view words, const std::string& next) {
  Html html;
  {
    const auto document = html.in("html", {{"lang", "en"}});
    put_head(html, "Log in", 0);
    const auto body = html.in("body", {{"class", "login"}});
    const auto main = html.in("main", {{"id", "main"}});
    {
      const auto name = html.in("p", {{"class", "name"}});
      html.put("span", {{"class", "seal"}, {"aria-hidden", "true"}}, "");
      html.text("sealpost");
    }
    html.put("h1", "Log in");
    if (!words.empty()) html.put("p", {{"class", "note bad"}, {"role", "alert"}}, words);
    const auto form = html.in_form(Url("/login"), true);
    html.alone("input", {{"type", "hidden"}, {"name", "next"}, {"value", next}});
    html.put("label", {{"for", "name"}}, "Name");
    html.alone("input", {{"id", "name"},
                         {"name", "name"},
                         {"autocomplete", "username"},
                         {"autocapitalize", "none"},
                         {"spellcheck", "false"},
                         {"required", ""},
                         {"autofocus", ""}});
    html.put("label", {{"for", "password"}}, "Password");
    html.alone("input", {{"id", "password"},
                         {"name", "password"},
                         {"type", "password"},
                         {"autocomplete", "current-password"},
                         {"required", ""}});
    html.put("button", "Log in");
  }
  return "<!doctype html>\n" + html.take() + "\n";
}

}  // namespace sealpost::web
