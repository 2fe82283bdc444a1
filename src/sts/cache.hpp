// SPDX-License-Identifier: Apache-2.0
//
// The MTA-STS cache on disk (RFC 8461 §3.3, D-23, D-24): sts.db, and sts-policies.log as its second copy. A policy is
// in the copy, synced, before keep() returns; losing or damaging the database loses none. What cannot be read is never
// taken for absent: the other copy answers, and when neither does, load() says that it does not know. Both are taken up
// again by themselves. Blocking, thread-safe: the service calls it from a pool thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/health.hpp"
#include "sts/copy.hpp"
#include "sts/database.hpp"

namespace sealpost::sts {

class StsCache {
 public:
  // Policies that neither file took, kept in memory until one does; beyond, keep() keeps nothing.
  static constexpr std::size_t most_unsaved = 50'000;

  // In `directory`. Only a file made by a newer relay is an error (Errc::newer); with whatever else is wrong the cache
  // works on with what it has, and says so in `health`, which outlives it (null: in the log).
  // `retry`: from one look at a file that cannot be used to the next.
  static Expected<std::unique_ptr<StsCache>> open(const std::string& directory, Health* health = nullptr,
                                                  std::chrono::milliseconds retry = std::chrono::seconds(1));

  // Errc::unavailable: there may be a policy for the domain that cannot be read now, or was lost.
  Expected<std::optional<StsEntry>> load(const std::string& domain);
  // Durable when it returns; `recovered` ends here. An error: it stands in memory alone, is found by load() and written
  // as soon as the disk takes it.
  Expected<void> keep(const StsEntry& entry);
  Expected<void> drop(const std::string& domain, SystemTime now);
  Expected<void> note(const StsEntry& entry);  // times and failures only; may be lost
  struct Look {
    Expected<std::vector<StsEntry>> due;
    bool complete = false;  // see complete()
    bool well = false;      // and both files are open and hold all there is
  };
  Look look(SystemTime now, std::size_t most);  // what is due, and how the cache is
  Expected<std::vector<StsEntry>> list(const std::string& filter, std::size_t most);

  // False: policies that were cached may be missing, so that load() cannot tell absent from lost.
  bool complete();
  // Whoever waited for what is missing has waited long enough: what there is, is all from now on, restarts included.
  void settle_for_what_there_is();

 private:
  StsCache(std::string directory, Health* health, std::chrono::milliseconds retry);
  using Clock = std::chrono::steady_clock;
  struct Unsaved {
    StsEntry entry;
    bool copied = false;  // it is in the copy
  };

  // In sts_cache_files.cpp: what is read from where.
  Expected<void> open_files();
  Expected<void> open_copy();
  void tend();
  void tend_copy();
  void settle();
  Expected<void> catch_up();
  void fall_back();
  void write_copy_anew();
  void save_what_is_not();
  Expected<void> replay_from(std::uint64_t offset, bool recovered, StsCopy::Damage& damage);
  Expected<void> replay_one(const CopyRecord& record, bool recovered, std::size_t& count);
  Expected<void> append(const CopyRecord& record);
  Expected<void> rewrite_copy();
  void say_copy(const Error* error);
  CopyPosition here() const;
  StsDatabase& rows() noexcept { return memory_ ? *memory_ : file_; }
  bool in_file() const noexcept { return !memory_.has_value(); }

  // Runs `read` on the rows; when the file does not answer, on what is read from the copy instead.
  template <class Read>
  auto reading(Read read) -> decltype(read());
  Expected<std::optional<StsEntry>> from_copy(const std::string& domain);
  bool rows_have_all_but(const std::string& domain) const;

  std::mutex mutex_;
  const std::string directory_;
  Health* health_;
  const std::chrono::milliseconds retry_;
  bool first_ = false;  // neither file was there: nothing can be missing
  StsDatabase file_;
  std::optional<StsDatabase> memory_;  // the rows while the file cannot be read
  std::optional<StsCopy> copy_;        // unset: there is none, or it cannot be read
  bool copy_missing_ = false;          // then: there is none
  std::map<std::string, Unsaved> unsaved_;
  bool complete_ = false;
  bool copy_said_ = false;
  std::uint64_t base_ = 0;        // size of the copy when it was written anew
  std::uint64_t generation_ = 0;  // of the file, when it was last settled
  Clock::time_point next_copy_{}, next_settle_{};
};

}  // namespace sealpost::sts
