// SPDX-License-Identifier: Apache-2.0
//
// JournalReader: the entries of the journal from a position on, as far as they are durable, read beside the writer from
// the same files. What lies there sound is read forwards, without the bodies; only where something is wrong the segment is
// searched as a start would do it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/expected.hpp"
#include "spool/follower.hpp"
#include "spool/record_codec.hpp"
#include "spool/segment_files.hpp"
#include "spool/segment_scan.hpp"

namespace sealpost::spool {

class JournalReader {
 public:
  // One thread at a time. `files` outlives it.
  explicit JournalReader(SegmentFiles& files) noexcept : files_(files) {}

  struct Piece {
    std::vector<JournalEntry> entries;  // of whole groups
    Position next;                      // behind them
    // Not empty: why nothing can be read between what was asked for and `next`; there are no entries then.
    std::string missed;
  };
  // About `most` octets of the journal, at least a group, never from two segments. `next` is `from`: all that is durable was
  // read. Errors: the disk does not answer now; ask again.
  Expected<Piece> read(const Position& from, const Position& durable, std::size_t most);

 private:
  struct Group {
    std::vector<JournalEntry> entries;
    ScannedRecord last;
  };
  struct Segment {
    SegmentHeader header;
    std::shared_ptr<JournalFile> file;
    std::optional<std::uint32_t> end;  // known when a later one has been begun
  };

  Expected<void> open(std::uint64_t sequence);
  Expected<SegmentHeader> header_of(std::uint64_t sequence, JournalFile& file) const;
  Expected<std::uint32_t> end_of(const Position& durable);
  Expected<void> read_forwards(Piece& piece, std::uint32_t end, std::size_t most);
  Expected<std::optional<Group>> sound_group(std::uint32_t at, std::uint32_t end,
                                             const std::optional<ScannedRecord>& before);
  Expected<void> search(Piece& piece, std::uint32_t end);
  Expected<std::size_t> read_octets(std::uint32_t at, std::span<char> into);
  Expected<std::string> whole_segment(std::uint32_t end);
  Expected<std::string_view> view(std::uint32_t at, std::size_t length, std::uint32_t end);
  Piece skip_segment(const Position& from, const Position& durable, std::string why) const;

  SegmentFiles& files_;
  std::optional<Segment> segment_;
  std::string window_;  // octets of it
  std::uint32_t window_at_ = 0;
  unsigned failed_reads_ = 0;  // in a row
};

}  // namespace sealpost::spool
