// SPDX-License-Identifier: Apache-2.0
#include "spool/segment_scan.hpp"

#include <algorithm>
#include <cstring>

#include "spool/crc32c.hpp"

namespace sealpost::spool {
namespace {

bool is_zero(std::string_view octets, std::size_t at) noexcept {
  std::uint64_t word = 0;
  if (at + sizeof word > octets.size()) return false;
  std::memcpy(&word, octets.data() + at, sizeof word);
  return word == 0;
}

// The first offset from `at` on where a record begins; octets.size() when there is none.
std::size_t next_record(std::string_view octets, std::size_t at, std::uint32_t seed, RecordHeader& header) {
  for (; at + record_header_size <= octets.size(); at += 8) {
    // The first eight octets of a record are its checksum and the length of its head: hardly ever zero, and
    // most of what has to be searched is.
    if (is_zero(octets, at) && is_zero(octets, at + 8)) continue;
    if (decode_record_header(octets.substr(at), seed, header)) return at;
  }
  return octets.size();
}

ScannedRecord check(std::string_view octets, std::size_t at, const RecordHeader& header) {
  ScannedRecord record;
  record.header = header;
  record.offset = static_cast<std::uint32_t>(at);
  record.end = static_cast<std::uint32_t>(at + footprint(header));
  const bool ends_batch = (header.flags & record_flag::ends_batch) != 0;
  record.next = ends_batch ? static_cast<std::uint32_t>(to_page_end(record.end)) : record.end;
  const std::string_view head = octets.substr(at + record_header_size, header.head_length);
  const std::string_view blob =
      octets.substr(at + record_header_size + header.head_length, header.blob_length);
  record.head_intact = crc32c(0, head) == header.head_crc;
  record.blob_intact = crc32c(0, blob) == header.blob_crc;
  return record;
}

// A record that directly follows another belongs to the same batch or begins one; what does not was left there by a
// batch that was torn, after which writing began again at its start.
bool follows(const ScannedRecord& before, const RecordHeader& header) noexcept {
  const bool new_batch = (before.header.flags & record_flag::ends_batch) != 0;
  return header.batch == (new_batch ? before.next : before.header.batch);
}

std::vector<ScannedRecord> find_all(std::string_view octets, std::uint32_t seed) {
  std::vector<ScannedRecord> found;
  std::size_t at = segment_header_size;
  RecordHeader header;
  while (at < octets.size()) {
    const bool due = decode_record_header(octets.substr(at), seed, header) &&
                     (found.empty() ? header.batch == at : follows(found.back(), header));
    if (!due) at = next_record(octets, at + 8, seed, header);
    if (at >= octets.size()) break;
    found.push_back(check(octets, at, header));
    at = found.back().next;
  }
  return found;
}

// A record says where its batch began, and its batch began after all before it had been synced.
std::uint32_t synced_end(const std::vector<ScannedRecord>& records) noexcept {
  std::uint32_t end = segment_header_size;
  for (const ScannedRecord& record : records)
    if (record.header.batch <= record.offset) end = std::max(end, record.header.batch);
  return end;
}

}  // namespace

SegmentScan scan_segment(std::string_view octets, std::uint32_t seed, std::uint32_t known_end) {
  SegmentScan scan;
  scan.end = segment_header_size;
  if (known_end != 0) octets = octets.substr(0, known_end);
  const std::vector<ScannedRecord> found = find_all(octets, seed);
  const std::uint32_t trusted = known_end != 0 ? known_end : synced_end(found);
  std::uint32_t at = segment_header_size;  // where the next record is due
  std::size_t whole = 0;                   // records of complete groups
  for (const ScannedRecord& record : found) {
    const bool acknowledged = record.offset < trusted;
    const std::uint32_t due = acknowledged ? at : std::max(at, trusted);
    const bool torn = !acknowledged && (record.offset != due || !record.intact());
    if (torn) break;  // D-03: from here on nothing was ever acknowledged
    if (record.offset != at) scan.gaps.push_back(Gap{at, record.offset});
    scan.records.push_back(record);
    at = record.next;
    if ((record.header.flags & record_flag::more_follows) == 0) {
      whole = scan.records.size();
      scan.end = record.next;
    }
  }
  scan.records.resize(whole);  // the rest is a group that never ended
  if (at < trusted) scan.gaps.push_back(Gap{at, trusted});
  scan.end = std::max(scan.end, trusted);
  for (const ScannedRecord& record : found)
    if (record.offset >= scan.end) scan.abandoned += record.next - record.offset;
  return scan;
}

}  // namespace sealpost::spool
