// SPDX-License-Identifier: Apache-2.0
//
// The tables of evidence.db and their version (D-26). docs/evidence-database.md explains every column.
#pragma once

#include <string>

#include "sqlite/database.hpp"

namespace sealpost::history {

sqlite::Settings schema_settings(const std::string& path);

}  // namespace sealpost::history
