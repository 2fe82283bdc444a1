// SPDX-License-Identifier: Apache-2.0
//
// Finds the records of one segment (D-03). Pure: octets in, records and what is wrong with them out. After
// damage it searches on for the next header that holds; whether something between two records was lost mail
// or only a write that never ended is decided by what is known to have been synced.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "spool/record_codec.hpp"

namespace sealpost::spool {

struct ScannedRecord {
  RecordHeader header;
  std::uint32_t offset = 0;  // in the file
  std::uint32_t end = 0;     // footprint included
  bool head_intact = true;
  bool blob_intact = true;
  std::uint32_t next = 0;  // where the next record is due
  bool intact() const noexcept { return head_intact && blob_intact; }
};

struct Gap {
  std::uint32_t from = 0, to = 0;
};

// What is known of a segment beside its octets. Zero: nobody says.
struct SegmentFacts {
  std::uint32_t known_end = 0;     // the successor's previous end: nothing behind it counts
  std::uint32_t synced_to = 0;     // at least: an orderly stop noted that all before was acknowledged
  std::uint32_t first_number = 0;  // of its first batch
};

struct SegmentScan {
  // Whole groups, in order; a group with a damaged record below the trusted end is given too, see `damaged`.
  std::vector<ScannedRecord> records;
  std::vector<Gap> gaps;        // octets below the trusted end that hold no record: mail may have been there
  std::vector<Gap> voids;       // octets of torn batches, which a batch behind them says do not count
  std::uint32_t end = 0;        // where what can be used ends: the next segment's previous_end
  std::uint32_t abandoned = 0;  // octets of valid-looking records behind it, never acknowledged
  // Of the last segment: the octets behind `end` in which the last batch was torn, or was damaged after it had been
  // acknowledged. Nothing tells which. Empty when nothing of ours lies there.
  Gap torn;
  std::uint32_t in_torn = 0;      // records that can still be read there
  std::uint32_t clean_from = 0;   // from this page on no octet looks like a record
  std::uint32_t next_number = 0;  // higher than that of any batch seen
};

// `octets` is the file from its first octet.
SegmentScan scan_segment(std::string_view octets, std::uint32_t seed, const SegmentFacts& facts);

// A record that directly follows another belongs to the same batch or begins the next one; what does not was left there by
// a batch that was torn, after which writing began again at its start.
bool follows(const ScannedRecord& before, const RecordHeader& header) noexcept;
// Octets where a record header is due that are none any more, but were: one bit is wrong, or the number of the batch is the
// one that is due. What an earlier use of the file left there has smaller numbers.
bool was_header(std::string_view octets, std::uint32_t seed, std::uint32_t due_number);
// The first offset from `at` on, in steps of 8, where a record header holds; octets.size() when there is none.
std::size_t next_record(std::string_view octets, std::size_t at, std::uint32_t seed, RecordHeader& header);

}  // namespace sealpost::spool
