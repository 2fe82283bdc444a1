// SPDX-License-Identifier: Apache-2.0
//
// sts.db: the MTA-STS cache as SQLite rows, one per domain, read when they are needed and never all at once: a million
// of them cost nothing until used. Which of it survives what is the cache's work. Blocking; one thread at a time (D-22:
// this connection does all writes and checkpoints). docs/sts-cache.md describes the table.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sealpost/expected.hpp"
#include "sqlite/database.hpp"
#include "sts/entry.hpp"

namespace sealpost::sts {

// How much of which copy file the rows reflect. No name: they were never brought together with one, or were lost.
struct CopyPosition {
  CopyPosition() = default;
  std::string name;
  std::uint64_t offset = 0;
  std::uint64_t base = 0;  // size of that file when it was written anew: how much of it is of use, roughly
};

int newest_schema() noexcept;  // of sts.db

class StsDatabase {
 public:
  // Opens nothing yet. A damaged file is begun anew with the rows that can still be read.
  StsDatabase(const std::string& path, Health* health,
              std::chrono::milliseconds retry = std::chrono::seconds(1));
  // The rows in memory alone, for as long as the file cannot be read.
  static Expected<StsDatabase> in_memory();

  sqlite::Database& file() noexcept { return file_; }

  // Errors as sqlite/database.hpp has them.
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
  Expected<void> transaction(const std::function<Expected<void>()>& work) {
    return file_.in_transaction(work);
  }

 private:
  Expected<std::vector<StsEntry>> rows(Expected<sqlite::Statement>& statement);

  sqlite::Database file_;
};

// A row is believed when it says what a fetch can have left there (T-54): a domain, a policy that parses, and a life that
// follows from it.
bool believable(const StsEntry& entry, const std::string& domain);

}  // namespace sealpost::sts
