// SPDX-License-Identifier: Apache-2.0
#include "spool/segment_replay.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.hpp"
#include "base/planted.hpp"
#include "spool/group.hpp"
#include "spool/write_again.hpp"

namespace sealpost::spool {
namespace {

constexpr std::size_t read_step = 1u << 20;

}  // namespace

Expected<void> SegmentReplay::run(const SegmentHeader& header, std::uint32_t known_end) {
  SegmentFacts facts;
  facts.known_end = known_end;
  const bool stopped_here = mark_ && mark_->clean && mark_->current == header.sequence;
  if (stopped_here && !planted(Plant::ignore_clean_mark))
    facts.synced_to = std::min(mark_->end, records_end(header));
  facts.first_number = static_cast<std::uint32_t>(header.first_batch);
  const bool torn = facts.known_end != 0 && mark_ &&
                    std::count(mark_->torn.begin(), mark_->torn.end(), header.sequence) > 0;
  auto read = read_segment(header, torn ? 0 : facts.known_end);
  if (!read) return read.error();
  const std::string_view octets(buffer_.get(), *read);
  const SegmentScan scan = scan_segment(octets, seed_of(header), facts);
  // Up to the end that a successor names all was synced, by the life that wrote it or by the start that named it.
  // Where nobody names one, what counts was found by reading alone: the last segment, and one whose successor is lost.
  if (facts.known_end == 0 && !planted(Plant::no_write_again)) {
    const std::string_view believed = octets.substr(0, to_page_end(scan.end));
    auto durable = write_again(disk_, in_journal(segment_name(header.sequence)), believed, unreadable_pages_);
    if (!durable) return durable.error();
  }
  damaged_octets(header, octets, scan);
  keep_voids(header, octets, scan);
  replay_groups(header, octets, scan.records);
  if (facts.known_end == 0) judge_tail(header, octets, scan);
  if (torn) copy_torn_end(header, octets, facts);
  result_.next_batch = std::max(result_.next_batch, header.first_batch);
  if (scan.next_number != 0)
    result_.next_batch =
        std::max(result_.next_batch, header.first_batch + (scan.next_number - facts.first_number));
  if (header.sequence + 1 == result_.next_sequence) {
    result_.last = header;
    result_.previous_end = scan.end;
    const bool proven = unreadable_pages_.empty() && *read == records_end(header) &&
                        (header.version > 1 || scan.torn.from == scan.torn.to);
    if (proven) result_.clean_from = scan.clean_from;
  }
  result_.torn += scan.abandoned;
  // They may be readable another day: nothing is to be written over them.
  if (!unreadable_pages_.empty()) files_.keep(header.sequence);
  return {};
}

void SegmentReplay::damaged_octets(const SegmentHeader& header, std::string_view octets,
                                   const SegmentScan& scan) {
  for (const Gap& gap : scan.gaps) {
    if (planted(Plant::ignore_gap)) return;
    Damage damage;
    damage.from = gap.from;
    damage.to = gap.to;
    damage.what = gap.to > octets.size()            ? "the file ends too early"
                  : unreadable_in(gap.from, gap.to) ? "octets that the disk could not read"
                                                    : "octets that hold no record any more";
    damage.may_have_held = "mail answered 250, or what became of it";
    keep(header, octets, std::move(damage));
  }
}

// What has no copy is kept with its whole segment.
bool SegmentReplay::keep(const SegmentHeader& header, std::string_view octets, Damage damage) {
  const bool copied = keeper_.keep(header, octets, std::move(damage));
  if (!copied) files_.keep(header.sequence);
  return copied;
}

// The start that found a torn tail and went on behind it had perhaps no room for the copy, and may not have freed the segment
// before it ended: what it meant to keep is kept by the next one.
bool SegmentReplay::keep_voids(const SegmentHeader& header, std::string_view octets,
                               const SegmentScan& scan) {
  bool kept = true;
  for (const Gap& gap : scan.voids) {
    if (planted(Plant::ignore_torn_tail)) return true;
    if (keeper_.has(header.sequence, gap.from, gap.to)) continue;
    Damage damage;
    damage.from = gap.from;
    damage.to = gap.to;
    damage.what = "a batch that was not whole when an earlier start went on behind it";
    damage.may_have_held =
        "mail answered 250, or what became of it, unless the batch was never finished because of a crash";
    kept = keep(header, octets, std::move(damage)) && kept;
  }
  return kept;
}

// A start went on in a new segment when there was no room for the copy, so that what follows says that it ends before.
void SegmentReplay::copy_torn_end(const SegmentHeader& header, std::string_view octets, SegmentFacts facts) {
  facts.synced_to = std::max(facts.synced_to, std::exchange(facts.known_end, 0));
  const SegmentScan scan = scan_segment(octets, seed_of(header), facts);
  const bool kept = keep_voids(header, octets, scan);
  if (!keep_torn(header, octets, scan) || !kept) result_.torn_before.push_back(header.sequence);
}

bool SegmentReplay::unreadable_in(std::size_t from, std::size_t to) const {
  return std::any_of(unreadable_pages_.begin(), unreadable_pages_.end(),
                     [&](std::size_t page) { return page + page_size > from && page < to; });
}

// Behind the last record nothing was ever acknowledged, or it was and has been damaged since. Which, nobody can tell.
bool SegmentReplay::keep_torn(const SegmentHeader& header, std::string_view octets, const SegmentScan& scan) {
  if (scan.torn.from >= scan.torn.to || planted(Plant::ignore_torn_tail)) return true;
  Damage damage;
  damage.from = scan.torn.from;
  damage.to = scan.torn.to;
  damage.what = "the last batch is not whole; " + std::to_string(scan.in_torn) +
                " of its records can be read behind the damage";
  damage.may_have_held =
      "mail answered 250, or what became of it, unless the batch was never finished because of a crash";
  return keep(header, octets, std::move(damage));
}

void SegmentReplay::judge_tail(const SegmentHeader& header, std::string_view octets,
                               const SegmentScan& scan) {
  Damage damage;
  damage.segment = header.sequence;
  damage.may_have_held =
      "mail answered 250, or what became of it, unless the batch was never finished because of a crash";
  const bool kept = keep_torn(header, octets, scan);
  if (header.sequence + 1 == result_.next_sequence) result_.tail_kept = kept;
  for (const std::size_t page : unreadable_pages_) {
    if (page + page_size <= scan.end || (page >= scan.torn.from && page < scan.torn.to)) continue;
    damage.from = static_cast<std::uint32_t>(page);
    damage.to = static_cast<std::uint32_t>(page + page_size);
    damage.what = "octets that the disk could not read, behind the last record";
    keep(header, octets, damage);
  }
  if (octets.size() >= records_end(header)) return;
  damage.from = std::max(scan.end, static_cast<std::uint32_t>(octets.size()));
  damage.to = header.size;
  damage.what = "the file is shorter than its header says";
  damage.kept.clear();
  keeper_.keep_note(std::to_string(header.sequence) + "-" + std::to_string(damage.from) + ".missing", damage);
}

// What cannot be read is as good as damaged: zeros, which are no record. What cannot be read now is not.
Expected<std::size_t> SegmentReplay::read_segment(const SegmentHeader& header, std::uint32_t known_end) {
  auto opened = disk_.open(in_journal(segment_name(header.sequence)), Disk::Access::read);
  if (!opened.file) return disk_error(opened.error, "open " + segment_name(header.sequence));
  const std::size_t wanted = known_end != 0 ? std::min(known_end, records_end(header)) : records_end(header);
  if (buffer_size_ < wanted) {
    buffer_ = std::make_unique_for_overwrite<char[]>(wanted);
    buffer_size_ = wanted;
  }
  unreadable_pages_.clear();
  std::size_t at = 0;
  while (at < wanted) {
    const std::span<char> step(buffer_.get() + at, std::min(read_step, wanted - at));
    auto read = read_full(*opened.file, at, step);
    if (!read && read.error().code == Errc::unavailable) return read.error();
    if (!read) read = read_pages(*opened.file, header.sequence, at, step);
    at += *read;
    if (*read < step.size()) break;  // shorter than its header says
  }
  return at;
}

Expected<std::size_t> SegmentReplay::read_pages(JournalFile& file, std::uint64_t sequence, std::size_t at,
                                                std::span<char> step) {
  for (std::size_t done = 0; done < step.size(); done += page_size) {
    const auto part = step.subspan(done, std::min(page_size, step.size() - done));
    auto read = read_full(file, at + done, part);
    if (read && *read == part.size()) continue;
    if (read) return done + *read;
    std::fill(part.begin(), part.end(), '\0');
    unreadable_pages_.push_back(at + done);
    log::error("journal_read_failed",
               {{"segment", sequence}, {"offset", at + done}, {"why", read.error().detail}});
  }
  return step.size();
}

// Groups are atomic: with a record missing or damaged, none of it counts (D-17).
void SegmentReplay::replay_groups(const SegmentHeader& header, std::string_view octets,
                                  const std::vector<ScannedRecord>& records) {
  for (const auto group : groups_of(records)) {
    const bool alone = group.size() == 1 && is_whole(group);
    if (alone || is_sound(group) || planted(Plant::half_a_group)) {
      for (const ScannedRecord& record : group) replay_record(header, octets, record);
      continue;
    }
    for (const ScannedRecord& record : group)
      report_damage(header, octets, record, "a record of a group that is not whole");
  }
}

void SegmentReplay::replay_record(const SegmentHeader& segment, std::string_view octets,
                                  const ScannedRecord& record) {
  ++result_.records;
  const RecordHeader& header = record.header;
  auto read = entry_of(segment.sequence, record,
                       octets.substr(record.offset + record_header_size, header.head_length));
  if (!read) return damaged_record(segment, octets, record);
  if (!record.blob_intact) report_damage(segment, octets, record, "a message whose body is damaged");
  state_.apply(std::move(read->entry));
  if (read->beyond)  // D-11
    state_.hold(header.id, std::string(hold_record_newer));
}

// Its message is known and may be alive: nothing is to be sent on half of what was said about it (D-11).
void SegmentReplay::damaged_record(const SegmentHeader& segment, std::string_view octets,
                                   const ScannedRecord& record) {
  report_damage(segment, octets, record, "a record whose head is damaged");
  state_.hold(record.header.id, std::string(hold_record_damaged));
}

void SegmentReplay::report_damage(const SegmentHeader& segment, std::string_view octets,
                                  const ScannedRecord& record, std::string_view what) {
  Damage damage;
  damage.from = record.offset;
  damage.to = record.end;
  damage.what = what;
  damage.may_have_held =
      "a record of type " + std::to_string(record.header.type) + " about " + record.header.id.to_string();
  keep(segment, octets, std::move(damage));
}

}  // namespace sealpost::spool
