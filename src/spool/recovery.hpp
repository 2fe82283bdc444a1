// SPDX-License-Identifier: Apache-2.0
//
// Start: reads the journal from its oldest segment and folds it (D-03, D-04, D-21). Deletes nothing it does
// not know, sets aside what is damaged, and refuses, before it has touched anything, what a newer release
// wrote (D-26). What it read is durable when it returns. Running it twice gives the same state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sealpost/expected.hpp"
#include "spool/damage.hpp"
#include "spool/disk.hpp"
#include "spool/journal_mark.hpp"
#include "spool/journal_state.hpp"
#include "spool/segment_files.hpp"

namespace sealpost::spool {

struct Recovered {
  std::uint64_t next_sequence = 1;
  std::uint64_t next_batch = 1;
  std::uint64_t node = 0;          // whose journal it is; 0: nobody has said yet
  std::uint64_t oldest = 1;        // what is missing below it was freed
  SegmentHeader last;              // the segment before that one; its sequence is 0 when there is none
  std::uint32_t previous_end = 0;  // where it ends
  // From this page of it on nothing looks like a record of ours: where writing can go on when there is no room for a new
  // segment. 0: that was not to be told, so nothing must be written there any more.
  std::uint32_t clean_from = 0;
  bool tail_kept = true;  // false: what lies torn before that page has no copy yet
  std::vector<std::uint64_t>
      torn_before;                  // segments before the last whose torn end has none yet (Mark::torn)
  std::vector<std::string> spares;  // names of files ready to become segments
  std::uint64_t records = 0;
  std::uint64_t damaged = 0;  // records or stretches that could not be read: each was named in the log
  std::uint64_t torn = 0;     // octets at the end that were never acknowledged, as far as that can be known
  std::vector<Damage> damages;
  std::vector<std::string> set_aside;  // files in corrupt/ that nobody has dealt with
  std::string marks;                   // what is wrong with the marks, "" when nothing is
};

// Errc::unavailable: a newer format, or a file that cannot be read now; Errc::refused: a file that is not
// privately ours. Both leave everything as it is. Any other: what was read cannot be made durable (write_again.hpp).
Expected<Recovered> recover(Disk& disk, std::uint32_t segment_size, SegmentFiles& files, MarkFiles& marks,
                            JournalState& state);

// Files in corrupt/ whose name ends so have been read in again with `spool recover`.
inline const std::string recovered_suffix = ".recovered";

}  // namespace sealpost::spool
