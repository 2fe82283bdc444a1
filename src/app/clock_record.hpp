// SPDX-License-Identifier: Apache-2.0
//
// The newest time ever believed, on disk: <data_dir>/clock, one line of RFC 3339. A start compares the system's clock with
// it (base/believed_clock.hpp).
#pragma once

#include <optional>
#include <string>

#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::app {

struct ClockRecord {
  std::optional<SystemTime> time;  // none: nothing was ever recorded here
  std::string trouble;             // the file is there and says nothing: why, and what was taken instead
};
// Without a readable file, what the relay's other files were last written at counts when it is later than `wall`: it
// tells of a clock that went back.
ClockRecord read_clock_record(const std::string& data_dir, SystemTime wall);
// Durable when it succeeds, and then the former one is gone; else that is untouched.
Expected<void> write_clock_record(const std::string& data_dir, SystemTime time);

}  // namespace sealpost::app
