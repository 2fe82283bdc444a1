// SPDX-License-Identifier: Apache-2.0
//
// The version as users see it.
#pragma once

#include <string_view>

namespace sealpost {
std::string_view version() noexcept;  // "0.1.0"
}
