// SPDX-License-Identifier: Apache-2.0
#include "auth/entering.hpp"

#include "event/wait.hpp"

namespace sealpost::auth {
namespace {

constexpr std::chrono::milliseconds look_again{100};
constexpr int most_looks = 50;  // five seconds

}  // namespace

event::Task<Entered> enter(event::Loop& loop, Attempt& attempt, Refusal refusal) {
  for (int looks = 0;; ++looks) {
    const Brakes::Answer answer = attempt.enter(loop.steady());
    if (answer.word == Brakes::Word::go) {
      if (answer.pause > Duration()) co_await event::sleep_for(loop, answer.pause);
      co_return Entered::yes;
    }
    const bool stopped = answer.word == Brakes::Word::stop;
    if (stopped && (refusal == Refusal::said || looks == most_looks)) co_return Entered::refused;
    if (looks == most_looks) co_return Entered::crowded;
    co_await event::sleep_for(loop, look_again);
  }
}

}  // namespace sealpost::auth
