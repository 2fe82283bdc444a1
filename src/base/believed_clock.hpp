// SPDX-License-Identifier: Apache-2.0
//
// BelievedClock: the system's clock, checked against steady time while the relay runs and against the newest time ever
// recorded when it starts (T-50). Pure; shared_clock.hpp is the one that threads share, app/clock_keeper records.
// Why it decides as it does: docs/adr/0017-dates-are-judged-by-a-believed-clock.md.
#pragma once

#include <optional>

#include "sealpost/believed.hpp"

namespace sealpost {

class BelievedClock {
 public:
  // More than that against steady time is a step.
  static constexpr std::chrono::minutes tolerance{5};
  // At a start: so long after the newest recorded time the relay may just have been switched off.
  static constexpr std::chrono::days silence{3};
  // At a first start, when nothing later than the release was ever believed: so long after it a program is still in use.
  static constexpr std::chrono::days service{5 * 365};
  // A doubted clock that goes on evenly for that long is believed, when its step was not too long to be real.
  static constexpr std::chrono::hours confirm{1};
  static constexpr std::chrono::days longest_ahead{7};
  static constexpr std::chrono::days longest_behind{1};

  enum class Doubt : std::uint8_t {
    none,
    behind,  // the clock is behind what is known to have passed
    ahead,   // the clock is ahead of what can have passed, as far as anyone watched
  };

  // `built`: when this program was made. `recorded`: the newest time an earlier life believed; none at a first start.
  BelievedClock(SystemTime built, std::optional<SystemTime> recorded, SystemTime wall, SteadyTime steady);

  // What is believed now that the clock says `wall`. Steady time never falls.
  Believed observe(SystemTime wall, SteadyTime steady);
  // An operator's word: the clock is right, also when that means going back.
  void believe(SystemTime wall, SteadyTime steady);
  // A certificate that its authority vouches for was issued then: so much time has passed at least. Counts while the
  // clock is ahead, and ends the doubt when that makes the rest of the step short enough.
  void witness(SystemTime issued, SteadyTime steady);

  Doubt doubt() const noexcept { return doubt_; }
  // What a later life is to know: the newest time ever believed. No later than the release while nothing tells how long
  // ago that was.
  SystemTime to_record() const noexcept { return settled_ || away_ == silence ? newest_ : built_; }
  // How far the clock was off what was expected when it was last observed; negative: behind.
  std::chrono::microseconds off() const noexcept { return off_; }
  // The clock goes on evenly since then; of meaning in doubt.
  SteadyTime even_since() const noexcept { return even_steady_; }
  std::uint64_t steps() const noexcept { return steps_; }  // how often doubt began

 private:
  SystemTime expected(SteadyTime steady) const noexcept;
  void agree(SystemTime wall, SteadyTime steady) noexcept;
  bool may_agree(SystemTime wall, SteadyTime steady) noexcept;
  Believed certain(SystemTime wall) noexcept;

  SystemTime built_;
  SystemTime newest_;       // that `now` has ever been: it does not go behind
  std::chrono::days away_;  // as long may have passed before this life
  SystemTime base_{};       // believed at base_steady_; from there steady time counts
  SteadyTime base_steady_{};
  bool settled_ = false;  // clock and expectation have agreed since the start
  Doubt doubt_ = Doubt::none;
  SystemTime even_wall_{};  // where the doubted clock began to go evenly
  SteadyTime even_steady_{};
  std::chrono::microseconds off_{0};
  std::uint64_t steps_ = 0;
};

}  // namespace sealpost
