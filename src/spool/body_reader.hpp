// SPDX-License-Identifier: Apache-2.0
//
// Reads a message's body from memory while it is fresh, from the page cache without waiting when it is there,
// and otherwise on a thread that may wait for the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "event/blocking_pool.hpp"
#include "spool/segment_files.hpp"
#include "spool/spool.hpp"

namespace sealpost::spool {

class JournalBodyReader final : public BodyReader {
 public:
  JournalBodyReader(event::Loop& home, event::BlockingPool& pool, std::shared_ptr<SegmentFiles> files,
                    StoredMessagePtr message);
  event::Task<Expected<std::string_view>> next() override;

 private:
  static constexpr std::size_t piece = 64u << 10;
  bool read_cached(const Extent& extent, std::size_t length);
  event::Task<Expected<void>> read_waiting(Extent extent, std::size_t length);
  event::Task<Expected<void>> fill(std::size_t length);
  Error damaged() const;

  event::Loop& home_;
  event::BlockingPool& pool_;
  std::shared_ptr<SegmentFiles> files_;
  StoredMessagePtr message_;
  BodyPlace::View view_;
  std::size_t extent_ = 0;  // index; while fresh it stays 0
  std::size_t offset_ = 0;  // within the extent, or the fresh body
  std::uint32_t crc_ = 0;   // of the extent so far
  std::string buffer_;
};

}  // namespace sealpost::spool
