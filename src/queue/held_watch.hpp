// SPDX-License-Identifier: Apache-2.0
//
// HeldWatch: mail that the relay itself put on hold waits for an operator's word and for nothing else (D-12, D-11,
// D-03), so it is a trouble of the relay while there is any.
#pragma once

#include "base/health.hpp"
#include "event/loop.hpp"
#include "event/task.hpp"
#include "queue/dispatcher.hpp"

namespace sealpost::queue {

class HeldWatch {
 public:
  // On `loop`; the others outlive it.
  HeldWatch(event::Loop& loop, Dispatcher& dispatcher, Health& health)
      : loop_(loop), dispatcher_(dispatcher), health_(health) {}

  event::Task<void> run();   // for ever, from now on
  event::Task<void> look();  // once

 private:
  event::Loop& loop_;
  Dispatcher& dispatcher_;
  Health& health_;
};

}  // namespace sealpost::queue
