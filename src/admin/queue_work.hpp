// SPDX-License-Identifier: Apache-2.0
//
// `queue hold|release|retry|expire|bounce|remove` over the control socket: {"filter": .., "all": bool, "preview": bool,
// "note": ".."}. An empty filter means nothing without "all". The answer says of how many messages and recipients it is,
// or with "preview" would be, and how many of those meant are passed over, and why. A part of a large number is done at
// once; "left" says how many messages remain for the next request.
#pragma once

#include "admin/control_server.hpp"
#include "queue/dispatcher.hpp"
#include "spool/spool.hpp"

namespace sealpost::admin {

void serve_queue_work(ControlServer& server, event::Loop& home, queue::Dispatcher& dispatcher,
                      spool::Spool& spool);

}  // namespace sealpost::admin
