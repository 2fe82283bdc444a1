// SPDX-License-Identifier: Apache-2.0
//
// JournalWriter: the segment that is being written and the spares behind it. Rolls to a spare when a segment
// is full or has failed, keeps a reserve for what has already happened (D-08), never believes a file again whose
// write or sync has failed (D-07), and writes behind nothing that was not proven clean. What is short (room,
// descriptors, memory) is waited for; what the disk did wrong makes it unhealthy until a restart.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/health.hpp"
#include "event/blocking_pool.hpp"
#include "sealpost/expected.hpp"
#include "spool/batch.hpp"
#include "spool/disk.hpp"
#include "spool/journal_mark.hpp"
#include "spool/options.hpp"
#include "spool/recovery.hpp"
#include "spool/segment_files.hpp"

namespace sealpost::spool {

class JournalWriter {
 public:
  // `wake` is called, from any thread, when a spare has become ready. `health` may be null.
  JournalWriter(Disk& disk, event::BlockingPool& pool, SegmentFiles& files, MarkFiles& marks,
                const SpoolOptions& options, Health* health, std::function<void()> wake);
  ~JournalWriter();

  // After recovery: takes the spares over, makes one if there is none, opens a segment. When there is no room for one it
  // goes on in the last one, where that is proven clean, so that delivery can free some (D-08); otherwise it waits.
  // An error: the disk does not work.
  Expected<void> start(const Recovered& recovered, SystemTime wall);

  // Begins a batch. When `octets` do not fit behind the last one it rolls first; Errc::no_space: not now.
  Expected<void> begin(Batch& batch, std::size_t octets, SystemTime wall);
  // Writes and syncs. On an error nothing of the batch is believed, and the journal goes on in a new segment; when it
  // cannot have one it waits, and when that fails for the disk's sake it is unhealthy (D-07).
  Expected<void> commit(Batch& batch, SystemTime wall);

  // What may be taken, behind what `batch` holds: all requests leave a reserve to those that matter more (D-08).
  enum class Claim : std::uint8_t {
    mail,        // new
    relocation,  // frees more than it takes
    fact,        // has happened: an outcome, an attempt
  };
  enum class Room : std::uint8_t { yes, soon, no };  // soon: a spare is being made
  Room room_for(Claim claim, std::size_t octets, const Batch& batch) const;
  bool full() const noexcept { return spares_.empty() && !making_; }
  std::size_t most_in_group() const noexcept {
    return options_.segment_size - segment_header_size - page_size;
  }

  // unhealthy: until a restart. waiting: for room or descriptors; nothing can be recorded meanwhile.
  enum class State : std::uint8_t { ready, waiting, unhealthy };
  State state() const noexcept { return state_; }
  std::uint64_t node() const noexcept { return mark_.node; }  // after start()
  std::uint64_t current() const noexcept { return header_.sequence; }
  // Of what is durable in it, and believed: what a torn batch left is neither.
  std::uint32_t end() const noexcept { return end_at_start_.value_or(end_); }
  // Collects spares that were made, has more made when there are few, goes on where it waited. Called each turn.
  void tend(SteadyTime now, SystemTime wall);
  // While it waits: when to call tend() again.
  std::optional<SteadyTime> retry_at() const noexcept;
  // A spare, made and waited for. Not often: a turn of the journal lasts as long as that.
  Expected<void> make_spare_now();
  // Frees the oldest segment. later: not now, ask again after retry_at(); never: not before a restart.
  enum class Freed : std::uint8_t { done, later, never };
  Freed free_oldest(SteadyTime now);
  // An orderly stop: all that was committed is all there is.
  void note_clean_stop(std::uint64_t messages);

 private:
  struct Spare {
    std::string name;
    std::shared_ptr<JournalFile> file;  // opened when there were descriptors
  };
  struct Mailbox;  // shared with the pool's work, which may outlast us
  static constexpr std::size_t wanted_spares = 2;
  Expected<void> add_spare(const std::string& name);
  Expected<void> go_on_in(const Recovered& recovered);
  Expected<void> roll(SystemTime wall);
  Expected<void> begin_segment(SystemTime wall);
  // In journal_bring_back.cpp.
  bool is_lost();
  Expected<void> bring_back(std::uint32_t end);
  Expected<Spare> file_for_copy();
  Expected<void> copy_into(const Spare& spare, std::uint32_t end);
  void stay(const Error& error);
  Expected<void> note_torn_end();
  void keep_mark();
  SpareFill next_fill() const noexcept {
    return mean_batch_ < options_.long_batch ? SpareFill::written : SpareFill::reserved;
  }

  Disk& disk_;
  event::BlockingPool& pool_;
  SegmentFiles& files_;
  MarkFiles& marks_;
  const SpoolOptions& options_;
  Health* const health_;
  std::shared_ptr<Mailbox> mailbox_;
  std::deque<Spare> spares_;
  bool making_ = false;
  SteadyTime make_again_{};  // after a failure
  SteadyTime tended_{};
  SegmentHeader header_;  // of the current segment
  std::shared_ptr<JournalFile> file_;
  // A segment that has its name, which may not be durable yet: there was no descriptor to sync the directory with.
  std::optional<std::pair<SegmentHeader, std::shared_ptr<JournalFile>>> named_;
  std::uint32_t end_ = 0;         // up to here all is synced
  std::uint64_t next_batch_ = 1;  // its number; a number is used once, also for a batch that failed
  std::uint16_t void_pages_ = 0;  // before the next batch
  // Nothing is written yet in the segment that a start goes on in: where it ends if that stays so.
  std::optional<std::uint32_t> end_at_start_;
  std::uint64_t torn_ =
      0;  // the segment, while its torn end has no copy and nothing written behind it leads there
  std::uint32_t mean_batch_ = 0;  // octets, of the last few
  State state_ = State::ready;
  Mark mark_;              // as it should be on disk
  bool mark_due_ = false;  // but is not
  SteadyTime mark_again_{};
};

}  // namespace sealpost::spool
