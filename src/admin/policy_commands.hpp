// SPDX-License-Identifier: Apache-2.0
//
// `policy list|explain|readiness|replay` and `sts show|refresh` over the control socket.
#pragma once

#include <functional>

#include "admin/control_server.hpp"
#include "delivery/context.hpp"
#include "history/db_recorder.hpp"

namespace sealpost::admin {

// Partner rules that somebody handed in, not in force: read and checked as those of the directory.
struct DraftRules {
  DraftRules() = default;
  std::vector<PartnerRule> rules;
  std::vector<std::string> findings;  // errors and warnings, each with place and remedy
  bool ok = false;
  std::string sha256;  // of the text
};

struct PolicyAccess {
  PolicyAccess() = default;
  delivery::Context* context = nullptr;       // of the worker that answers
  event::TaskScope* scope = nullptr;          // on that worker's loop
  std::function<delivery::RulesPtr()> rules;  // any thread
  history::DbRecorder* evidence = nullptr;    // null: no session is recorded
  std::string evidence_off;                   // then why
  std::function<DraftRules(const std::string& text, const std::string& name, SystemTime now)> read_rules;
};

void serve_policy_commands(ControlServer& server, event::Loop& home, PolicyAccess access);

}  // namespace sealpost::admin
