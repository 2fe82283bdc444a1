// SPDX-License-Identifier: Apache-2.0
//
// What one set of rules and settings demands more or less than another, for `check --against` and `policy diff`.
#pragma once

#include <string>

#include "cli/command_line.hpp"
#include "partner/comparison.hpp"

namespace sealpost::cli {

Json change_json(const app::ConfigChange& change);
void show_change(const app::ConfigChange& change, const std::string& against);

}  // namespace sealpost::cli
