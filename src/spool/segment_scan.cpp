// SPDX-License-Identifier: Apache-2.0
#include "spool/segment_scan.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include "spool/crc32c.hpp"

namespace sealpost::spool {
namespace {

bool is_zero(std::string_view octets, std::size_t at) noexcept {
  std::uint64_t word = 0;
  if (at + sizeof word > octets.size()) return false;
  std::memcpy(&word, octets.data() + at, sizeof word);
  return word == 0;
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

// Numbers count up; before format version 2 there were none.
bool is_next(std::uint32_t before, std::uint32_t number) noexcept {
  return before == 0 || number == 0 || number == before + 1 || (number == 1 && before + 1 == 0);
}

// What a damaged record says of its length may be wrong, or others may have been written over it: a batch that begins within
// it counts. No stranger can forge one in a body, see seed_of().
std::uint32_t next_after(std::string_view octets, std::uint32_t seed, const ScannedRecord& record) {
  if (record.intact()) return record.next;
  RecordHeader header;
  for (std::size_t at = to_page_end(record.offset + 1); at < record.next; at += page_size)
    if (at < octets.size() && decode_record_header(octets.substr(at), seed, header) && header.batch == at)
      return static_cast<std::uint32_t>(at);
  return record.next;
}

std::vector<ScannedRecord> find_all(std::string_view octets, std::uint32_t seed) {
  std::vector<ScannedRecord> found;
  std::size_t at = segment_header_size;
  RecordHeader header;
  while (at < octets.size()) {
    const bool due = decode_record_header(octets.substr(at), seed, header) &&
                     (found.empty() ? header.batch == at : follows(found.back(), header));
    if (!due) {
      // A batch may begin right here that does not follow: batches before it are missing.
      const bool begins = decode_record_header(octets.substr(at), seed, header) && header.batch == at;
      if (!begins) at = next_record(octets, at + 8, seed, header);
    }
    if (at >= octets.size()) break;
    found.push_back(check(octets, at, header));
    found.back().next = next_after(octets, seed, found.back());
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

// The stretches that a batch behind them says hold nothing that counts, by their ends.
using Voids = std::map<std::uint32_t, std::uint32_t>;
Voids voids_of(const std::vector<ScannedRecord>& records) {
  Voids voids;
  for (const ScannedRecord& record : records) {
    const std::uint64_t length = std::uint64_t{record.header.void_pages} * page_size;
    const std::uint32_t to = record.header.batch;
    if (length > 0 && to <= record.offset && length + segment_header_size <= to)
      voids[to] = to - static_cast<std::uint32_t>(length);
  }
  return voids;
}

bool is_void(const Voids& voids, std::uint32_t offset) {
  const auto at = voids.upper_bound(offset);
  return at != voids.end() && offset >= at->second;
}

// Octets from..to that hold no record: those of it that should.
void add_gap(std::vector<Gap>& gaps, const Voids& voids, std::uint32_t from, std::uint32_t to) {
  for (auto at = voids.upper_bound(from); at != voids.end() && at->second < to; ++at) {
    if (from < at->second) gaps.push_back(Gap{from, at->second});
    from = at->first;
  }
  // The last record of a batch may be torn or its flag lost: what fills its page is nothing.
  if (from < to) gaps.push_back(Gap{from, to});
}

// D-03: where the last batch was torn, unless it was damaged.
void judge_tail(SegmentScan& scan, const std::vector<ScannedRecord>& found, std::string_view octets,
                std::uint32_t seed) {
  std::uint32_t torn_to = 0;
  for (const ScannedRecord& record : found) {
    if (record.offset < scan.end) continue;
    scan.abandoned += record.end - record.offset;
    if (record.intact()) ++scan.in_torn;
    torn_to = std::max(torn_to, static_cast<std::uint32_t>(to_page_end(record.end)));
  }
  const bool cut_short =
      !scan.records.empty() && (scan.records.back().header.flags & record_flag::ends_batch) == 0;
  if (cut_short) torn_to = std::max(torn_to, static_cast<std::uint32_t>(to_page_end(scan.end + 1)));
  const std::size_t due_at[] = {scan.end, to_page_end(scan.end)};
  for (const std::size_t at : due_at) {
    const bool mid_batch = at % page_size != 0;
    if (at + record_header_size > octets.size()) continue;
    const std::uint32_t number = mid_batch && scan.next_number != 0 ? scan.next_number - 1 : scan.next_number;
    if (was_header(octets.substr(at), seed, number))
      torn_to = std::max(torn_to, static_cast<std::uint32_t>(to_page_end(at + record_header_size)));
  }
  if (torn_to > scan.end)
    scan.torn = Gap{scan.end, std::min(torn_to, static_cast<std::uint32_t>(octets.size()))};
  scan.clean_from = std::max(torn_to, static_cast<std::uint32_t>(to_page_end(scan.end)));
}

}  // namespace

bool follows(const ScannedRecord& before, const RecordHeader& header) noexcept {
  if ((before.header.flags & record_flag::ends_batch) == 0)
    return header.batch == before.header.batch && header.number == before.header.number;
  return header.batch == before.next && is_next(before.header.number, header.number);
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

bool was_header(std::string_view octets, std::uint32_t seed, std::uint32_t due_number) {
  if (octets.size() < record_header_size) return false;
  std::string copy(octets.substr(0, record_header_size));
  if (due_number != 0 && header_number(copy) == due_number) return true;
  if (is_zero(copy, 0) && is_zero(copy, 8)) return false;
  for (std::size_t bit = 0; bit < 8 * record_header_size; ++bit) {
    const char mask = static_cast<char>(1 << (bit % 8));
    copy[bit / 8] = static_cast<char>(copy[bit / 8] ^ mask);
    if (header_holds(copy, seed)) return true;
    copy[bit / 8] = static_cast<char>(copy[bit / 8] ^ mask);
  }
  return false;
}

SegmentScan scan_segment(std::string_view octets, std::uint32_t seed, const SegmentFacts& facts) {
  SegmentScan scan;
  scan.end = segment_header_size;
  const std::uint32_t known_end = facts.known_end;
  if (known_end != 0) octets = octets.substr(0, known_end);
  const std::vector<ScannedRecord> found = find_all(octets, seed);
  const Voids voids = voids_of(found);
  const std::uint32_t trusted = known_end != 0 ? known_end : std::max(synced_end(found), facts.synced_to);
  for (const auto& [to, from] : voids) scan.voids.push_back(Gap{from, to});
  std::uint32_t at = segment_header_size;  // where the next record is due
  std::size_t whole = 0;                   // records of complete groups
  for (const ScannedRecord& record : found) {
    if (is_void(voids, record.offset)) continue;
    const bool acknowledged = record.offset < trusted;
    const std::uint32_t due = acknowledged ? at : std::max(at, trusted);
    const bool torn = !acknowledged && (record.offset != due || !record.intact());
    if (torn) break;  // D-03: from here on nothing was ever acknowledged
    if (record.offset != at) add_gap(scan.gaps, voids, at, record.offset);
    scan.records.push_back(record);
    at = record.next;
    if ((record.header.flags & record_flag::more_follows) == 0) {
      whole = scan.records.size();
      scan.end = record.next;
    }
  }
  scan.records.resize(whole);  // the rest is a group that never ended
  if (at < trusted) add_gap(scan.gaps, voids, at, trusted);
  scan.end = std::max(scan.end, trusted);
  std::uint32_t batches = 0;  // 32 bits of a longer number: it may have gone round
  for (const ScannedRecord& record : found) {
    const std::uint32_t ahead = record.header.number - facts.first_number;
    if (record.header.number != 0 && ahead < 0x80000000U) batches = std::max(batches, ahead + 1);
  }
  scan.next_number = facts.first_number + batches;
  if (known_end == 0) judge_tail(scan, found, octets, seed);
  return scan;
}

}  // namespace sealpost::spool
