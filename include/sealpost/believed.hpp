// SPDX-License-Identifier: Apache-2.0
//
// What is believed of the time. The system's clock can be wrong (T-50): what it says is a reading, and while there is
// reason to doubt it, the time is only known to be one of two readings. Who judges by dates takes whichever of the two
// demands more: a rule that would be in force under either is in force, an exception counts only under both.
#pragma once

#include "sealpost/clock.hpp"

namespace sealpost {

struct Believed {
  Believed() = default;
  explicit Believed(SystemTime instant) : now(instant), earliest(instant), latest(instant) {}
  SystemTime now{};  // the likelier reading: for stamps, and for days that things are counted into
  SystemTime earliest{}, latest{};  // the two readings; both are `now` without doubt
  bool in_doubt = false;
};

}  // namespace sealpost
