// SPDX-License-Identifier: Apache-2.0
#include "base/log_limit.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace sealpost::log {

bool LogLimit::allow(SteadyTime now) {
  const SteadyTime from = std::max(full_at_, now);
  if (from + step_ > now + step_ * burst_) {
    ++kept_back_;
    return false;
  }
  full_at_ = from + step_;
  if (kept_back_ > 0) info("lines_kept_back", {{"event", what_}, {"count", std::exchange(kept_back_, 0)}});
  return true;
}

}  // namespace sealpost::log
