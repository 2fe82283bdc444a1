// SPDX-License-Identifier: Apache-2.0
//
// The first line of `status`: is the relay well, in words. Made of what `status` says below it, so the two agree.
#pragma once

#include <nlohmann/json.hpp>

namespace sealpost::app {

// {"grade": "well" | "attention" | "critical", "text": "NOT WELL: ...", "problems": [{"grade", "what", "remedy"}]}.
// critical: the relay itself is not well, or mail does not move; attention: somebody should look.
nlohmann::json verdict_of(const nlohmann::json& status);

}  // namespace sealpost::app
