// SPDX-License-Identifier: Apache-2.0
//
// `policy probe` over the control socket: a live look at every MX host of a domain (delivery/probe.hpp).
#pragma once

#include "admin/policy_commands.hpp"

namespace sealpost::admin {

void serve_probe_command(ControlServer& server, event::Loop& home, PolicyAccess access);

}  // namespace sealpost::admin
