// SPDX-License-Identifier: Apache-2.0
#include "app/route_table.hpp"

#include <algorithm>

namespace sealpost::app {
namespace {

bool same_place(const RouteConfig& one, const RouteConfig& other) {
  const auto same_name = [](const auto& a, const auto& b) { return a.name == b.name; };
  return one.relay == other.relay && one.implicit_tls == other.implicit_tls && one.level == other.level &&
         std::equal(one.hosts.begin(), one.hosts.end(), other.hosts.begin(), other.hosts.end(), same_name);
}

bool same_account(const RouteConfig& one, const RouteConfig& other) {
  return one.account->user == other.account->user && one.account->password == other.account->password &&
         one.account->token_file == other.account->token_file;
}

}  // namespace

ReloadedRoutes reloaded_routes(const std::vector<RouteConfig>& running,
                               const std::vector<RouteConfig>& wanted) {
  ReloadedRoutes reloaded;
  reloaded.routes = running;
  for (RouteConfig& route : reloaded.routes) {
    const auto again = std::find_if(wanted.begin(), wanted.end(),
                                    [&](const RouteConfig& one) { return one.name == route.name; });
    if (again == wanted.end() || !again->account || !route.account) continue;
    if (same_place(route, *again))
      route.account = again->account;
    else if (!same_account(route, *again))
      reloaded.account_waits.push_back(route.name);
  }
  return reloaded;
}

queue::RouteTable route_table(const Config& config) {
  queue::RouteTable table;
  for (const RouteConfig& route : config.routes)
    table.add(route.domain, route.senders, {route.relay, route.is_smart() ? route.name : std::string()});
  return table;
}

}  // namespace sealpost::app
