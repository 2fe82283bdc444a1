// SPDX-License-Identifier: Apache-2.0
//
// The tables of ledger.db and their version (D-26). docs/ledger.md explains every column.
#pragma once

#include <string>

#include "sqlite/database.hpp"

namespace sealpost::ledger {

sqlite::Settings schema_settings(const std::string& path);

}  // namespace sealpost::ledger
