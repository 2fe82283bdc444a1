// SPDX-License-Identifier: Apache-2.0
//
// Logging in at a smart host (RFC 4954), when the session has proven what the route asks for and never before. Whatever goes wrong
// is temporary: a password that was changed must not send back everybody's mail. `status` lists it as a trouble.
#pragma once

#include <optional>
#include <string>

#include "delivery/context.hpp"
#include "delivery/outcome.hpp"
#include "delivery/plan.hpp"

namespace sealpost::delivery {

// Nothing: logged in. `plan` has a smart host with an account; all that is passed outlives the task.
event::Task<std::optional<Refusal>> log_in(Context& context, const Plan& plan, const std::string& host,
                                           const Endpoint& endpoint, const SessionFacts& facts,
                                           smtp::ClientSession& session);

// What a login that was refused is listed as in `status`, of the route with this name.
std::string login_trouble(const std::string& route);

// Why nobody logs in there now, if that is so.
std::optional<Refusal> login_waits(const SmartHost& smart_host, SteadyTime now);

}  // namespace sealpost::delivery
