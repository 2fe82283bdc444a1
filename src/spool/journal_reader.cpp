// SPDX-License-Identifier: Apache-2.0
#include "spool/journal_reader.hpp"

#include <algorithm>
#include <utility>

#include "base/planted.hpp"
#include "spool/crc32c.hpp"
#include "spool/group.hpp"

namespace sealpost::spool {
namespace {

constexpr std::size_t window_size = 256u << 10;
constexpr unsigned most_failed_reads = 100;  // without one that brought something

std::string in_words(const Gap& gap, std::uint64_t segment) {
  return "octets " + std::to_string(gap.from) + " to " + std::to_string(gap.to) + " of segment " +
         std::to_string(segment) + " cannot be read";
}

// What should be there between `from` and `to`, and is not.
std::string damage_between(const SegmentScan& scan, std::uint64_t segment, std::uint32_t from,
                           std::uint32_t to) {
  for (const Gap& gap : scan.gaps)
    if (gap.from < to && gap.to > from)
      return in_words({std::max(gap.from, from), std::min(gap.to, to)}, segment);
  for (const ScannedRecord& record : scan.records)
    if (record.offset >= from && record.offset < to) return in_words({record.offset, record.end}, segment);
  return "";
}

// Its checksum holds. What breaks its grammar all the same is as what a later release wrote: its message is held, and the rest of
// its group counts, as at a start.
JournalEntry entry_read(std::uint64_t segment, const ScannedRecord& record, std::string_view head) {
  auto read = entry_of(segment, record, head);
  if (read) return std::move(read->entry);
  JournalEntry entry;
  entry.id = record.header.id;
  entry.record = UnknownRecord{record.header.type};
  return entry;
}

}  // namespace

Expected<JournalReader::Piece> JournalReader::read(const Position& from, const Position& durable,
                                                   std::size_t most) {
  Piece piece;
  piece.next = from;
  if (from.segment > durable.segment) return piece;
  if (!segment_ || segment_->header.sequence != from.segment) {
    auto opened = open(from.segment);
    const bool lost =
        !opened && (opened.error().code == Errc::not_found || opened.error().code == Errc::invalid);
    if (lost) return skip_segment(from, durable, opened.error().detail);
    if (!opened) return opened.error();
  }
  auto end = end_of(durable);
  if (!end) return end.error();
  piece.next.offset = std::max(from.offset, static_cast<std::uint32_t>(segment_header_size));
  if (piece.next.offset < *end) {
    if (auto read = read_forwards(piece, *end, most); !read) return read.error();
    if (piece.entries.empty())
      if (auto found = search(piece, *end); !found) return found.error();
  }
  if (piece.next.offset >= *end && from.segment < durable.segment && piece.missed.empty()) {
    const auto next = files_.next_after(from.segment);
    if (next == from.segment + 1) piece.next = Position{next, segment_header_size};
    if (next != from.segment + 1 && piece.entries.empty())
      return skip_segment(from, durable, "segment " + segment_name(from.segment + 1) + " is gone");
  }
  return piece;
}

JournalReader::Piece JournalReader::skip_segment(const Position& from, const Position& durable,
                                                 std::string why) const {
  Piece piece;
  piece.next = from;
  const std::uint64_t next = files_.next_after(from.segment);
  if (next == 0 || next > durable.segment) return piece;  // it will be there in a moment
  piece.next = Position{next, segment_header_size};
  piece.missed = std::move(why);
  return piece;
}

Expected<void> JournalReader::open(std::uint64_t sequence) {
  segment_.reset();
  window_.clear();
  auto file = files_.open(sequence);
  if (!file) return file.error();
  auto header = header_of(sequence, **file);
  if (!header) return header.error();
  segment_.emplace(Segment{*header, std::move(*file), std::nullopt});
  return {};
}

// The first page, or its copy in the last one.
Expected<SegmentHeader> JournalReader::header_of(std::uint64_t sequence, JournalFile& file) const {
  std::string octets(segment_header_size, '\0');
  Error last(Errc::invalid, "segment " + segment_name(sequence) + " has no header");
  const std::int64_t size = file.size();
  for (const std::int64_t at : {std::int64_t{0}, size - static_cast<std::int64_t>(page_size)}) {
    if (at < 0) continue;
    auto read = read_full(file, static_cast<std::uint64_t>(at), octets);
    if (!read) {
      last = read.error();
      continue;
    }
    auto header = decode_segment_header(octets);
    if (header && header->sequence == sequence) return header;
  }
  return last;
}

// Of a segment behind which another was begun that one's header says it, or, where nobody does, what can be read.
Expected<std::uint32_t> JournalReader::end_of(const Position& durable) {
  if (segment_->header.sequence == durable.segment) return durable.offset;
  if (segment_->end) return *segment_->end;
  const std::uint64_t next = segment_->header.sequence + 1;
  auto file = files_.open(next);
  if (!file && file.error().code != Errc::not_found) return file.error();
  if (file) {
    auto header = header_of(next, **file);
    if (!header && header.error().code != Errc::invalid) return header.error();
    if (header && header->previous_end != 0) segment_->end = header->previous_end;
    if (planted(Plant::follow_failed_batch)) segment_->end = records_end(segment_->header);
  }
  if (!segment_->end) {
    auto octets = whole_segment(records_end(segment_->header));
    if (!octets) return octets.error();
    SegmentFacts facts;
    facts.first_number = static_cast<std::uint32_t>(segment_->header.first_batch);
    segment_->end = scan_segment(*octets, seed_of(segment_->header), facts).end;
  }
  return *segment_->end;
}

Expected<void> JournalReader::read_forwards(Piece& piece, std::uint32_t end, std::size_t most) {
  std::optional<ScannedRecord> before;
  const std::uint64_t enough = std::uint64_t{piece.next.offset} + most;
  while (piece.next.offset < end && piece.next.offset < enough) {
    auto group = sound_group(piece.next.offset, end, before);
    if (!group) return group.error();
    if (!*group) return {};
    std::move((*group)->entries.begin(), (*group)->entries.end(), std::back_inserter(piece.entries));
    before = (*group)->last;
    failed_reads_ = 0;
    piece.next.offset = before->next;
  }
  return {};
}

// Nullopt: none that begins right there, or something is wrong with it.
Expected<std::optional<JournalReader::Group>> JournalReader::sound_group(
    std::uint32_t at, std::uint32_t end, const std::optional<ScannedRecord>& before) {
  const std::optional<Group> none;
  Group group;
  for (bool more = true; more;) {
    auto begin = view(at, record_header_size, end);
    if (!begin) return begin.error();
    ScannedRecord record;
    record.offset = at;
    RecordHeader& header = record.header;
    if (!decode_record_header(*begin, end - at, seed_of(segment_->header), header)) return none;
    const bool first = group.entries.empty();
    const ScannedRecord* const previous = !first ? &group.last : before ? &*before : nullptr;
    if (header.batch > at || (previous != nullptr && !follows(*previous, header))) return none;
    if (first != ((header.flags & record_flag::continues) == 0)) return none;
    more = (header.flags & record_flag::more_follows) != 0;
    record.end = static_cast<std::uint32_t>(at + footprint(header));
    const bool ends_batch = (header.flags & record_flag::ends_batch) != 0;
    record.next = ends_batch ? static_cast<std::uint32_t>(to_page_end(record.end)) : record.end;
    // The body of a message alone in its group may be damaged, see is_sound().
    const bool with_blob = more || !first;
    auto rest = view(at, record_header_size + header.head_length + (with_blob ? header.blob_length : 0), end);
    if (!rest) return rest.error();
    if (rest->size() < record_header_size + header.head_length) return none;
    const std::string_view head = rest->substr(record_header_size, header.head_length);
    if (crc32c(0, head) != header.head_crc) return none;
    if (with_blob && crc32c(0, rest->substr(record_header_size + header.head_length)) != header.blob_crc)
      return none;
    group.entries.push_back(entry_read(segment_->header.sequence, record, head));
    group.last = record;
    at = record.next;
  }
  return std::optional<Group>(std::move(group));
}

// As a start would: the first sound group behind what is wrong here, and what is missing before it.
Expected<void> JournalReader::search(Piece& piece, std::uint32_t end) {
  auto octets = whole_segment(end);
  if (!octets) return octets.error();
  SegmentFacts facts;
  facts.known_end = end;
  facts.first_number = static_cast<std::uint32_t>(segment_->header.first_batch);
  const SegmentScan scan = scan_segment(*octets, seed_of(segment_->header), facts);
  const std::uint32_t from = piece.next.offset;
  const std::uint64_t sequence = segment_->header.sequence;
  for (const auto group : groups_of(scan.records)) {
    if (group.front().offset < from || !is_sound(group)) continue;
    piece.next.offset = group.front().offset;
    piece.missed = damage_between(scan, sequence, from, piece.next.offset);
    if (!piece.missed.empty()) return {};
    for (const ScannedRecord& record : group)
      piece.entries.push_back(entry_read(
          sequence, record,
          std::string_view(*octets).substr(record.offset + record_header_size, record.header.head_length)));
    piece.next.offset = group.back().next;
    return {};
  }
  piece.next.offset = end;
  piece.missed = damage_between(scan, sequence, from, end);
  return {};
}

// What the disk cannot read, however often it is asked, is as good as damaged: zeros, which are no record. An error may pass,
// and a gap would stay.
Expected<std::size_t> JournalReader::read_octets(std::uint32_t at, std::span<char> into) {
  auto read = read_full(*segment_->file, at, into);
  if (read) return *read;
  if (read.error().code == Errc::unavailable || ++failed_reads_ <= most_failed_reads) return read.error();
  return std::size_t{0};
}

Expected<std::string> JournalReader::whole_segment(std::uint32_t end) {
  std::string octets(end, '\0');
  std::span<char> left(octets);
  for (std::uint32_t at = 0; at < end; at += page_size) {
    auto read = read_octets(at, left.subspan(at, std::min<std::size_t>(page_size, end - at)));
    if (!read) return read.error();
  }
  return octets;
}

// `length` of them from `at` on, fewer at the end of what counts.
Expected<std::string_view> JournalReader::view(std::uint32_t at, std::size_t length, std::uint32_t end) {
  length = std::min<std::size_t>(length, end - at);
  const bool there = at >= window_at_ && at - window_at_ + length <= window_.size();
  if (!there) {
    window_at_ = at;
    window_.resize(std::min<std::size_t>(std::max(length, window_size), end - at));
    auto read = read_octets(at, window_);
    window_.resize(read ? *read : 0);
    if (!read) return read.error();
  }
  return std::string_view(window_).substr(at - window_at_, length);
}

}  // namespace sealpost::spool
