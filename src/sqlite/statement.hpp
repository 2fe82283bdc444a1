// SPDX-License-Identifier: Apache-2.0
//
// A prepared statement and its values. Only bound values, no text of others in SQL (T-54). An error while reading is an
// error and never "no more rows": what cannot be read is not absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sealpost/clock.hpp"
#include "sealpost/expected.hpp"
#include "sqlite/handles.hpp"

namespace sealpost::sqlite {

class Database;

class Statement {
 public:
  Statement(Database& database, StatementPtr statement) noexcept
      : database_(&database), statement_(std::move(statement)) {}

  Statement& reset() noexcept;  // to be run again; values stay until they are bound anew
  Statement& bind(int index, std::string_view text) noexcept;
  Statement& bind(int index, const char* text) noexcept { return bind(index, std::string_view(text)); }
  Statement& bind(int index, const std::string& text) noexcept { return bind(index, std::string_view(text)); }
  Statement& bind(int index, std::int64_t number) noexcept;
  Statement& bind(int index, const std::optional<std::int64_t>& number) noexcept;  // nothing: NULL
  Statement& bind(int index, SystemTime microseconds) noexcept;
  Statement& bind_blob(int index, std::string_view bytes) noexcept;

  Expected<bool> row();   // steps; true: there is one
  Expected<void> done();  // steps to the end

  std::string text(int column) const;  // octets as they are, of text and blobs
  std::int64_t number(int column) const noexcept;
  std::optional<std::int64_t> number_unless_null(int column) const noexcept;
  SystemTime time(int column) const noexcept;  // of microseconds
  sqlite3_stmt* get() const noexcept { return statement_.get(); }
  StatementPtr release() noexcept { return std::move(statement_); }

 private:
  Database* database_;
  StatementPtr statement_;
};

}  // namespace sealpost::sqlite
