// SPDX-License-Identifier: Apache-2.0
#include "spool/body_reader.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "spool/crc32c.hpp"

namespace sealpost::spool {
namespace {

Expected<std::string> read_from(SegmentFiles& files, std::uint64_t segment, std::uint64_t offset,
                                std::size_t length) {
  auto file = files.open(segment);
  if (!file) return file.error();
  std::string octets(length, '\0');
  auto read = read_full(**file, offset, octets);
  if (!read) return read.error();
  if (*read != length) return Error(Errc::io, "the segment ends too early");
  return octets;
}

}  // namespace

JournalBodyReader::JournalBodyReader(event::Loop& home, event::BlockingPool& pool,
                                     std::shared_ptr<SegmentFiles> files, StoredMessagePtr message)
    : home_(home),
      pool_(pool),
      files_(std::move(files)),
      message_(std::move(message)),
      view_(message_->body->look()) {}

event::Task<Expected<std::string_view>> JournalBodyReader::next() {
  if (view_.fresh) {
    const std::string_view part = std::string_view(*view_.fresh).substr(offset_, piece);
    offset_ += part.size();
    co_return part;
  }
  while (extent_ < view_.extents.size() && offset_ == view_.extents[extent_].length) {
    ++extent_;
    offset_ = 0;
    crc_ = 0;
  }
  if (extent_ == view_.extents.size()) co_return std::string_view();
  const std::size_t length = std::min(piece, view_.extents[extent_].length - offset_);
  if (!read_cached(view_.extents[extent_], length)) {
    auto filled = co_await fill(length);
    if (!filled) co_return filled.error();
  }
  crc_ = crc32c(crc_, buffer_);
  offset_ += length;
  const Extent& extent = view_.extents[extent_];
  if (offset_ == extent.length && crc_ != extent.crc) co_return damaged();
  co_return std::string_view(buffer_);
}

bool JournalBodyReader::read_cached(const Extent& extent, std::size_t length) {
  const auto file = files_->find(extent.segment);
  if (!file) return false;
  buffer_.resize(length);
  std::size_t got = 0;
  while (got < length) {
    const std::int64_t read =
        file->read_cached_at(extent.offset + offset_ + got, std::span(buffer_).subspan(got));
    if (read <= 0) return false;
    got += static_cast<std::size_t>(read);
  }
  return true;
}

// The message may have been copied forward since: the pieces are the same, elsewhere. It can move again at
// once, but hardly three times.
event::Task<Expected<void>> JournalBodyReader::fill(std::size_t length) {
  Expected<void> filled;
  for (int attempt = 0; attempt < 3; ++attempt) {
    filled = co_await read_waiting(view_.extents[extent_], length);
    if (filled || filled.error().code != Errc::not_found) co_return filled;
    auto extents = message_->body->look().extents;
    if (extents.size() != view_.extents.size()) break;
    view_.extents = std::move(extents);
  }
  co_return Error(Errc::unavailable, "the message is being moved or is finished");
}

event::Task<Expected<void>> JournalBodyReader::read_waiting(Extent extent, std::size_t length) {
  std::function<Expected<std::string>()> work = [files = files_, segment = extent.segment,
                                                 offset = extent.offset + offset_, length] {
    return read_from(*files, segment, offset, length);
  };
  auto octets = co_await event::run_blocking<std::string>(pool_, home_, std::move(work));
  if (!octets) {
    if (octets.error().code == Errc::io)
      log::error("body_unreadable", {{"id", message_->id.to_string()}, {"why", octets.error().detail}});
    co_return octets.error();
  }
  buffer_ = std::move(*octets);
  co_return Expected<void>();
}

Error JournalBodyReader::damaged() const {
  log::error("body_damaged", {{"id", message_->id.to_string()},
                              {"segment", view_.extents[extent_].segment},
                              {"offset", view_.extents[extent_].offset}});
  return Error(Errc::io, "the body is damaged in the journal");
}

}  // namespace sealpost::spool
