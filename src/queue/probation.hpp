// SPDX-License-Identifier: Apache-2.0
//
// What a start does with the mail it finds. A message whose attempts were cut off by three starts in a row may be what
// stops the relay: it goes first, with nothing beside it. If it does so again, the fourth start holds it, and no
// innocent mail waits for it (D-12).
#pragma once

#include <vector>

#include "event/loop.hpp"
#include "event/task.hpp"
#include "queue/dispatcher.hpp"
#include "spool/spool.hpp"

namespace sealpost::queue {

class Probation {
 public:
  Probation(event::Loop& loop, spool::Spool& spool, Dispatcher& dispatcher)
      : loop_(loop), spool_(spool), dispatcher_(dispatcher) {}

  // Hands all of it to the dispatcher; done when the suspects have had their attempt.
  event::Task<void> admit(std::vector<spool::StoredMessagePtr> recovered);

 private:
  event::Task<void> try_alone(spool::StoredMessagePtr message);
  event::Task<spool::StoredMessagePtr> hold(spool::StoredMessagePtr message);

  event::Loop& loop_;
  spool::Spool& spool_;
  Dispatcher& dispatcher_;
};

}  // namespace sealpost::queue
