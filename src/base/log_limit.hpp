// SPDX-License-Identifier: Apache-2.0
//
// LogLimit: a cap on lines that a stranger can cause, so that nobody fills the disk by connecting (T-48). A
// bucket of `burst` lines that refills by `per_second`; what it kept back is told in one line when there is
// room again. Not thread-safe: one for each loop.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "sealpost/clock.hpp"

namespace sealpost::log {

class LogLimit {
 public:
  // `what` names the lines in the note about those kept back; a literal.
  LogLimit(std::string_view what, std::uint32_t burst, std::uint32_t per_second) noexcept
      : what_(what), burst_(burst), step_(Duration(std::chrono::seconds(1)) / std::max(per_second, 1U)) {}

  // True: write the line. Counts it otherwise.
  bool allow(SteadyTime now);

 private:
  std::string_view what_;
  std::uint32_t burst_;
  Duration step_;                // between two tokens
  SteadyTime full_at_{};         // when the bucket is full again
  std::uint64_t kept_back_ = 0;  // since the last note
};

}  // namespace sealpost::log
