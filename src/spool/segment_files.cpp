// SPDX-License-Identifier: Apache-2.0
#include "spool/segment_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "base/text.hpp"

namespace sealpost::spool {
namespace {

constexpr std::string_view segment_suffix = ".seg";
constexpr std::string_view spare_prefix = "spare-";
constexpr std::size_t sequence_digits = 20;
constexpr std::uint64_t sync_step = 4u << 20;  // octets of a spare, a few milliseconds of the disk's time

Expected<void> fill_spare(JournalFile& file, std::uint32_t size, SpareFill fill) {
  const int allocated = file.allocate(size);
  if (allocated != 0) return disk_error(allocated, "allocate");
  if (fill == SpareFill::written) {
    auto written = write_zeros(file, 0, size);
    if (!written) return written;
  } else if (const int synced = file.sync_data(); synced != 0) {
    return disk_error(synced, "sync");
  }
  const int closed = file.close();
  if (closed != 0) return disk_error(closed, "close");
  return {};
}

}  // namespace

std::string segment_name(std::uint64_t sequence) { return fmt::format("{:020}{}", sequence, segment_suffix); }

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != sequence_digits + segment_suffix.size() || !name.ends_with(segment_suffix))
    return std::nullopt;
  return text::parse_u64(name.substr(0, sequence_digits));
}

std::string spare_name(std::uint64_t number) { return fmt::format("{}{}", spare_prefix, number); }

std::optional<std::uint64_t> parse_spare_name(std::string_view name) {
  if (!name.starts_with(spare_prefix)) return std::nullopt;
  return text::parse_u64(name.substr(spare_prefix.size()));
}

Expected<void> write_zeros(JournalFile& file, std::uint64_t from, std::uint64_t to) {
  const std::string zeros(std::min<std::size_t>(to - from, 1u << 20), '\0');
  for (std::uint64_t at = from; at < to; at += zeros.size()) {
    const auto left = static_cast<std::size_t>(to - at);
    auto written = write_all(file, at, std::string_view(zeros).substr(0, left));
    if (!written) return written.error();
    // In steps: the next commit of the journal would wait behind all that lies unsynced in the disk's queue.
    const std::uint64_t done = at + zeros.size() - from;
    const bool step = done % sync_step == 0 || at + zeros.size() >= to;
    if (const int synced = step ? file.sync_data() : 0; synced != 0) return disk_error(synced, "sync");
  }
  return {};
}

Expected<void> make_spare(Disk& disk, const std::string& name, std::uint32_t size, SpareFill fill) {
  const std::string path = in_journal(name);
  auto opened = disk.open(path, Disk::Access::create);
  if (!opened.file) return disk_error(opened.error, "create " + path);
  auto filled = fill_spare(*opened.file, size, fill);
  if (filled) return {};
  opened.file.reset();
  disk.remove(path);  // if that fails too, the next start removes it by its size or uses it as it is
  return Error(filled.error().code, path + ": " + filled.error().detail);
}

std::shared_ptr<JournalFile> SegmentFiles::find(std::uint64_t sequence) const {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return nullptr;  // someone is opening a file: a loop does not wait for that
  const auto at = open_.find(sequence);
  return at == open_.end() ? nullptr : at->second;
}

// Opened under the lock: a file must not become a spare, and be written over, between its opening and its
// use.
Expected<std::shared_ptr<JournalFile>> SegmentFiles::open(std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  if (const auto at = open_.find(sequence); at != open_.end()) return at->second;
  if (!known_.contains(sequence))
    return Error(Errc::not_found, "segment " + segment_name(sequence) + " is gone");
  auto opened = disk_.open(in_journal(segment_name(sequence)), Disk::Access::read);
  if (opened.error == -EMFILE || opened.error == -ENFILE) {  // some that nobody reads now may be worth less
    const std::size_t before = open_.size();
    close_some(0);
    if (open_.size() < before) opened = disk_.open(in_journal(segment_name(sequence)), Disk::Access::read);
  }
  if (!opened.file) return disk_error(opened.error, "open " + segment_name(sequence));
  close_some(most_open);
  return open_.emplace(sequence, std::move(opened.file)).first->second;
}

void SegmentFiles::close_some(std::size_t most) {
  for (auto at = open_.begin(); at != open_.end() && open_.size() >= most;)
    at = at->second.use_count() == 1 ? open_.erase(at) : std::next(at);
}

void SegmentFiles::add(std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  known_.insert(sequence);
}

void SegmentFiles::keep(std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  kept_.insert(sequence);
}

Expected<void> SegmentFiles::write_header(JournalFile& file, const SegmentHeader& header) {
  const std::string octets = encode_segment_header(header);
  for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{records_end(header)}}) {
    auto written = write_all(file, at, octets);
    if (!written) return written.error();
  }
  if (const int synced = file.sync_data(); synced != 0) return disk_error(synced, "sync its header");
  return {};
}

Expected<void> SegmentFiles::name(const std::string& spare, std::uint64_t sequence) {
  const int renamed = disk_.rename(in_journal(spare), in_journal(segment_name(sequence)));
  if (renamed != 0) return disk_error(renamed, "rename " + spare + " to " + segment_name(sequence));
  return {};
}

Expected<void> SegmentFiles::sync_names() {
  const int synced = disk_.sync_directory(journal_directory);
  if (synced != 0) return disk_error(synced, "sync the journal directory");
  names_unsynced_ = false;
  return {};
}

void SegmentFiles::serve(std::uint64_t sequence, std::shared_ptr<JournalFile> file) {
  const std::lock_guard lock(mutex_);
  known_.insert(sequence);
  close_some(most_open);
  open_.insert_or_assign(sequence, std::move(file));
}

Expected<std::string> SegmentFiles::release_oldest(bool wants_spare) {
  if (names_unsynced_)
    if (auto synced = sync_names(); !synced) return synced.error();
  std::uint64_t sequence = 0;
  bool read_on = false, kept = false;
  {
    const std::lock_guard lock(mutex_);
    sequence = *known_.begin();
    known_.erase(known_.begin());
    kept = kept_.contains(sequence);
    if (const auto at = open_.find(sequence); at != open_.end()) {
      read_on = at->second.use_count() > 1;
      open_.erase(at);
    }
  }
  const std::string name = in_journal(segment_name(sequence));
  std::string spare;
  int done = 0;
  if (kept) {
    done = disk_.rename(name, corrupt_directory + "/" + segment_name(sequence));
  } else if (wants_spare && !read_on) {
    spare = new_spare_name();
    done = disk_.rename(name, in_journal(spare));
  } else {
    done = disk_.remove(name);
  }
  if (done != 0) {
    add(sequence);  // it is there still, as far as that can be known
    return disk_error(done, "free " + name);
  }
  // The name goes durably before the next segment may: what finished this one's messages lies in later ones.
  names_unsynced_ = true;
  if (auto synced = sync_names(); !synced) {
    const bool later = synced.error().code == Errc::no_space || synced.error().code == Errc::unavailable;
    if (!later) return synced.error();
    spare.clear();  // not to be written to while its old name may come back
  }
  return spare;
}

std::uint64_t SegmentFiles::oldest() const {
  const std::lock_guard lock(mutex_);
  return known_.empty() ? 0 : *known_.begin();
}

std::uint64_t SegmentFiles::next_after(std::uint64_t sequence) const {
  const std::lock_guard lock(mutex_);
  const auto next = known_.upper_bound(sequence);
  return next == known_.end() ? 0 : *next;
}

std::size_t SegmentFiles::count() const {
  const std::lock_guard lock(mutex_);
  return known_.size();
}

std::string SegmentFiles::new_spare_name() {
  const std::lock_guard lock(mutex_);
  return spare_name(next_spare_++);
}

void SegmentFiles::reserve_spare_number(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  next_spare_ = std::max(next_spare_, number + 1);
}

}  // namespace sealpost::spool
