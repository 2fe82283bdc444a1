// SPDX-License-Identifier: Apache-2.0
//
// The ledger of the running relay, from its configuration: where it lies, who signs it, where its heads are copied to.
#pragma once

#include <memory>

#include "base/health.hpp"
#include "config/config.hpp"
#include "ledger/follower.hpp"

namespace sealpost::app {

// Errc::newer alone is a reason not to start (D-26); with anything else the file is taken up when it can be. `health` outlives it.
Expected<std::unique_ptr<ledger::LedgerFollower>> open_ledger(const Config& config, Health& health);

}  // namespace sealpost::app
