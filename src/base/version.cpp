// SPDX-License-Identifier: Apache-2.0
#include "base/version.hpp"

namespace sealpost {
std::string_view version() noexcept { return "0.1.0"; }
SystemTime built() noexcept {
  return std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);  // moved on with each release
}
}  // namespace sealpost
