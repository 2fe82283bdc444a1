// SPDX-License-Identifier: Apache-2.0
//
// JournalWriter: the segment that is being written and the spares behind it. Rolls to a spare when a segment
// is full or has failed, keeps a reserve for what has already happened (D-08), and never believes a file
// again whose write or sync has failed (D-07).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "event/blocking_pool.hpp"
#include "sealpost/expected.hpp"
#include "spool/batch.hpp"
#include "spool/disk.hpp"
#include "spool/options.hpp"
#include "spool/recovery.hpp"
#include "spool/segment_files.hpp"

namespace sealpost::spool {

class JournalWriter {
 public:
  // `wake` is called, from any thread, when a spare has become ready.
  JournalWriter(Disk& disk, event::BlockingPool& pool, SegmentFiles& files, const SpoolOptions& options,
                std::function<void()> wake);
  ~JournalWriter();

  // After recovery: takes the spares over, makes one if there is none, opens a segment. On a full disk it goes on
  // in the last one, so that delivery can free some (D-08). An error is why neither was possible.
  Expected<void> start(const Recovered& recovered, SystemTime wall);

  // Begins a batch. When `octets` do not fit behind the last one it rolls first; on Errc::no_space there is
  // no spare.
  Expected<void> begin(Batch& batch, std::size_t octets, SystemTime wall);
  // Writes and syncs. On an error nothing of the batch is believed, and the journal goes on in a new segment;
  // when that fails too it is unhealthy (D-07).
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

  bool healthy() const noexcept { return healthy_; }
  std::uint64_t current() const noexcept { return header_.sequence; }
  // Collects spares that were made, has more made when there are few. Called each turn.
  void tend(SteadyTime now);
  // Frees the oldest segment; false when that failed and nothing more must be freed before a restart.
  bool free_oldest();

 private:
  struct Spare {
    std::string name;
    std::shared_ptr<JournalFile> file;  // opened when there were descriptors
  };
  struct Mailbox;  // shared with the pool's work, which may outlast us
  static constexpr std::size_t wanted_spares = 2;
  Expected<void> add_spare(const std::string& name);
  Expected<void> make_spare_now();
  Expected<void> go_on_in(const Recovered& recovered);
  Expected<void> roll(SystemTime wall);
  void go_on_after_failure(SystemTime wall);
  SpareFill next_fill() const noexcept {
    return mean_batch_ < options_.long_batch ? SpareFill::written : SpareFill::reserved;
  }

  Disk& disk_;
  event::BlockingPool& pool_;
  SegmentFiles& files_;
  const SpoolOptions& options_;
  std::shared_ptr<Mailbox> mailbox_;
  std::deque<Spare> spares_;
  bool making_ = false;
  SteadyTime make_again_{};  // after a failure
  SegmentHeader header_;     // of the current segment
  std::shared_ptr<JournalFile> file_;
  std::uint32_t end_ = 0;         // up to here all is synced
  std::uint32_t mean_batch_ = 0;  // octets, of the last few
  bool healthy_ = true;
};

}  // namespace sealpost::spool
