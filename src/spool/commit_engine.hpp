// SPDX-License-Identifier: Apache-2.0
//
// CommitEngine: turns waiting requests into one batch, makes it durable, folds it and answers. Runs on the
// spool's thread only; knows no loops and no locks.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "base/health.hpp"
#include "base/histogram.hpp"
#include "event/blocking_pool.hpp"
#include "sealpost/expected.hpp"
#include "spool/batch.hpp"
#include "spool/disk.hpp"
#include "spool/journal_progress.hpp"
#include "spool/journal_state.hpp"
#include "spool/journal_writer.hpp"
#include "spool/options.hpp"
#include "spool/relocator.hpp"
#include "spool/request.hpp"
#include "spool/segment_files.hpp"

namespace sealpost::spool {

// Written by the engine, read by anyone.
struct EngineCounters {
  std::atomic<std::uint64_t> messages{0}, groups{0}, syncs{0}, octets{0}, failures{0}, segments{0},
      live_messages{0}, damaged{0}, set_aside{0}, freed_unread{0};
  std::atomic<bool> healthy{true};   // what happens can be recorded
  std::atomic<bool> waiting{false};  // it cannot, but that passes by itself
  Histogram sync{buckets::moment};   // to write a batch and sync it
};

class CommitEngine {
 public:
  CommitEngine(Disk& disk, event::BlockingPool& pool, SegmentFiles& files, JournalProgress& progress,
               const SpoolOptions& options, EngineCounters& counters, Health* health,
               std::function<void()> wake);

  // Recovers and opens a segment. What was found, for the queue.
  Expected<std::vector<StoredMessagePtr>> start(SystemTime wall);

  // One batch from the front of `waiting`; what has its answer goes to `done`. False: nothing could be done
  // now (no work, or mail that waits for a spare; `wake` will be called).
  bool commit(std::deque<RequestPtr>& waiting, std::vector<RequestPtr>& done, SteadyTime now,
              SystemTime wall);

  // When to call commit() again at the latest, whether there are requests or not.
  std::optional<SteadyTime> retry_at() const noexcept;
  // Before the last commit, when nobody makes segments any more.
  bool make_room() { return writer_.make_spare_now().has_value(); }
  // After the last commit: an orderly stop.
  void note_clean_stop() { writer_.note_clean_stop(state_.live_messages()); }

  // No segment to go on in: what is left must last.
  bool full() const noexcept { return writer_.full(); }

 private:
  enum class Admission : std::uint8_t { taken, answered, later, full };
  Admission admit(Request& request, SystemTime wall);
  Admission starve();
  bool check(Request& request);
  void add(Request& request);
  std::uint64_t copy_forward(std::uint64_t octets, SystemTime wall);
  void succeed(std::deque<RequestPtr>& waiting, std::vector<RequestPtr>& done, SteadyTime now);
  void fail(const Error& error, std::deque<RequestPtr>& waiting, std::vector<RequestPtr>& done);
  void apply(Request& request);
  void free_segments(SteadyTime now);
  bool may_go(std::uint64_t segment, SteadyTime now);
  bool short_for_long(SteadyTime now);
  void count();
  void report(const Recovered& recovered);

  Disk& disk_;
  SegmentFiles& files_;
  JournalProgress& progress_;
  const SpoolOptions& options_;
  EngineCounters& counters_;
  Health* const health_;
  MarkFiles marks_;
  JournalState state_;
  JournalWriter writer_;
  Relocator relocator_;
  Batch batch_;
  std::vector<RequestPtr> taken_;
  bool freeing_ = true;
  bool starved_ = false;  // something that has happened waits for room
  std::optional<SteadyTime> free_again_;
  std::optional<SteadyTime> short_since_;  // room, as of when it was looked last
  SteadyTime room_look_at_{};
};

RequestPtr make_withdrawal(const MessageId& id);

}  // namespace sealpost::spool
