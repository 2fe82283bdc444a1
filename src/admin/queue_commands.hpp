// SPDX-License-Identifier: Apache-2.0
//
// `queue list|show|why|retry|hold|release|remove` over the control socket.
#pragma once

#include "admin/control_server.hpp"
#include "queue/dispatcher.hpp"
#include "spool/spool.hpp"

namespace sealpost::admin {

// `home` is the control server's loop; dispatcher and spool outlive the server.
void serve_queue_commands(ControlServer& server, event::Loop& home, queue::Dispatcher& dispatcher,
                          spool::Spool& spool);

}  // namespace sealpost::admin
