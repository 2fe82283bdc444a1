// SPDX-License-Identifier: Apache-2.0
//
// tlsrpt.db: the counters, by UTC day, domain and policy. Its tables and views are a contract:
// docs/tlsrpt-database.md. One connection, one thread. Losing it loses counts, never mail (D-23, D-25).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/sqlite_handles.hpp"
#include "sealpost/expected.hpp"
#include "tlsrpt/counted.hpp"

namespace sealpost::tlsrpt {

struct DetailCount {
  FailureDetail detail;
  std::uint64_t count = 0;
};
struct PolicyCount {
  PolicyKey key;
  std::uint64_t success = 0, failure = 0;
  std::vector<DetailCount> details;
};
struct DomainDay {  // a line of `report list`
  std::string day, domain;
  std::uint64_t success = 0, failure = 0;
};

std::string column_text(sqlite3_stmt* row, int column);
void bind_text(sqlite3_stmt* row, int index, const std::string& text);

class Store {
 public:
  // Opens or creates; a damaged file is renamed aside with an alert and begun anew. Errc::invalid: a newer
  // schema.
  static Expected<Store> open(const std::string& path);

  // Adds all of them in one transaction, or none.
  Expected<void> add(const std::vector<CountedEntry>& entries);

  Expected<std::vector<DomainDay>> days(const std::string& day, const std::string& domain, std::size_t most);
  Expected<std::vector<PolicyCount>> policies(const std::string& day, const std::string& domain);

  // For the other tables of this database (jobs.hpp).
  Expected<StatementPtr> statement(const char* sql);
  Expected<void> run(const char* sql);
  Expected<void> in_transaction(const std::function<Expected<void>()>& work);  // rolled back when it fails
  Error failure(const std::string& what) const;

 private:
  explicit Store(DatabasePtr db) : db_(std::move(db)) {}
  Expected<void> prepare();
  Expected<std::int64_t> policy_id(const PolicyKey& key);
  Expected<void> add_one(const CountedEntry& entry);

  DatabasePtr db_;
};

}  // namespace sealpost::tlsrpt
