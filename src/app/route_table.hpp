// SPDX-License-Identifier: Apache-2.0
//
// [[route]] as the queue sees it.
#pragma once

#include "config/config.hpp"
#include "queue/dispatcher.hpp"

namespace sealpost::app {

queue::RouteTable route_table(const Config& config);

}  // namespace sealpost::app
