// SPDX-License-Identifier: Apache-2.0
//
// The configuration as it is meant: the file, and the partner rules of the directory that it names. Everything that
// loads one loads both, so that no command judges by half of it. This is the front of the room; in order:
//
//   1. policy_directory, partner_file.hpp   the rule files, read and checked whole
//   2. floor_settings.hpp                   what the configuration demands beside them
//   3. rule_guard.hpp                       compared with what was in force: nothing gets weaker unsaid (ADR 15)
//   4. rule_keeper.hpp, rules_store.hpp     kept on disk, with their history, before anything decides by them
//   5. rule_calendar.hpp                    the dates they carry, told while the relay runs
//
// comparison.hpp is `sealpost check --against`. Which rule governs a domain is libsealpost's (sealpost/partner.hpp).
#pragma once

#include <string>

#include "config/config.hpp"

namespace sealpost::app {

// As read_config(); the rules' findings follow those of the file.
LoadResult load_config(const std::string& path);

}  // namespace sealpost::app
