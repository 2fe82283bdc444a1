// SPDX-License-Identifier: Apache-2.0
//
// `queue list|show|why|summary` over the control socket. What changes something: queue_work.hpp.
#pragma once

#include "admin/control_server.hpp"
#include "queue/dispatcher.hpp"
#include "queue/filter.hpp"
#include "spool/spool.hpp"

namespace sealpost::admin {

// `home` is the control server's loop; dispatcher and spool outlive the server.
void serve_queue_commands(ControlServer& server, event::Loop& home, queue::Dispatcher& dispatcher,
                          spool::Spool& spool);
// The answer to a filter with ids that means nothing.
Answer not_queued(const queue::Filter& filter);

}  // namespace sealpost::admin
