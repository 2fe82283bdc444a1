// SPDX-License-Identifier: Apache-2.0
#include "app/route_table.hpp"

namespace sealpost::app {

queue::RouteTable route_table(const Config& config) {
  queue::RouteTable table;
  for (const RouteConfig& route : config.routes)
    table.add(route.domain, route.senders, {route.relay, route.is_smart() ? route.name : std::string()});
  return table;
}

}  // namespace sealpost::app
