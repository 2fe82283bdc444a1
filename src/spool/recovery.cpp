// SPDX-License-Identifier: Apache-2.0
#include "spool/recovery.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "base/log.hpp"
#include "spool/segment_scan.hpp"
#include "spool/write_again.hpp"

namespace sealpost::spool {
namespace {

constexpr std::size_t read_step = 1u << 20;

std::string in_journal(const std::string& name) { return journal_directory + "/" + name; }

class Recovery {
 public:
  Recovery(Disk& disk, std::uint32_t segment_size, SegmentFiles& files, JournalState& state)
      : disk_(disk), segment_size_(segment_size), files_(files), state_(state) {}

  Expected<Recovered> run() {
    auto found = look();
    if (!found) return found.error();
    auto ready = prepare();
    if (!ready) return ready.error();
    for (const auto& [sequence, header] : segments_) {
      auto replayed = replay(header);
      if (!replayed) return replayed.error();
    }
    state_.discard_all_parts();  // their transactions ended with the process
    if (!segments_.empty())      // names that are only in memory hold what we rely on, too
      if (const int synced = disk_.sync_directory(journal_directory); synced != 0)
        return disk_error(synced, "sync the journal directory");
    find_spares();
    return std::move(result_);
  }

 private:
  // Only reads: what refuses to start must leave everything untouched.
  Expected<void> look() {
    const int listed = disk_.list(journal_directory, names_);
    if (listed == -ENOENT) return {};  // the first start
    if (listed != 0) return disk_error(listed, "read the journal directory");
    std::sort(names_.begin(), names_.end());
    for (const std::string& name : names_) {
      const auto sequence = parse_segment_name(name);
      if (!sequence) continue;
      result_.next_sequence = std::max(result_.next_sequence, *sequence + 1);
      auto header = read_header(name, *sequence);
      // An I/O error may pass; to go on without a segment is the last thing to do.
      for (int again = 0; again < 2 && !header && header.error().code == Errc::io; ++again)
        header = read_header(name, *sequence);
      if (header)
        segments_.emplace(*sequence, *header);
      else if (header.error().code == Errc::unavailable || header.error().code == Errc::refused)
        return header.error();
      else
        unreadable_.emplace_back(name, header.error().detail);
    }
    return {};
  }

  Expected<SegmentHeader> read_header(const std::string& name, std::uint64_t sequence) {
    auto opened = disk_.open(in_journal(name), Disk::Access::read);
    if (opened.error == -EPERM || opened.error == -ELOOP)
      return Error(Errc::refused, in_journal(name) +
                                      " is not a private regular file of ours (owner, mode 0600, one "
                                      "link); find out who put it there before starting again");
    if (!opened.file) return disk_error(opened.error, "open " + in_journal(name));
    auto header = read_header_at(*opened.file, 0, name, sequence);
    if (header || (header.error().code != Errc::invalid && header.error().code != Errc::io)) return header;
    const std::int64_t size = opened.file->size();
    if (size < static_cast<std::int64_t>(2 * page_size)) return header;
    auto copy = read_header_at(*opened.file, static_cast<std::uint64_t>(size) - page_size, name, sequence);
    if (!copy) return copy.error().code == Errc::unavailable ? copy : header;
    log::error("journal_header_damaged", {{"segment", sequence}, {"why", header.error().detail}});
    return copy;
  }

  Expected<SegmentHeader> read_header_at(JournalFile& file, std::uint64_t at, const std::string& name,
                                         std::uint64_t sequence) {
    std::string octets(segment_header_size, '\0');
    auto read = read_full(file, at, octets);
    if (!read) return read.error();
    octets.resize(*read);
    auto header = decode_segment_header(octets);
    if (!header) return Error(header.error().code, in_journal(name) + ": " + header.error().detail);
    if (header->sequence != sequence)
      return Error(Errc::invalid, "holds segment " + segment_name(header->sequence));
    return header;
  }

  Expected<void> prepare() {
    for (const std::string& directory : {journal_directory, corrupt_directory})
      if (const int made = disk_.make_directory(directory); made != 0)
        return disk_error(made, "directory " + directory + " in the spool");
    for (const auto& [name, why] : unreadable_) {
      auto moved = set_aside(name, why);
      if (!moved) return moved.error();
    }
    return {};
  }

  // D-21: an unreadable segment is kept for a person to look at, and the daemon starts without it.
  Expected<void> set_aside(const std::string& name, const std::string& why) {
    int renamed = -EEXIST;
    for (int attempt = 0; renamed == -EEXIST && attempt < 1000; ++attempt) {
      const std::string suffix = attempt == 0 ? std::string() : "." + std::to_string(attempt);
      renamed = disk_.rename(in_journal(name), corrupt_directory + "/" + name + suffix);
    }
    if (renamed != 0) return disk_error(renamed, "move " + name + " to corrupt/");
    log::error("journal_segment_unreadable",
               {{"segment", name}, {"why", why}, {"moved_to", corrupt_directory}});
    ++result_.damaged;
    for (const std::string& directory : {corrupt_directory, journal_directory})
      if (const int synced = disk_.sync_directory(directory); synced != 0)
        return disk_error(synced, "sync " + directory);
    return {};
  }

  Expected<void> replay(const SegmentHeader& header) {
    files_.add(header.sequence);
    const auto next = segments_.find(header.sequence + 1);
    const std::uint32_t known_end = next == segments_.end() ? 0 : next->second.previous_end;
    auto read = read_segment(header, known_end);
    if (!read) return read.error();
    const std::string_view octets(buffer_.get(), *read);
    const SegmentScan scan = scan_segment(octets, seed_of(header), known_end);
    // Up to the end that a successor names all was synced, by the life that wrote it or by the start that named it.
    // Where nobody names one, what counts was found by reading alone: the last segment, and one whose successor is lost.
    if (known_end == 0) {
      const std::string_view believed = octets.substr(0, to_page_end(scan.end));
      auto durable =
          write_again(disk_, in_journal(segment_name(header.sequence)), believed, unreadable_pages_);
      if (!durable) return durable.error();
    }
    for (const Gap& gap : scan.gaps) damaged_octets(header.sequence, octets, gap);
    replay_groups(header.sequence, octets, scan.records);
    if (header.sequence + 1 == result_.next_sequence) {
      result_.last = header;
      result_.previous_end = scan.end;
    }
    result_.torn += scan.abandoned;
    if (scan.abandoned > 0 && known_end == 0)
      log::warning("journal_tail_torn",
                   {{"segment", header.sequence}, {"from", scan.end}, {"octets", scan.abandoned}});
    return {};
  }

  // What cannot be read is as good as damaged: zeros, which are no record. What cannot be read now is not.
  Expected<std::size_t> read_segment(const SegmentHeader& header, std::uint32_t known_end) {
    auto opened = disk_.open(in_journal(segment_name(header.sequence)), Disk::Access::read);
    if (!opened.file) return disk_error(opened.error, "open " + segment_name(header.sequence));
    const std::size_t wanted =
        known_end != 0 ? std::min(known_end, records_end(header)) : records_end(header);
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

  Expected<std::size_t> read_pages(JournalFile& file, std::uint64_t sequence, std::size_t at,
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

  void damaged_octets(std::uint64_t sequence, std::string_view octets, const Gap& gap) {
    ++result_.damaged;
    log::error("journal_damaged", {{"segment", sequence}, {"from", gap.from}, {"to", gap.to}});
    keep_copy(sequence, octets, gap);
  }

  // Into corrupt/, before the segment is used again for something else.
  void keep_copy(std::uint64_t sequence, std::string_view octets, const Gap& gap) {
    if (gap.from >= octets.size()) return;  // the file ends before it
    const std::string name =
        corrupt_directory + "/" + std::to_string(sequence) + "-" + std::to_string(gap.from);
    auto opened = disk_.open(name, Disk::Access::create);
    if (opened.error == -EEXIST) return;  // an earlier start has kept it
    Expected<void> kept;
    if (!opened.file) kept = disk_error(opened.error, "create");
    if (kept) kept = write_all(*opened.file, 0, octets.substr(gap.from, gap.to - gap.from));
    if (kept && opened.file->sync_data() != 0) kept = Error(Errc::io, "sync");
    if (kept && disk_.sync_directory(corrupt_directory) != 0) kept = Error(Errc::io, "sync the directory");
    if (kept)
      log::error("journal_damage_copied", {{"to", name}});
    else
      log::error("journal_damage_not_copied", {{"to", name}, {"why", kept.error().detail}});
  }

  // Groups are atomic: with a record missing or damaged, none of it counts (D-17).
  void replay_groups(std::uint64_t sequence, std::string_view octets,
                     const std::vector<ScannedRecord>& records) {
    std::size_t first = 0;
    while (first < records.size()) {
      std::size_t end = first + 1;
      while (end < records.size() && records[end].offset == records[end - 1].next &&
             (records[end - 1].header.flags & record_flag::more_follows) != 0)
        ++end;
      replay_group(sequence, octets, std::span(records).subspan(first, end - first));
      first = end;
    }
  }

  void replay_group(std::uint64_t sequence, std::string_view octets, std::span<const ScannedRecord> group) {
    const bool whole = (group.front().header.flags & record_flag::continues) == 0 &&
                       (group.back().header.flags & record_flag::more_follows) == 0;
    const bool intact =
        std::all_of(group.begin(), group.end(), [](const auto& record) { return record.intact(); });
    if (group.size() == 1 && whole) return replay_record(sequence, octets, group.front());
    if (whole && intact) {
      for (const ScannedRecord& record : group) replay_record(sequence, octets, record);
      return;
    }
    for (const ScannedRecord& record : group) report_damage(sequence, octets, record);
  }

  void replay_record(std::uint64_t sequence, std::string_view octets, const ScannedRecord& record) {
    ++result_.records;
    const RecordHeader& header = record.header;
    const std::size_t head_at = record.offset + record_header_size;
    auto decoded = decode_head(header.type, octets.substr(head_at, header.head_length));
    if (!record.head_intact || !decoded) return damaged_record(sequence, octets, record);
    if (!record.blob_intact) report_damage(sequence, octets, record);
    JournalEntry entry;
    entry.id = header.id;
    entry.record = std::move(*decoded);
    entry.blob = Extent{sequence, static_cast<std::uint32_t>(head_at + header.head_length),
                        header.blob_length, header.blob_crc};
    entry.octets = record.end - record.offset;
    entry.blob_intact = record.blob_intact;
    state_.apply(std::move(entry));
  }

  // Its message is known and may be alive: nothing is to be sent on half of what was said about it (D-11).
  void damaged_record(std::uint64_t sequence, std::string_view octets, const ScannedRecord& record) {
    report_damage(sequence, octets, record);
    state_.hold(record.header.id, "a record of its journal is damaged");
  }

  void report_damage(std::uint64_t sequence, std::string_view octets, const ScannedRecord& record) {
    ++result_.damaged;
    log::error("journal_record_damaged", {{"segment", sequence},
                                          {"offset", record.offset},
                                          {"id", record.header.id.to_string()},
                                          {"type", record.header.type}});
    keep_copy(sequence, octets, Gap{record.offset, record.end});
  }

  void find_spares() {
    for (const std::string& name : names_) {
      const auto number = parse_spare_name(name);
      if (!number && !parse_segment_name(name))
        log::warning("journal_unknown_file", {{"file", in_journal(name)}});
      if (!number) continue;
      files_.reserve_spare_number(*number);
      auto opened = disk_.open(in_journal(name), Disk::Access::read);
      if (opened.file && opened.file->size() == static_cast<std::int64_t>(segment_size_))
        result_.spares.push_back(name);
      else if (opened.file)
        disk_.remove(in_journal(name));  // its making was cut off, or the configured size has changed
    }
  }

  Disk& disk_;
  std::uint32_t segment_size_;
  SegmentFiles& files_;
  JournalState& state_;
  std::vector<std::string> names_;
  std::map<std::uint64_t, SegmentHeader> segments_;
  std::vector<std::pair<std::string, std::string>> unreadable_;  // name, why
  std::vector<std::size_t> unreadable_pages_;                    // of the segment in the buffer: zeros there
  std::unique_ptr<char[]> buffer_;
  std::size_t buffer_size_ = 0;
  Recovered result_;
};

}  // namespace

Expected<Recovered> recover(Disk& disk, std::uint32_t segment_size, SegmentFiles& files,
                            JournalState& state) {
  return Recovery(disk, segment_size, files, state).run();
}

}  // namespace sealpost::spool
