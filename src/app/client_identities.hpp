// SPDX-License-Identifier: Apache-2.0
//
// The certificates we show to partners that ask for one: read whole and checked before anything uses them (T-51, T-52).
#pragma once

#include <vector>

#include "config/toml_reader.hpp"
#include "delivery/context.hpp"

namespace sealpost::app {

// By the name of the rule. An error names rule, file and what would be right.
Expected<delivery::ClientIdentities> load_client_identities(const std::vector<PartnerRule>& partners,
                                                            const keys::Source& keys);

// Those that cannot be used, and those that end soon.
Findings check_client_identities(const std::vector<PartnerRule>& partners, SystemTime now,
                                 const keys::Source& keys);

}  // namespace sealpost::app
