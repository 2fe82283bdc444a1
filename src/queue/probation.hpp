// SPDX-License-Identifier: Apache-2.0
//
// What a start does with the mail it finds. A message whose attempts were cut off by three starts in a row may be what
// stops the relay (D-12), and so may be any innocent one that was always under way when the host lost power. Nobody
// waits for the difference: the relay listens and delivers, and the suspects are tried behind its back, one at a time.
// If the relay stops all the same, those that were under way are tried once more with nothing beside them, for a short
// time that is one for all; each is on record as held while it is. Whoever stops the relay then stays held (ADR 20).
#pragma once

#include <string>
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

  // At once, before mail is taken: hands what is not suspect to the dispatcher.
  void begin(std::vector<spool::StoredMessagePtr> recovered);
  // Tries the suspects. Mail is taken meanwhile.
  event::Task<void> run();

 private:
  event::Task<void> try_alone(spool::StoredMessagePtr message, Duration limit);
  event::Task<bool> try_for(MessageId id, Duration limit);  // false: it is still under way
  event::Task<void> keep_an_operators_hold(MessageId id);
  event::Task<void> clear(spool::StoredMessagePtr message);

  event::Loop& loop_;
  spool::Spool& spool_;
  Dispatcher& dispatcher_;
  std::vector<spool::StoredMessagePtr> rest_;      // while it must wait
  std::vector<spool::StoredMessagePtr> suspects_;  // three times in a row
  std::vector<spool::StoredMessagePtr> grave_;     // and once more as a suspect
};

// The hold of a message that stopped the relay with nothing beside it begins with this.
inline constexpr std::string_view held_by_probation = "the relay stopped while delivering it, alone";

}  // namespace sealpost::queue
