// SPDX-License-Identifier: Apache-2.0
//
// `policy list|explain` and `sts show|refresh` over the control socket.
#pragma once

#include <functional>

#include "admin/control_server.hpp"
#include "delivery/context.hpp"

namespace sealpost::admin {

struct PolicyAccess {
  PolicyAccess() = default;
  delivery::Context* context = nullptr;       // of the worker that answers
  event::TaskScope* scope = nullptr;          // on that worker's loop
  std::function<delivery::RulesPtr()> rules;  // any thread
};

void serve_policy_commands(ControlServer& server, event::Loop& home, PolicyAccess access);

}  // namespace sealpost::admin
