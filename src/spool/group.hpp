// SPDX-License-Identifier: Apache-2.0
//
// Groups of records as they lie in a segment, for those who read one: replay at a start, and followers behind the writer.
// Both must take the same for whole, or a follower would see what a restart does not (D-17).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "spool/journal_state.hpp"
#include "spool/segment_scan.hpp"

namespace sealpost::spool {

// The groups of `records`, in their order; one of which records are missing is given as far as it is there.
std::vector<std::span<const ScannedRecord>> groups_of(const std::vector<ScannedRecord>& records);
// All its records are there.
bool is_whole(std::span<const ScannedRecord> group) noexcept;
// All of them can be read. (Of a message alone in its group the body may be damaged: it is there, and held.)
bool is_sound(std::span<const ScannedRecord> group) noexcept;

struct ReadEntry {
  JournalEntry entry;
  bool beyond = false;  // DecodedHead::beyond
};
// `head`: its octets. Errc::invalid: the head is damaged or breaks its grammar.
Expected<ReadEntry> entry_of(std::uint64_t segment, const ScannedRecord& record, std::string_view head);

}  // namespace sealpost::spool
