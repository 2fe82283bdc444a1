// SPDX-License-Identifier: Apache-2.0
//
// Who may see the web pages of control.http (docs/pages.md). Nobody: then there are none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "auth/role.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::app {

struct WebUser {
  std::string name;  // as auth::prepared_name() has it
  auth::Role role = auth::Role::viewer;
  std::string hash;  // of the password, as libcrypt writes it; empty: by the proxy's word alone
  bool operator==(const WebUser&) const = default;
};

struct WebConfig {
  std::vector<WebUser> users;
  std::vector<std::string> names;  // of hosts, besides `hostname`, that a browser may call us by; lower case
  std::vector<Network> proxies;    // whose word is taken for who a visitor is
  std::string proxy_header;        // where they say it, in lower case; empty: nowhere
  std::optional<auth::Role> proxy_role;  // of who has no entry in `users`; none: nothing is shown to him
  bool on() const noexcept { return !users.empty() || !proxy_header.empty(); }
  bool operator==(const WebConfig&) const = default;
};

}  // namespace sealpost::app
