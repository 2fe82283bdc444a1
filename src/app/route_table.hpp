// SPDX-License-Identifier: Apache-2.0
//
// [[route]] as the queue sees it, and as a reload finds it.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "queue/dispatcher.hpp"

namespace sealpost::app {

queue::RouteTable route_table(const Config& config);

struct ReloadedRoutes {
  std::vector<RouteConfig> routes;         // those that run, with the accounts that are written now
  std::vector<std::string> account_waits;  // names of those whose account stays what it was
};
// Where mail goes is read at the start; as whom we log in there, each time. But an account that is written now belongs to the hosts that are
// written beside it: it is shown to nobody else, and under no lower level of TLS.
ReloadedRoutes reloaded_routes(const std::vector<RouteConfig>& running,
                               const std::vector<RouteConfig>& wanted);

}  // namespace sealpost::app
