// SPDX-License-Identifier: Apache-2.0
#include "spool/group.hpp"

#include <algorithm>
#include <utility>

namespace sealpost::spool {

std::vector<std::span<const ScannedRecord>> groups_of(const std::vector<ScannedRecord>& records) {
  std::vector<std::span<const ScannedRecord>> groups;
  std::size_t first = 0;
  while (first < records.size()) {
    std::size_t end = first + 1;
    while (end < records.size() && records[end].offset == records[end - 1].next &&
           (records[end - 1].header.flags & record_flag::more_follows) != 0)
      ++end;
    groups.push_back(std::span(records).subspan(first, end - first));
    first = end;
  }
  return groups;
}

bool is_whole(std::span<const ScannedRecord> group) noexcept {
  return (group.front().header.flags & record_flag::continues) == 0 &&
         (group.back().header.flags & record_flag::more_follows) == 0;
}

bool is_sound(std::span<const ScannedRecord> group) noexcept {
  if (!is_whole(group)) return false;
  if (group.size() == 1) return group.front().head_intact;
  return std::all_of(group.begin(), group.end(), [](const auto& record) { return record.intact(); });
}

Expected<ReadEntry> entry_of(std::uint64_t segment, const ScannedRecord& record, std::string_view head) {
  if (!record.head_intact) return Error(Errc::invalid, "its head is damaged");
  const RecordHeader& header = record.header;
  auto decoded = decode_head(header.type, head, header.flags);
  if (!decoded) return decoded.error();
  ReadEntry read;
  read.entry.id = header.id;
  read.entry.record = std::move(decoded->record);
  read.entry.blob =
      Extent{segment, static_cast<std::uint32_t>(record.offset + record_header_size + header.head_length),
             header.blob_length, header.blob_crc};
  read.entry.octets = record.end - record.offset;
  read.entry.blob_intact = record.blob_intact;
  read.beyond = decoded->beyond;
  return read;
}

}  // namespace sealpost::spool
