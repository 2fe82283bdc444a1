// SPDX-License-Identifier: Apache-2.0
#include "base/believed_clock.hpp"

#include <algorithm>

namespace sealpost {
namespace {

using std::chrono::microseconds;

microseconds passed(SteadyTime from, SteadyTime to) noexcept {
  return std::chrono::duration_cast<microseconds>(to - from);
}

bool near(microseconds off) noexcept {
  return off <= BelievedClock::tolerance && off >= -BelievedClock::tolerance;
}

}  // namespace

BelievedClock::BelievedClock(SystemTime built, std::optional<SystemTime> recorded, SystemTime wall,
                             SteadyTime steady)
    : built_(built),
      newest_(std::max(built, recorded.value_or(built))),
      away_(newest_ > built ? silence : service),
      base_(newest_),
      base_steady_(steady),
      even_wall_(wall),
      even_steady_(steady) {
  observe(wall, steady);
}

SystemTime BelievedClock::expected(SteadyTime steady) const noexcept {
  return base_ + passed(base_steady_, steady);
}

void BelievedClock::agree(SystemTime wall, SteadyTime steady) noexcept {
  base_ = wall;
  base_steady_ = steady;
  settled_ = true;
}

Believed BelievedClock::certain(SystemTime wall) noexcept {
  doubt_ = Doubt::none;
  newest_ = std::max(newest_, wall);
  return Believed(newest_);
}

// The clock is not where it was expected. Is it believed all the same?
bool BelievedClock::may_agree(SystemTime wall, SteadyTime steady) noexcept {
  if (wall < built_) return false;
  if (!settled_ && off_ >= microseconds(0) && off_ <= away_) return true;
  if (!near(wall - even_wall_ - passed(even_steady_, steady))) {  // it jumps about
    even_wall_ = wall;
    even_steady_ = steady;
  }
  if (passed(even_steady_, steady) < confirm) return false;
  return off_ > microseconds(0) ? off_ <= longest_ahead : newest_ - wall <= longest_behind;
}

Believed BelievedClock::observe(SystemTime wall, SteadyTime steady) {
  const SystemTime before = expected(steady);
  off_ = wall - before;
  // Small steps back that add up are one long step back.
  const bool agrees =
      near(off_) && newest_ - wall <= std::max<microseconds>(longest_behind, tolerance) && wall >= built_;
  if (agrees) {
    // Looked at over an hour: what drifts is followed, what steps is seen.
    if (!settled_ || passed(base_steady_, steady) >= confirm) agree(wall, steady);
    return certain(wall);
  }
  const Doubt kind = off_ > microseconds(0) ? Doubt::ahead : Doubt::behind;
  if (doubt_ != kind) {
    even_wall_ = wall;
    even_steady_ = steady;
  }
  if (may_agree(wall, steady)) {
    agree(wall, steady);
    return certain(wall);
  }
  if (doubt_ == Doubt::none) ++steps_;
  doubt_ = kind;
  Believed believed(std::max(before, newest_));
  newest_ = believed.now;
  believed.in_doubt = true;
  if (kind == Doubt::ahead)
    believed.latest = std::max(wall, believed.now);
  else
    believed.earliest = std::min(std::max(wall, built_), believed.now);
  return believed;
}

void BelievedClock::believe(SystemTime wall, SteadyTime steady) {
  agree(wall, steady);
  newest_ = std::max(wall, built_);
  off_ = microseconds(0);
  doubt_ = Doubt::none;
}

void BelievedClock::witness(SystemTime issued, SteadyTime steady) {
  if (doubt_ != Doubt::ahead) return;
  const SystemTime now = expected(steady);
  if (issued <= now || issued > now + off_) return;
  off_ -= issued - now;
  base_ = issued;
  base_steady_ = steady;
}

}  // namespace sealpost
