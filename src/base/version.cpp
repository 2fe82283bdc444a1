// SPDX-License-Identifier: Apache-2.0
#include "base/version.hpp"

namespace sealpost {
std::string_view version() noexcept { return "0.1.0"; }
}  // namespace sealpost
