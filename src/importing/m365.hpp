// SPDX-License-Identifier: Apache-2.0
//
// Outbound connectors of Exchange Online: what Get-OutboundConnector gives, through ConvertTo-Json or Export-Csv. Pure.
#pragma once

#include <string_view>

#include "importing/collector.hpp"

namespace sealpost::importing {

// Errc::invalid, too_long: neither JSON nor rows with the columns it takes.
Expected<void> read_m365(std::string_view text, Collector& into);

}  // namespace sealpost::importing
