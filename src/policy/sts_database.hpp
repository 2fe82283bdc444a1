// SPDX-License-Identifier: Apache-2.0
//
// sts.db: the MTA-STS cache as SQLite rows, one per domain, read when they are needed and never all at once: a million
// of them cost nothing until used. Which of it survives what is sts_cache's work. Blocking; one thread at a time (D-22:
// this connection does all writes and checkpoints). docs/sts-cache.md describes the table.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/sqlite_handles.hpp"
#include "policy/sts_entry.hpp"
#include "sealpost/expected.hpp"

namespace sealpost::policy {

// How much of which copy file the rows reflect.
struct CopyPosition {
  CopyPosition() = default;
  std::string name;
  std::uint64_t offset = 0;
  std::uint64_t base = 0;  // size of that file when it was written anew: how much of it is of use, roughly
};

class StsDatabase {
 public:
  // Opens or makes the file. Errc::invalid: not a database, damaged, or made by a newer relay (`newer()` tells, D-26).
  static Expected<StsDatabase> open(const std::string& path);
  static bool newer(const Error& error) noexcept;

  // Errors: Errc::invalid when the file is damaged, else no_space, unavailable or io.
  Expected<std::optional<StsEntry>> load(const std::string& domain);
  Expected<void> put(const StsEntry& entry);
  Expected<void> drop(const std::string& domain);
  // What may be lost: times and failures. The policy itself stays as it is.
  Expected<void> note(const StsEntry& entry);
  Expected<std::vector<StsEntry>> due(SystemTime now, std::size_t most);
  // "" for all, a domain, or "*.suffix"; ordered by domain.
  Expected<std::vector<StsEntry>> list(const std::string& filter, std::size_t most);
  // Every row in the order of domains, a page at a time: those after `after`.
  Expected<std::vector<StsEntry>> page(const std::string& after, std::size_t most);

  Expected<CopyPosition> position();
  Expected<void> set_position(const CopyPosition& position);
  // One commit for all that `work` does, or nothing of it when it fails.
  Expected<void> transaction(const std::function<Expected<void>()>& work);

 private:
  explicit StsDatabase(DatabasePtr db) : db_(std::move(db)) {}
  Expected<void> prepare_all();
  Expected<void> run(const char* sql);
  Error failure(const char* what) const;
  Expected<std::vector<StsEntry>> rows(sqlite3_stmt* statement);
  Expected<void> step_once(sqlite3_stmt* statement);

  DatabasePtr db_;
  StatementPtr load_, put_, drop_, note_, due_, page_, list_suffix_, position_, set_position_;
};

}  // namespace sealpost::policy
