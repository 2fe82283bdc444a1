// SPDX-License-Identifier: Apache-2.0
#include "spool/batch.hpp"

namespace sealpost::spool {
namespace {
constexpr std::size_t copied_blob = 512;  // below it a copy costs less than a piece of its own
}

void Batch::begin(const SegmentHeader& segment, std::uint32_t start, std::uint32_t number,
                  std::uint16_t void_pages) {
  number_ = number;
  void_pages_ = void_pages;
  segment_ = segment.sequence;
  seed_ = seed_of(segment);
  size_ = records_end(segment);
  start_ = end_ = start;
  own_.clear();
  pieces_.clear();
}

Extent Batch::add(RecordHeader header, std::string_view head, std::string_view blob) {
  header.batch = start_;
  header.number = number_;
  header.void_pages = void_pages_;
  header.head_length = static_cast<std::uint32_t>(head.size());
  header.blob_length = static_cast<std::uint32_t>(blob.size());
  const std::size_t octets = footprint(header);
  const std::size_t unpadded = record_header_size + head.size() + blob.size();
  const std::size_t own_before = own_.size();
  last_ = header;
  last_at_ = own_before;
  own_.resize(own_before + record_header_size);
  store_record_header(own_.data() + own_before, header, seed_);
  own_.append(head);
  if (blob.size() > copied_blob) {
    own(own_.size() - own_before);
    pieces_.push_back(Piece{blob.data(), blob.size()});
    own_.append(octets - unpadded, '\0');
    own(octets - unpadded);
  } else {
    own_.append(blob);
    own_.append(octets - unpadded, '\0');
    own(own_.size() - own_before);
  }
  const auto blob_at = static_cast<std::uint32_t>(end_ + record_header_size + head.size());
  end_ += static_cast<std::uint32_t>(octets);
  return Extent{segment_, blob_at, header.blob_length, header.blob_crc};
}

void Batch::own(std::size_t length) {
  if (length == 0) return;
  if (pieces_.empty() || pieces_.back().data != nullptr)
    pieces_.push_back(Piece{nullptr, length});
  else
    pieces_.back().length += length;
}

Expected<void> Batch::write(JournalFile& file) {
  last_.flags |= record_flag::ends_batch;
  store_record_header(own_.data() + last_at_, last_, seed_);
  const std::size_t filling = to_page_end(end_) - end_;
  own_.append(filling, '\0');
  own(filling);
  end_ += static_cast<std::uint32_t>(filling);
  vectors_.clear();
  std::size_t own_at = 0;
  for (const Piece& piece : pieces_) {
    char* data = piece.data != nullptr ? const_cast<char*>(piece.data) : own_.data() + own_at;
    if (piece.data == nullptr) own_at += piece.length;
    vectors_.push_back(iovec{data, piece.length});
  }
  return write_all(file, start_, vectors_);
}

}  // namespace sealpost::spool
