// SPDX-License-Identifier: Apache-2.0
//
// `queue list|show|why|summary` over the control socket. What changes something: queue_work.hpp.
#pragma once

#include <string>

#include "admin/control_server.hpp"
#include "queue/dispatcher.hpp"
#include "queue/filter.hpp"
#include "spool/spool.hpp"

namespace sealpost::admin {

// `home` is the control server's loop; dispatcher and spool outlive the server.
void serve_queue_commands(ControlServer& server, event::Loop& home, queue::Dispatcher& dispatcher,
                          spool::Spool& spool);
// Of a queue that was read from a journal while no relay runs: what "queue.list", "queue.show", "queue.why" or
// "queue.summary" answers.
event::Task<Answer> ask_queue(event::Loop& home, queue::Dispatcher& dispatcher, std::string name,
                              Json arguments);
// The answer to a filter with ids that means nothing.
Answer not_queued(const queue::Filter& filter);

}  // namespace sealpost::admin
