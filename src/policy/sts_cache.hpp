// SPDX-License-Identifier: Apache-2.0
//
// The MTA-STS cache on disk (RFC 8461 §3.3, D-23, D-24): sts.db, and sts-policies.log as its second copy. A policy is
// in the copy, synced, before keep() returns; losing or damaging the database loses none. Blocking, thread-safe:
// sts_service calls it from a pool thread.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "policy/sts_copy.hpp"
#include "policy/sts_database.hpp"

namespace sealpost::policy {

class StsCache {
 public:
  // In `directory`, which exists. A damaged database is renamed aside and rebuilt from the copy; what the database has
  // not seen of the copy is added. Errors: the directory cannot be used, or a file was made by a newer relay.
  static Expected<std::unique_ptr<StsCache>> open(const std::string& directory, SystemTime now);

  // `now` names what is put aside, should the database turn out damaged.
  Expected<std::optional<StsEntry>> load(const std::string& domain, SystemTime now);
  // Durable when it returns; `recovered` ends here.
  Expected<void> keep(const StsEntry& entry);
  Expected<void> drop(const std::string& domain, SystemTime now);
  Expected<void> note(const StsEntry& entry, SystemTime now);  // times and failures only; may be lost
  Expected<std::vector<StsEntry>> due(SystemTime now, std::size_t most);
  Expected<std::vector<StsEntry>> list(const std::string& filter, std::size_t most, SystemTime now);

 private:
  StsCache(std::string directory, StsDatabase database, StsCopy copy);
  static Expected<StsDatabase> open_database(const std::string& directory, SystemTime now);
  Expected<void> catch_up();
  Expected<void> replay_from(std::uint64_t offset, bool recovered);
  Expected<void> replay_one(const CopyRecord& record, bool recovered, std::size_t& count);
  Expected<void> append(const CopyRecord& record);
  Expected<void> rewrite_copy();
  CopyPosition here() const;
  // Runs `work` on the database; when that is found damaged, rebuilds it and runs it once more (D-23).
  template <class Work>
  auto with_database(SystemTime now, Work work) -> decltype(work());
  Expected<void> rebuild(const Error& damage, SystemTime now);

  std::mutex mutex_;
  const std::string directory_;
  StsDatabase database_;
  StsCopy copy_;
  std::uint64_t base_ = 0;  // size of the copy when it was written anew
};

}  // namespace sealpost::policy
