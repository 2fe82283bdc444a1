// SPDX-License-Identifier: Apache-2.0
//
// The tables of webhooks.db (docs/webhooks.md, The file).
#pragma once

#include <string>

#include "sqlite/database.hpp"

namespace sealpost::webhooks {

sqlite::Settings schema_settings(const std::string& path);

}  // namespace sealpost::webhooks
