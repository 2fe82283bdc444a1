// SPDX-License-Identifier: Apache-2.0
#include "sqlite/statement.hpp"

#include "sqlite/database.hpp"

namespace sealpost::sqlite {

Statement& Statement::reset() noexcept {
  sqlite3_reset(get());
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) noexcept {
  sqlite3_bind_text(get(), index, text.data() != nullptr ? text.data() : "", static_cast<int>(text.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) noexcept {
  sqlite3_bind_blob(get(), index, bytes.data() != nullptr ? bytes.data() : "", static_cast<int>(bytes.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind(int index, std::int64_t number) noexcept {
  sqlite3_bind_int64(get(), index, number);
  return *this;
}

Statement& Statement::bind(int index, const std::optional<std::int64_t>& number) noexcept {
  if (number) return bind(index, *number);
  sqlite3_bind_null(get(), index);
  return *this;
}

Statement& Statement::bind(int index, SystemTime microseconds) noexcept {
  return bind(index, static_cast<std::int64_t>(microseconds.time_since_epoch().count()));
}

Expected<bool> Statement::row() {
  const int result = sqlite3_step(get());
  const bool believed = database_->index_holds();
  if (believed && result == SQLITE_ROW) return true;
  if (believed && result == SQLITE_DONE) return false;
  return database_->failure("reading");
}

Expected<void> Statement::done() {
  int result = SQLITE_ROW;
  while (result == SQLITE_ROW) result = sqlite3_step(get());
  if (result != SQLITE_DONE || !database_->index_holds()) return database_->failure("writing");
  return {};
}

std::string Statement::text(int column) const {
  const auto* text = static_cast<const char*>(sqlite3_column_blob(get(), column));
  return text == nullptr ? std::string()
                         : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(get(), column)));
}

std::int64_t Statement::number(int column) const noexcept { return sqlite3_column_int64(get(), column); }

std::optional<std::int64_t> Statement::number_unless_null(int column) const noexcept {
  if (sqlite3_column_type(get(), column) == SQLITE_NULL) return std::nullopt;
  return number(column);
}

SystemTime Statement::time(int column) const noexcept {
  return SystemTime(SystemTime::duration(number(column)));
}

}  // namespace sealpost::sqlite
