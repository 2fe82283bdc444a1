// SPDX-License-Identifier: Apache-2.0
//
// tlsrpt.db: the counters, by UTC day, domain and policy. Its tables and views are a contract:
// docs/tlsrpt-database.md. One connection, one thread. Losing it loses counts, never mail (D-23, D-25).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/health.hpp"
#include "sealpost/expected.hpp"
#include "sqlite/database.hpp"
#include "tlsrpt/counting/counted.hpp"

namespace sealpost::tlsrpt {

using sqlite::StatementPtr;

struct DetailCount {
  FailureDetail detail;
  std::uint64_t count = 0;
};
struct PolicyCount {
  PolicyKey key;
  std::uint64_t success = 0, failure = 0;
  std::vector<DetailCount> details;
};

std::string column_text(sqlite3_stmt* row, int column);
std::uint64_t count_column(sqlite3_stmt* row, int column);  // what is negative is 0
void bind_text(sqlite3_stmt* row, int index, const std::string& text);
void bind_count(sqlite3_stmt* row, int index, std::uint64_t count);  // kept below 2^63
// Lines as a JSON array of text, and back.
std::string to_array(const std::vector<std::string>& lines);
std::vector<std::string> from_array(const std::string& text);

// Resets and unbinds a statement that is used again.
class Use {
 public:
  explicit Use(const StatementPtr& statement) noexcept : statement_(statement.get()) {}
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

 private:
  sqlite3_stmt* statement_;
};

class Store {
 public:
  // Opens nothing yet; file().tend() does, and goes on with it (sqlite/database.hpp). Until then, and whenever the file
  // cannot be used, every call here is answered with an error.
  explicit Store(const std::string& path, Health* health = nullptr);
  // Opened, or why it is not: for who has no time to try again.
  static Expected<Store> open(const std::string& path);
  sqlite::Database& file() noexcept { return file_; }

  // Adds all of them in one transaction, or none.
  Expected<void> add(const std::vector<CountedEntry>& entries);
  Expected<void> add_folded(const Tally& tally);

  Expected<std::vector<PolicyCount>> policies(const std::string& day, const std::string& domain);

  // For the other tables of this database (jobs.hpp).
  Expected<StatementPtr> statement(const char* sql);
  Expected<void> run(const char* sql);
  Expected<void> in_transaction(const std::function<Expected<void>()>& work);  // rolled back when it fails
  Error failure(const std::string& what) { return file_.failure(what); }

 private:
  sqlite::Database file_;
};

}  // namespace sealpost::tlsrpt
