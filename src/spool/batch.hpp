// SPDX-License-Identifier: Apache-2.0
//
// Batch: what one write and one sync make durable. Places records behind each other in a segment and writes
// them without copying bodies. A batch fills whole pages of its own: a write that fails or is torn never touches
// what was acknowledged before it, no page is written twice, and the system never reads one in order to change it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sealpost/expected.hpp"
#include "spool/disk.hpp"
#include "spool/record_codec.hpp"

namespace sealpost::spool {

class Batch {
 public:
  // Empties it, for a batch that begins at `start` of the segment, on a page. Keeps its memory. `number` and `void_pages` as
  // in RecordHeader.
  void begin(const SegmentHeader& segment, std::uint32_t start, std::uint32_t number = 0,
             std::uint16_t void_pages = 0);

  void clear() noexcept { end_ = start_; }

  bool fits(std::size_t octets) const noexcept { return octets <= size_ - end_; }
  // Fills in batch and lengths of `header`. `blob` must outlive write(). Gives where the blob will lie.
  Extent add(RecordHeader header, std::string_view head, std::string_view blob);

  bool empty() const noexcept { return end_ == start_; }
  std::uint32_t start() const noexcept { return start_; }
  std::uint32_t end() const noexcept { return end_; }
  // Ends the batch: marks its last record and fills its last page.
  Expected<void> write(JournalFile& file);

 private:
  struct Piece {
    const char* data = nullptr;  // null: `length` octets of own_, in order
    std::size_t length = 0;
  };
  void own(std::size_t length);

  std::uint64_t segment_ = 0;
  std::uint32_t seed_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t start_ = 0;
  std::uint32_t end_ = 0;
  std::uint32_t number_ = 0;
  std::uint16_t void_pages_ = 0;
  RecordHeader last_;  // the last record's, and where in own_ it is
  std::size_t last_at_ = 0;
  std::string own_;  // headers, heads, small blobs and padding
  std::vector<Piece> pieces_;
  std::vector<iovec> vectors_;
};

}  // namespace sealpost::spool
