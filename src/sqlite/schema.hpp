// SPDX-License-Identifier: Apache-2.0
//
// The tables of a database and their version (D-26): what Settings::prepare does with a file just opened.
#pragma once

#include <vector>

#include "sqlite/database.hpp"

namespace sealpost::sqlite {

struct Schema {
  int version = 1;
  std::vector<const char*> tables;  // that there must be; damage may leave a file without some
  std::vector<const char*> sql;     // makes those that are missing, leaves the others
};

Expected<bool> has_table(Database& file, const char* name);
// Nothing needs to be written.
Expected<bool> is_complete(Database& file, int version, const Schema& schema);
// A write-ahead log, and the tables. Nothing is written at an ordinary start: a full disk is no hindrance.
Expected<void> prepare(Database& file, int version, const Schema& schema);
// The tables, and the version that they are, as part of a transaction.
Expected<void> make_tables(Database& file, const Schema& schema);

}  // namespace sealpost::sqlite
