// SPDX-License-Identifier: Apache-2.0
//
// `dns check` over the control socket: what own domains should publish, and what DNS says of it; `dns.own` lists them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "admin/control_server.hpp"
#include "publishing/item.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::admin {

using Items = std::vector<publishing::Item>;

struct DomainAccess {
  DomainAccess() = default;
  event::Loop* loop = nullptr;  // that of the server
  // Those that the configuration names; what is asked about without a name. At most ten.
  std::function<std::vector<std::string>()> own;
  // `senders`: addresses that mail leaves from, when they are not those of this machine.
  std::function<event::Task<Items>(std::string domain, std::vector<IpAddress> senders)> survey;
};

// {"domain", "exit_code", "records": [...]}: of each item `what`, `name`, `type`, `state`, `optional`, `publish` (lines of a zone
// file, or of the policy), `found`, `why`, `remedy`. For commands and pages alike.
Json to_json(const std::string& domain, const Items& items);
// {"domains": [...], "exit_code"}. `arguments`: "domain" and "addresses", both optional.
event::Task<Answer> check_domains(DomainAccess access, Json arguments);

void serve_domain_command(ControlServer& server, DomainAccess access);

}  // namespace sealpost::admin
