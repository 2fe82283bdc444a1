// SPDX-License-Identifier: Apache-2.0
//
// Following: brings one follower what it has not read, turn by turn on a driver of its own, and says when it lags or
// cannot go on. Nothing that goes wrong here reaches the spool but through JournalProgress.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/health.hpp"
#include "spool/driver.hpp"
#include "spool/follower.hpp"
#include "spool/journal_progress.hpp"
#include "spool/journal_reader.hpp"
#include "spool/options.hpp"

namespace sealpost::spool {

// Both outlive the spool.
struct FollowerOnDriver {
  Follower* follower = nullptr;
  Driver* driver = nullptr;
};

// As of now; any thread.
struct FollowerStatus {
  std::string name;
  std::uint64_t entries = 0;        // given to it since the start
  std::uint64_t octets_behind = 0;  // of journal, durable and not read
  std::uint64_t missed = 0;         // times that something of the journal could not be read
  bool broken = false;              // its store took nothing the last time
};

class Following {
 public:
  // All outlive it. `passed` is called, on its thread, when a segment has been read to its end.
  Following(const FollowerOnDriver& who, SegmentFiles& files, JournalProgress& progress,
            const SpoolOptions& options, Health* health, std::function<void()> passed);
  ~Following() { stop(); }

  void start();
  void stop() { driver_.stop(); }
  // After stop() and the last commit: what is left, as far as `limit` allows. What it does not reach comes at the next
  // start.
  void finish(Duration limit);
  FollowerStatus status() const;

 private:
  std::optional<SteadyTime> turn(SteadyTime now);
  Expected<bool> step();
  Expected<void> rest();
  Expected<void> find_cursor();
  void pass_by();
  Expected<void> pass_over(const Cursor& next, std::string_view why);
  Expected<void> give(const std::vector<JournalEntry>& entries, const Cursor& next);
  void move_to(const Cursor& next);
  void tell_lag();
  void fail(const Error& error);
  std::string trouble(std::string_view what) const;

  Follower& follower_;
  Driver& driver_;
  SegmentFiles& files_;
  JournalProgress& progress_;
  const SpoolOptions& options_;
  Health* const health_;
  const std::function<void()> passed_;
  const std::size_t number_;
  JournalReader reader_;
  Cursor at_;          // as its store said
  bool sure_ = false;  // it still does; otherwise it is asked
  bool lagging_ = false;
  std::atomic<std::uint64_t> entries_{0}, octets_behind_{0}, missed_{0};
  std::atomic<bool> broken_{false};
};

}  // namespace sealpost::spool
