// SPDX-License-Identifier: Apache-2.0
#include "spool/recovery.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <utility>

#include "base/log.hpp"
#include "base/planted.hpp"
#include "spool/segment_replay.hpp"

namespace sealpost::spool {
namespace {

Error directory_error(int error, const std::string& directory) {
  Error told = disk_error(error, "directory " + directory + " in the spool");
  if (error == -EPERM || error == -EACCES || error == -ENOTDIR)
    told.detail +=
        "; it must be a directory of the relay's user alone: chown it to that user, chmod 700, and start "
        "again";
  return told;
}

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
    if (found && name_again()) {
      segments_.clear();
      unreadable_.clear();
      misnamed_.clear();
      names_.clear();
      result_ = Recovered();
      found = look();
    }
    if (!found) return found.error();
    auto ready = prepare();
    if (!ready) return ready.error();
    find_missing();
    SegmentReplay replay(disk_, files_, state_, keeper_, found_marks_.mark, result_);
    for (const auto& [sequence, header] : segments_) {
      files_.add(header.sequence);
      const auto next = segments_.find(header.sequence + 1);
      auto replayed = replay.run(header, next == segments_.end() ? 0 : next->second.previous_end);
      if (!replayed) return replayed.error();
    }
    state_.discard_all_parts();  // their transactions ended with the process
    if (!segments_.empty())      // names that are only in memory hold what we rely on, too
      if (const int synced = disk_.sync_directory(journal_directory); synced != 0)
        return disk_error(synced, "sync the journal directory");
    find_spares();
    find_set_aside();
    judge_marks();
    result_.node = find_node();
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
    if (listed != 0) return directory_error(listed, journal_directory);
    std::sort(names_.begin(), names_.end());
    for (const std::string& name : names_) {
      const auto sequence = parse_segment_name(name);
      if (!sequence) continue;
      result_.next_sequence = std::max(result_.next_sequence, *sequence + 1);
      auto header = read_header(name, *sequence);
      // An I/O error may pass; to go on without a segment is the last thing to do.
      for (int again = 0; again < 2 && !header && header.error().code == Errc::io; ++again)
        header = read_header(name, *sequence);
      if (header) misnamed_.erase(name);  // its copy has the right name
      if (header)
        segments_.emplace(*sequence, *header);
      else if (header.error().code == Errc::unavailable || header.error().code == Errc::refused)
        return header.error();
      else
        unreadable_.emplace_back(name, header.error().detail);
    }
    return {};
  }

  // Whole segments under each other's names, or under one that is nobody's: a copy that was put back by hand. Where nobody
  // else holds its own name, each gets it again, and none of its mail is missing. A crash in between leaves what this
  // finds. True: something was renamed.
  bool name_again() {
    bool any = false;
    std::uint64_t unused = result_.next_sequence;
    // What was freed has done its duty: a file that was used before and bears that header still is no segment to bring back.
    std::erase_if(misnamed_,
                  [needed = oldest_needed()](const auto& at) { return needed == 0 || at.second < needed; });
    for (bool more = true; more && !misnamed_.empty();) {
      more = false;
      for (auto at = misnamed_.begin(); at != misnamed_.end();) {
        const std::string own = segment_name(at->second);
        const int renamed = disk_.rename(in_journal(at->first), in_journal(own));
        if (renamed == 0) log::error("journal_segment_renamed", {{"from", at->first}, {"to", own}});
        more = more || renamed == 0;
        at = renamed == 0 ? misnamed_.erase(at) : std::next(at);
      }
      any = any || more;
      // They hold each other's names, and only that: one steps aside.
      if (!more && in_a_circle()) {
        const std::string aside = segment_name(unused++);
        const auto first = misnamed_.begin();
        more = disk_.rename(in_journal(first->first), in_journal(aside)) == 0;
        const std::uint64_t holds = first->second;
        if (!more) break;
        misnamed_.erase(first);
        misnamed_.emplace(aside, holds);
      }
    }
    return any;
  }

  // No two of them are of the same segment, and what stands under the name of each is another of them.
  bool in_a_circle() const {
    std::set<std::uint64_t> held;
    for (const auto& [name, holds] : misnamed_)
      if (!held.insert(holds).second || !misnamed_.contains(segment_name(holds))) return false;
    return true;
  }

  Expected<SegmentHeader> read_header(const std::string& name, std::uint64_t sequence) {
    auto opened = disk_.open(in_journal(name), Disk::Access::read);
    if (opened.error == -EPERM || opened.error == -ELOOP)
      return Error(Errc::refused, in_journal(name) +
                                      " is not a private regular file of ours (owner, mode 0600, one "
                                      "link); find out who put it there before starting again");
    if (opened.error == -EACCES)
      return Error(Errc::refused,
                   in_journal(name) +
                       " may not be read by the relay's user; give it back to that user (chown, "
                       "chmod 600) and start again: it may hold mail");
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
    if (header->sequence != sequence) {
      misnamed_.insert_or_assign(name, header->sequence);
      return Error(Errc::invalid, "holds segment " + segment_name(header->sequence));
    }
    return header;
  }

  Expected<void> prepare() {
    for (const std::string& directory : {journal_directory, corrupt_directory})
      if (const int made = disk_.make_directory(directory); made != 0)
        return directory_error(made, directory);
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

  // As far as marks and headers say; 0: nobody does.
  std::uint64_t oldest_needed() const {
    std::uint64_t oldest = found_marks_.mark ? found_marks_.mark->oldest : 0;
    for (const auto& [sequence, header] : segments_) oldest = std::max(oldest, header.oldest);
    return oldest;
  }

  // Earlier releases wrote 0.
  std::uint64_t find_node() const {
    if (found_marks_.mark && found_marks_.mark->node != 0) return found_marks_.mark->node;
    for (auto at = segments_.rbegin(); at != segments_.rend(); ++at)
      if (at->second.node != 0) return at->second.node;
    return 0;
  }

  // Segments are freed strictly from the oldest on (D-18), so what is missing behind one that is needed was lost.
  void find_missing() {
    std::uint64_t first = segments_.empty() ? result_.next_sequence : segments_.begin()->first;
    for (const auto& [name, why] : unreadable_)
      if (const auto sequence = parse_segment_name(name)) first = std::min(first, *sequence);
    std::uint64_t oldest = oldest_needed();
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
  std::map<std::string, std::uint64_t> misnamed_;                // of those: whose segment the file is
  Recovered result_;
};

}  // namespace

Expected<Recovered> recover(Disk& disk, std::uint32_t segment_size, SegmentFiles& files, MarkFiles& marks,
                            JournalState& state) {
  return Recovery(disk, segment_size, files, marks, state).run();
}

}  // namespace sealpost::spool
