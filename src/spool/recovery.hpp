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
#include "spool/disk.hpp"
#include "spool/journal_state.hpp"
#include "spool/segment_files.hpp"

namespace sealpost::spool {

struct Recovered {
  std::uint64_t next_sequence = 1;
  SegmentHeader last;               // the segment before that one; its sequence is 0 when there is none
  std::uint32_t previous_end = 0;   // where it ends
  std::vector<std::string> spares;  // names of files ready to become segments
  std::uint64_t records = 0;
  std::uint64_t damaged = 0;  // records or stretches that were set aside or held: each had an alert
  std::uint64_t torn = 0;     // octets at the end that were never acknowledged
};

// Errc::unavailable: a newer format, or a file that cannot be read now; Errc::refused: a file that is not
// privately ours. Both leave everything as it is. Any other: what was read cannot be made durable (write_again.hpp).
Expected<Recovered> recover(Disk& disk, std::uint32_t segment_size, SegmentFiles& files, JournalState& state);

}  // namespace sealpost::spool
