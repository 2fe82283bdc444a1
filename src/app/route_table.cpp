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

const RouteConfig* find(const std::vector<RouteConfig>& routes, const std::string& name) {
  const auto found =
      std::find_if(routes.begin(), routes.end(), [&](const auto& one) { return one.name == name; });
  return found == routes.end() ? nullptr : &*found;
}

}  // namespace

void keep_accounts(const std::vector<RouteConfig>& running, std::vector<RouteConfig>& routes) {
  for (RouteConfig& route : routes) {
    if (route.account || route.credentials.empty()) continue;
    const RouteConfig* former = find(running, route.name);
    if (former != nullptr && former->account && same_place(*former, route)) route.account = former->account;
  }
}

std::vector<std::string> routes_gone(const std::vector<RouteConfig>& former,
                                     const std::vector<RouteConfig>& routes) {
  std::vector<std::string> gone;
  for (const RouteConfig& route : former) {
    const RouteConfig* now = find(routes, route.name);
    if (route.is_smart() && (now == nullptr || !now->is_smart())) gone.push_back(route.name);
  }
  return gone;
}

queue::RouteTable route_table(const Config& config) {
  queue::RouteTable table;
  for (const RouteConfig& route : config.routes)
    table.add(route.domain, route.senders, {route.relay, route.is_smart() ? route.name : std::string()});
  return table;
}

}  // namespace sealpost::app
