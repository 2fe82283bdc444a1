// SPDX-License-Identifier: Apache-2.0
#include "spool/recovery.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include "base/log.hpp"
#include "base/planted.hpp"
#include "spool/segment_scan.hpp"
#include "spool/write_again.hpp"

namespace sealpost::spool {
namespace {

constexpr std::size_t read_step = 1u << 20;

std::string in_journal(const std::string& name) { return journal_directory + "/" + name; }

class Recovery {
 public:
  Recovery(Disk& disk, std::uint32_t segment_size, SegmentFiles& files, MarkFiles& marks, JournalState& state)
      : disk_(disk),
        segment_size_(segment_size),
        files_(files),
        marks_(marks),
        state_(state),
        keeper_(disk) {}

  Expected<Recovered> run() {
    auto found = look();
    if (!found) return found.error();
    auto ready = prepare();
    if (!ready) return ready.error();
    find_missing();
    for (const auto& [sequence, header] : segments_) {
      auto replayed = replay(header);
      if (!replayed) return replayed.error();
    }
    state_.discard_all_parts();  // their transactions ended with the process
    if (!segments_.empty())      // names that are only in memory hold what we rely on, too
      if (const int synced = disk_.sync_directory(journal_directory); synced != 0)
        return disk_error(synced, "sync the journal directory");
    find_spares();
    find_set_aside();
    judge_marks();
    result_.damaged = keeper_.count();
    result_.damages = keeper_.take();
    return std::move(result_);
  }

 private:
  // Only reads: what refuses to start must leave everything untouched.
  Expected<void> look() {
    auto marks = marks_.read();
    if (!marks) return marks.error();
    found_marks_ = std::move(*marks);
    if (const auto& mark = found_marks_.mark) result_.next_sequence = mark->current + 1;
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
    if (header) return header;
    // One that seems to be of a newer version may only be damaged there, when its copy is of ours.
    const std::int64_t size = opened.file->size();
    if (size < static_cast<std::int64_t>(2 * page_size)) return header;
    auto copy = read_header_at(*opened.file, static_cast<std::uint64_t>(size) - page_size, name, sequence);
    if (!copy) return copy.error().code == Errc::unavailable ? copy : header;
    if (copy->size != size) return header;
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
    Damage damage;
    damage.segment = parse_segment_name(name).value_or(0);
    damage.what = "its header can be read in neither place: " + why;
    damage.may_have_held = "all the mail of a segment";
    int renamed = -EEXIST;
    for (int attempt = 0; renamed == -EEXIST && attempt < 1000; ++attempt) {
      const std::string suffix = attempt == 0 ? std::string() : "." + std::to_string(attempt);
      damage.kept = corrupt_directory + "/" + name + suffix;
      renamed = disk_.rename(in_journal(name), damage.kept);
    }
    if (renamed != 0) {  // then it stays where it is, out of the way: its number is not used again
      damage.what += "; it cannot be moved to corrupt/: " + disk_error(renamed, "rename").detail;
      damage.kept = in_journal(name);
      keeper_.note(std::move(damage));
      return {};
    }
    keeper_.note(std::move(damage));
    for (const std::string& directory : {corrupt_directory, journal_directory})
      if (const int synced = disk_.sync_directory(directory); synced != 0)
        return disk_error(synced, "sync " + directory);
    return {};
  }

  // Segments are freed strictly from the oldest on (D-18), so what is missing behind one that is needed was lost.
  void find_missing() {
    std::uint64_t first = segments_.empty() ? result_.next_sequence : segments_.begin()->first;
    for (const auto& [name, why] : unreadable_)
      if (const auto sequence = parse_segment_name(name)) first = std::min(first, *sequence);
    std::uint64_t oldest = found_marks_.mark ? found_marks_.mark->oldest : 0;
    for (const auto& [sequence, header] : segments_) oldest = std::max(oldest, header.oldest);
    if (oldest == 0) oldest = first;  // nobody says what was freed
    result_.oldest = oldest;
    std::set<std::uint64_t> present;
    for (const auto& [sequence, header] : segments_) present.insert(sequence);
    for (const auto& [name, why] : unreadable_)
      if (const auto sequence = parse_segment_name(name)) present.insert(*sequence);
    std::uint64_t due = oldest;
    for (const std::uint64_t sequence : present) {
      if (sequence > due) missing(due, sequence - 1);
      due = std::max(due, sequence + 1);
    }
    if (due < result_.next_sequence) missing(due, result_.next_sequence - 1);
  }

  void missing(std::uint64_t first, std::uint64_t last) {
    if (planted(Plant::ignore_missing_segment)) return;
    Damage damage;
    damage.segment = first;
    damage.what = first == last
                      ? "the file is missing"
                      : "this file and those up to segment " + std::to_string(last) + " are missing";
    const auto before = segments_.find(first - 1), after = segments_.find(last + 1);
    const auto& mark = found_marks_.mark;
    damage.may_have_held = "mail answered 250, or what became of it";
    if (before != segments_.end() && after != segments_.end() && after->second.first_batch > 0)
      damage.may_have_held += ", up to batch " + std::to_string(after->second.first_batch - 1);
    if (after == segments_.end() && mark && mark->clean)
      damage.may_have_held += "; at the last orderly stop the journal held " +
                              std::to_string(mark->messages) +
                              " unfinished messages, all its segments together";
    const std::string name =
        std::to_string(first) + (first == last ? "" : "-" + std::to_string(last)) + ".missing";
    keeper_.keep_note(name, std::move(damage));
  }

  Expected<void> replay(const SegmentHeader& header) {
    files_.add(header.sequence);
    const auto next = segments_.find(header.sequence + 1);
    SegmentFacts facts;
    facts.known_end = next == segments_.end() ? 0 : next->second.previous_end;
    const auto& mark = found_marks_.mark;
    const bool stopped_here = mark && mark->clean && mark->current == header.sequence;
    if (stopped_here && !planted(Plant::ignore_clean_mark))
      facts.synced_to = std::min(mark->end, records_end(header));
    facts.first_number = static_cast<std::uint32_t>(header.first_batch);
    const bool torn =
        facts.known_end != 0 && mark && std::count(mark->torn.begin(), mark->torn.end(), header.sequence) > 0;
    auto read = read_segment(header, torn ? 0 : facts.known_end);
    if (!read) return read.error();
    const std::string_view octets(buffer_.get(), *read);
    const SegmentScan scan = scan_segment(octets, seed_of(header), facts);
    // Up to the end that a successor names all was synced, by the life that wrote it or by the start that named it.
    // Where nobody names one, what counts was found by reading alone: the last segment, and one whose successor is lost.
    if (facts.known_end == 0 && !planted(Plant::no_write_again)) {
      const std::string_view believed = octets.substr(0, to_page_end(scan.end));
      auto durable =
          write_again(disk_, in_journal(segment_name(header.sequence)), believed, unreadable_pages_);
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

  void damaged_octets(const SegmentHeader& header, std::string_view octets, const SegmentScan& scan) {
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
  bool keep(const SegmentHeader& header, std::string_view octets, Damage damage) {
    const bool copied = keeper_.keep(header, octets, std::move(damage));
    if (!copied) files_.keep(header.sequence);
    return copied;
  }

  // The start that found a torn tail and went on behind it had perhaps no room for the copy, and may not have freed the segment
  // before it ended: what it meant to keep is kept by the next one.
  bool keep_voids(const SegmentHeader& header, std::string_view octets, const SegmentScan& scan) {
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
  void copy_torn_end(const SegmentHeader& header, std::string_view octets, SegmentFacts facts) {
    facts.synced_to = std::max(facts.synced_to, std::exchange(facts.known_end, 0));
    const SegmentScan scan = scan_segment(octets, seed_of(header), facts);
    const bool kept = keep_voids(header, octets, scan);
    if (!keep_torn(header, octets, scan) || !kept) result_.torn_before.push_back(header.sequence);
  }

  bool unreadable_in(std::size_t from, std::size_t to) const {
    return std::any_of(unreadable_pages_.begin(), unreadable_pages_.end(),
                       [&](std::size_t page) { return page + page_size > from && page < to; });
  }

  // Behind the last record nothing was ever acknowledged, or it was and has been damaged since. Which, nobody can tell.
  bool keep_torn(const SegmentHeader& header, std::string_view octets, const SegmentScan& scan) {
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

  void judge_tail(const SegmentHeader& header, std::string_view octets, const SegmentScan& scan) {
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
    keeper_.keep_note(std::to_string(header.sequence) + "-" + std::to_string(damage.from) + ".missing",
                      damage);
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

  // Groups are atomic: with a record missing or damaged, none of it counts (D-17).
  void replay_groups(const SegmentHeader& header, std::string_view octets,
                     const std::vector<ScannedRecord>& records) {
    std::size_t first = 0;
    while (first < records.size()) {
      std::size_t end = first + 1;
      while (end < records.size() && records[end].offset == records[end - 1].next &&
             (records[end - 1].header.flags & record_flag::more_follows) != 0)
        ++end;
      replay_group(header, octets, std::span(records).subspan(first, end - first));
      first = end;
    }
  }

  void replay_group(const SegmentHeader& segment, std::string_view octets,
                    std::span<const ScannedRecord> group) {
    const bool whole = (group.front().header.flags & record_flag::continues) == 0 &&
                       (group.back().header.flags & record_flag::more_follows) == 0;
    const bool intact =
        std::all_of(group.begin(), group.end(), [](const auto& record) { return record.intact(); });
    if (group.size() == 1 && whole) return replay_record(segment, octets, group.front());
    if ((whole && intact) || planted(Plant::half_a_group)) {
      for (const ScannedRecord& record : group) replay_record(segment, octets, record);
      return;
    }
    for (const ScannedRecord& record : group)
      report_damage(segment, octets, record, "a record of a group that is not whole");
  }

  void replay_record(const SegmentHeader& segment, std::string_view octets, const ScannedRecord& record) {
    ++result_.records;
    const RecordHeader& header = record.header;
    const std::size_t head_at = record.offset + record_header_size;
    const bool of_later_release = (header.flags & ~record_flag::known) != 0;
    auto decoded = decode_head(header.type, octets.substr(head_at, header.head_length),
                               of_later_release ? Behind::ignored : Behind::nothing);
    if (!record.head_intact || !decoded) return damaged_record(segment, octets, record);
    if (!record.blob_intact) report_damage(segment, octets, record, "a message whose body is damaged");
    JournalEntry entry;
    entry.id = header.id;
    entry.record = std::move(*decoded);
    entry.blob = Extent{segment.sequence, static_cast<std::uint32_t>(head_at + header.head_length),
                        header.blob_length, header.blob_crc};
    entry.octets = record.end - record.offset;
    entry.blob_intact = record.blob_intact;
    state_.apply(std::move(entry));
    if (of_later_release)  // D-11
      state_.hold(header.id, std::string(hold_record_newer));
  }

  // Its message is known and may be alive: nothing is to be sent on half of what was said about it (D-11).
  void damaged_record(const SegmentHeader& segment, std::string_view octets, const ScannedRecord& record) {
    report_damage(segment, octets, record, "a record whose head is damaged");
    state_.hold(record.header.id, std::string(hold_record_damaged));
  }

  void report_damage(const SegmentHeader& segment, std::string_view octets, const ScannedRecord& record,
                     std::string_view what) {
    Damage damage;
    damage.from = record.offset;
    damage.to = record.end;
    damage.what = what;
    damage.may_have_held =
        "a record of type " + std::to_string(record.header.type) + " about " + record.header.id.to_string();
    keep(segment, octets, std::move(damage));
  }

  void find_set_aside() {
    std::vector<std::string> names;
    if (disk_.list(corrupt_directory, names) != 0)
      return;  // none, or it will be asked again at the next start
    for (const std::string& name : names)
      if (!name.ends_with(recovered_suffix) && !name.ends_with(".part")) result_.set_aside.push_back(name);
    std::sort(result_.set_aside.begin(), result_.set_aside.end());
  }

  void judge_marks() {
    result_.marks = found_marks_.unreadable;
    const bool expected =
        result_.records > 0 &&
        std::any_of(segments_.begin(), segments_.end(), [](const auto& at) { return at.second.version > 1; });
    if (expected && !found_marks_.any)
      result_.marks = "both are missing: whether segments are, too, cannot be told for sure";
    if (!result_.marks.empty()) log::warning("journal_marks", {{"why", result_.marks}});
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
  MarkFiles& marks_;
  JournalState& state_;
  DamageKeeper keeper_;
  MarkFiles::Found found_marks_;
  std::vector<std::string> names_;
  std::map<std::uint64_t, SegmentHeader> segments_;
  std::vector<std::pair<std::string, std::string>> unreadable_;  // name, why
  std::vector<std::size_t> unreadable_pages_;                    // of the segment in the buffer: zeros there
  std::unique_ptr<char[]> buffer_;
  std::size_t buffer_size_ = 0;
  Recovered result_;
};

}  // namespace

Expected<Recovered> recover(Disk& disk, std::uint32_t segment_size, SegmentFiles& files, MarkFiles& marks,
                            JournalState& state) {
  return Recovery(disk, segment_size, files, marks, state).run();
}

}  // namespace sealpost::spool
