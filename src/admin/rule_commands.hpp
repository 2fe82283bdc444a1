// SPDX-License-Identifier: Apache-2.0
//
// Trying partner rules over the control socket, on recorded sessions: `policy readiness|replay|suggest`.
#pragma once

#include "admin/policy_commands.hpp"

namespace sealpost::admin {

void serve_rule_commands(ControlServer& server, event::Loop& home, PolicyAccess access);

// What is wrong with a rule file somebody handed in.
Answer bad_draft(const DraftRules& draft);

}  // namespace sealpost::admin
