// SPDX-License-Identifier: Apache-2.0
//
// A partner file that is handed to the running relay to be tried (`policy replay`, `policy probe`): read and
// checked like those of the directory, put into force never.
#pragma once

#include <string>

#include "admin/policy_commands.hpp"

namespace sealpost::app {

admin::DraftRules read_draft(const std::string& text, const std::string& name, SystemTime now);

}  // namespace sealpost::app
