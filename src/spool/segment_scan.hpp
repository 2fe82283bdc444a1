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

struct SegmentScan {
  // Whole groups, in order; a group with a damaged record below the trusted end is given too, see `damaged`.
  std::vector<ScannedRecord> records;
  std::vector<Gap> gaps;        // octets below the trusted end that hold no record: mail may have been there
  std::uint32_t end = 0;        // where what can be used ends: the next segment's previous_end
  std::uint32_t abandoned = 0;  // octets of valid-looking records behind it, never acknowledged
};

// `octets` is the file from its first octet; known_end is what the successor says, 0 when nobody says.
SegmentScan scan_segment(std::string_view octets, std::uint32_t seed, std::uint32_t known_end);

}  // namespace sealpost::spool
