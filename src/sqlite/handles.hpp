// SPDX-License-Identifier: Apache-2.0
//
// Owners for SQLite objects. Include where dep_sqlite is linked.
#pragma once

#include <sqlite3.h>

#include "base/handles.hpp"

namespace sealpost::sqlite {

using ConnectionPtr = std::unique_ptr<sqlite3, FreeWith<sqlite3_close_v2>>;
using StatementPtr = std::unique_ptr<sqlite3_stmt, FreeWith<sqlite3_finalize>>;

}  // namespace sealpost::sqlite
