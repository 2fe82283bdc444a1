// SPDX-License-Identifier: Apache-2.0
//
// A file that a command makes for whoever asked for it.
#pragma once

#include <string>

#include "sealpost/expected.hpp"

namespace sealpost::cli {

// Whole or not at all, in the place of a former one; readable for others, since whoever reads it need not be who made it.
Expected<void> write_result(const std::string& path, const std::string& octets);

}  // namespace sealpost::cli
