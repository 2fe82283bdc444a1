// SPDX-License-Identifier: Apache-2.0
//
// evidence.db as a file: opened or made, its schema brought up to date, set aside when damaged (D-23, D-26).
// What is in it: store.hpp and docs/evidence-database.md.
#pragma once

#include <functional>
#include <string>

#include "base/sqlite_handles.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::evidence {

// A prepared statement and its values.
class Statement {
 public:
  explicit Statement(StatementPtr statement) : statement_(std::move(statement)) {}
  Statement& reset();
  Statement& bind(int index, const std::string& text);
  Statement& bind(int index, std::int64_t number);
  bool row();   // steps; true: there is one
  bool done();  // steps; true: finished without a row
  std::string text(int column) const;
  std::int64_t number(int column) const;

 private:
  StatementPtr statement_;
};

class Database {
 public:
  // Errc::invalid: a newer schema, left untouched. Any other error: it can neither be used nor begun anew.
  static Expected<Database> open(const std::string& path);

  Expected<Statement> statement(const char* sql);
  Expected<void> run(const char* sql);
  std::int64_t changed() const noexcept;  // rows of the last statement that wrote
  // Sets the file aside, as damaged, and begins an empty one in its place.
  Expected<void> begin_anew(const std::string& why);
  // All of it or nothing.
  Expected<void> in_transaction(const std::function<Expected<void>()>& work);
  Error failure(const std::string& what);
  bool damaged() const noexcept { return damaged_; }  // an error said that the file itself is bad
  const std::string& path() const noexcept { return path_; }

 private:
  explicit Database(std::string path) : path_(std::move(path)) {}
  Expected<void> connect();
  Expected<void> prepare();

  DatabasePtr db_;
  std::string path_;
  bool damaged_ = false;
};

}  // namespace sealpost::evidence
