// SPDX-License-Identifier: Apache-2.0
//
// Who may see the web pages (docs/pages.md).
#include <algorithm>

#include "auth/password.hpp"
#include "base/text.hpp"
#include "config/checks.hpp"
#include "config/sections.hpp"
#include "mail/address.hpp"

namespace sealpost::app {
namespace {

constexpr std::size_t most_users = 200;

void read_user(TableReader& reader, WebConfig& web) {
  WebUser user;
  reader.required("name");
  reader.required("role");
  if (const auto typed = reader.string("name")) {
    const auto name = auth::prepared_name(*typed);
    if (!name)
      reader.error("name", name.error().detail);
    else if (std::any_of(web.users.begin(), web.users.end(),
                         [&](const auto& one) { return one.name == *name; }))
      reader.error("name", "'" + *name + "' is there already");
    else
      user.name = *name;
  }
  if (const auto role = reader.choice("role", {"viewer", "compliance", "operator"}))
    user.role = *auth::role_of(*role);
  if (const auto hash = reader.string("password")) {
    user.hash = *hash;
    if (!auth::is_fit(*hash))
      reader.error("password", "is not the hash of a password; 'sealpost user web NAME' makes one");
  }
  if (web.users.size() == most_users)
    reader.error("name", "more than 200 users; let a proxy say who they are");
  if (web.users.size() < most_users) web.users.push_back(std::move(user));
}

void read_proxy(TableReader& reader, WebConfig& web) {
  read_networks(reader, "http_proxy_from", web.proxies);
  for (const Network& network : web.proxies)
    if (network.to_string().ends_with("/0"))
      reader.error("http_proxy_from", "'" + network.to_string() + "' is everyone; name the proxy's address");
  if (const auto header = reader.string("http_proxy_header")) {
    web.proxy_header = text::lower(*header);
    const bool good =
        !header->empty() && header->size() <= 100 && std::all_of(header->begin(), header->end(), [](char c) {
          return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
        });
    if (!good)
      reader.error("http_proxy_header",
                   "'" + *header + "' is no header field; write it as \"X-Remote-User\"");
    if (web.proxies.empty())
      reader.error("http_proxy_header",
                   "whose word is taken is not said; name the proxy: http_proxy_from = [\"127.0.0.1/32\"]");
  } else if (!web.proxies.empty()) {
    reader.warning("http_proxy_from", "says nothing while http_proxy_header is not set");
  }
  if (const auto role = reader.choice("http_proxy_role", {"none", "viewer", "compliance", "operator"}))
    web.proxy_role = auth::role_of(*role);
}

}  // namespace

void read_web(TableReader& control, Config& config) {
  WebConfig& web = config.web;
  if (const auto names = control.strings("http_names"))
    for (const std::string& typed : *names) {
      auto name = to_a_labels(typed);
      if (name)
        web.names.push_back(text::lower(*name));
      else
        control.error("http_names", "'" + typed + "' is not the name of a host: " + name.error().detail);
    }
  read_proxy(control, web);
  control.each_table("user", [&](TableReader& reader) {
    read_user(reader, web);
    if (!web.users.empty() && web.users.back().hash.empty() && web.proxy_header.empty() &&
        !reader.has("password"))
      reader.error("password", "is missing, and no proxy says who it is; 'sealpost user web NAME' makes one");
  });
  if (!web.on()) return;
  if (!config.control_http) {
    if (!control.has("http"))
      control.warning(web.users.empty() ? "http_proxy_header" : "user", "says nothing while http is not set");
    return;
  }
  if (!config.control_http->address.is_loopback() && config.certificates.empty())
    control.error(
        "http",
        "'" + config.control_http->to_string() +
            "' is not an address of this machine alone, and passwords never go in clear to another one: "
            "set certificate and key in [tls], or use \"127.0.0.1:" +
            std::to_string(config.control_http->port) + "\" and a proxy that has TLS");
}

}  // namespace sealpost::app
