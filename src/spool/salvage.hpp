// SPDX-License-Identifier: Apache-2.0
//
// Salvage: what can still be read of a segment, or of a stretch of one that a start has put into corrupt/ (docs/spool-format.md).
// Every record whose own checksums hold is found, whatever lies between. Pure: octets in, records out. Nothing is decided
// here about what they are worth; see reimport.hpp.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sealpost/expected.hpp"
#include "spool/record_codec.hpp"

namespace sealpost::spool {

struct SalvagedRecord {
  RecordHeader header;
  Record record;
  std::string_view blob;      // into the octets given
  std::uint64_t blob_at = 0;  // where it lay in its segment
  bool blob_intact = true;
};

struct Salvage {
  std::uint64_t segment = 0;
  std::vector<SalvagedRecord> records;  // in order; those whose head does not hold are not here
  std::uint64_t unreadable = 0;         // octets, not zero, that are part of no record
};

// Errc::invalid: it is nothing of ours, or what its records' checksums begin with cannot be found out; Errc::unavailable:
// a newer format (D-26).
Expected<Salvage> salvage(std::string_view file);

// The seed of a segment whose header is lost, from a record that begins a batch: its checksum, continued from the seed, is
// known, so the seed is. 0: none of the records agree.
std::uint32_t find_seed(std::string_view octets, std::uint64_t base);

}  // namespace sealpost::spool
