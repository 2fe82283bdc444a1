// SPDX-License-Identifier: Apache-2.0
//
// The tables of tlsrpt.db, their version, and the way from an older one (D-26). docs/tlsrpt-database.md explains every
// column; the views are what others may query.
#pragma once

#include <string>

#include "base/sqlite_handles.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::tlsrpt {

// Brings the open database `db`, whose file is `path`, to the newest schema: a verified copy of the older one beside it
// first (`path`.v2), then one transaction. Errc::invalid: made by a newer sealpost, untouched. Errc::unavailable: the
// copy could not be written or somebody holds a lock, untouched. Others: the database is damaged.
Expected<void> prepare_schema(sqlite3* db, const std::string& path);

}  // namespace sealpost::tlsrpt
