// SPDX-License-Identifier: Apache-2.0
//
// Waiting for one's turn at the brakes, on a loop: whoever tries passwords comes this way, from a submission port or a web page.
#pragma once

#include "auth/brakes.hpp"
#include "event/loop.hpp"
#include "event/task.hpp"

namespace sealpost::auth {

enum class Entered : std::uint8_t {
  yes,      // the attempt is under way, and its pause is over
  refused,  // it has failed too often
  crowded,  // too many others of its kind were under way, for five seconds
};
// What to do about a refusal: say it, or wait up to five seconds for its end.
enum class Refusal : std::uint8_t { said, waited_for };

// `attempt` outlives the task.
event::Task<Entered> enter(event::Loop& loop, Attempt& attempt, Refusal refusal = Refusal::said);

}  // namespace sealpost::auth
