// SPDX-License-Identifier: Apache-2.0
//
// Destination controls of a Cisco Secure Email Gateway (ESA) as `destconfig` exports them. Pure.
#pragma once

#include <string_view>

#include "importing/collector.hpp"

namespace sealpost::importing {

Expected<void> read_cisco(std::string_view text, Collector& into);

}  // namespace sealpost::importing
