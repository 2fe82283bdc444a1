// SPDX-License-Identifier: Apache-2.0
#include "sqlite/schema.hpp"

#include <string>

namespace sealpost::sqlite {

Expected<bool> has_table(Database& file, const char* name) {
  auto query = file.statement("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1");
  if (!query) return query.error();
  return query->bind(1, name).row();
}

Expected<bool> is_complete(Database& file, int version, const Schema& schema) {
  if (version != schema.version) return false;
  for (const char* table : schema.tables) {
    const auto there = has_table(file, table);
    if (!there) return there.error();
    if (!*there) return false;
  }
  return true;
}

Expected<void> make_tables(Database& file, const Schema& schema) {
  for (const char* part : schema.sql)
    if (auto made = file.run(part); !made) return made;
  return file.run(("PRAGMA user_version=" + std::to_string(schema.version)).c_str());
}

Expected<void> prepare(Database& file, int version, const Schema& schema) {
  if (auto set = use_write_ahead_log(file); !set) return set;
  const auto complete = is_complete(file, version, schema);
  if (!complete) return complete.error();
  if (*complete) return {};
  return file.in_transaction([&] { return make_tables(file, schema); });
}

}  // namespace sealpost::sqlite
