// SPDX-License-Identifier: Apache-2.0
//
// [[route]] as the queue sees it, and what a reload keeps of the former ones.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "queue/dispatcher.hpp"

namespace sealpost::app {

queue::RouteTable route_table(const Config& config);

// A route that is held as it was (partner/rule_guard.hpp) has no account: the one that is written now may be for the hosts that
// are written, and is shown to nobody else. Where the very same hosts are in use, under no lower TLS, the one they know stays.
void keep_accounts(const std::vector<RouteConfig>& running, std::vector<RouteConfig>& routes);

// Names of smart hosts that are no more.
std::vector<std::string> routes_gone(const std::vector<RouteConfig>& former,
                                     const std::vector<RouteConfig>& routes);

}  // namespace sealpost::app
