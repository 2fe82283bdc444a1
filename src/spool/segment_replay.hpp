// SPDX-License-Identifier: Apache-2.0
//
// One segment at a start: read, its records folded into the state, and what cannot be read of it kept and told (D-03, D-21).
// Which segments there are and which are missing is the business of recovery.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "spool/damage.hpp"
#include "spool/journal_mark.hpp"
#include "spool/journal_state.hpp"
#include "spool/recovery.hpp"
#include "spool/segment_files.hpp"
#include "spool/segment_scan.hpp"

namespace sealpost::spool {

class SegmentReplay {
 public:
  // All of them outlive it; what it finds goes into `result`, whose next_sequence is known already.
  SegmentReplay(Disk& disk, SegmentFiles& files, JournalState& state, DamageKeeper& keeper,
                const std::optional<Mark>& mark, Recovered& result)
      : disk_(disk), files_(files), state_(state), keeper_(keeper), mark_(mark), result_(result) {}

  // In their order. `known_end`: where the next segment's header says that this one ends; 0: there is none.
  Expected<void> run(const SegmentHeader& header, std::uint32_t known_end);

 private:
  void damaged_octets(const SegmentHeader& header, std::string_view octets, const SegmentScan& scan);
  bool keep(const SegmentHeader& header, std::string_view octets, Damage damage);
  bool keep_voids(const SegmentHeader& header, std::string_view octets, const SegmentScan& scan);
  void copy_torn_end(const SegmentHeader& header, std::string_view octets, SegmentFacts facts);
  bool unreadable_in(std::size_t from, std::size_t to) const;
  bool keep_torn(const SegmentHeader& header, std::string_view octets, const SegmentScan& scan);
  void judge_tail(const SegmentHeader& header, std::string_view octets, const SegmentScan& scan);
  Expected<std::size_t> read_segment(const SegmentHeader& header, std::uint32_t known_end);
  Expected<std::size_t> read_pages(JournalFile& file, std::uint64_t sequence, std::size_t at,
                                   std::span<char> step);
  void replay_groups(const SegmentHeader& header, std::string_view octets,
                     const std::vector<ScannedRecord>& records);
  void replay_record(const SegmentHeader& segment, std::string_view octets, const ScannedRecord& record);
  void damaged_record(const SegmentHeader& segment, std::string_view octets, const ScannedRecord& record);
  void report_damage(const SegmentHeader& segment, std::string_view octets, const ScannedRecord& record,
                     std::string_view what);

  Disk& disk_;
  SegmentFiles& files_;
  JournalState& state_;
  DamageKeeper& keeper_;
  const std::optional<Mark>& mark_;
  Recovered& result_;
  std::vector<std::size_t> unreadable_pages_;  // of the segment in the buffer: zeros there
  std::unique_ptr<char[]> buffer_;
  std::size_t buffer_size_ = 0;
};

}  // namespace sealpost::spool
