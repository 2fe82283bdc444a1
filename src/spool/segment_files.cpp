// SPDX-License-Identifier: Apache-2.0
#include "spool/segment_files.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace sealpost::spool {
namespace {

constexpr std::string_view segment_suffix = ".seg";
constexpr std::string_view spare_prefix = "spare-";
constexpr std::size_t sequence_digits = 20;
constexpr std::uint64_t sync_step = 4u << 20;  // octets of a spare, a few milliseconds of the disk's time

std::string in_journal(const std::string& name) { return journal_directory + "/" + name; }

Expected<void> write_zeros(JournalFile& file, std::uint32_t size) {
  const std::string zeros(std::min<std::size_t>(size, 1u << 20), '\0');
  for (std::uint64_t at = 0; at < size; at += zeros.size()) {
    const auto left = static_cast<std::size_t>(size - at);
    auto written = write_all(file, at, std::string_view(zeros).substr(0, left));
    if (!written) return written.error();
    // In steps: the next commit of the journal would wait behind all that lies unsynced in the disk's queue.
    const bool step = (at + zeros.size()) % sync_step == 0 || at + zeros.size() >= size;
    if (const int synced = step ? file.sync_data() : 0; synced != 0) return disk_error(synced, "sync");
  }
  return {};
}

Expected<void> fill_spare(JournalFile& file, std::uint32_t size, SpareFill fill) {
  const int allocated = file.allocate(size);
  if (allocated != 0) return disk_error(allocated, "allocate");
  if (fill == SpareFill::written) {
    auto written = write_zeros(file, size);
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
  if (!opened.file) return disk_error(opened.error, "open " + segment_name(sequence));
  close_some();
  return open_.emplace(sequence, std::move(opened.file)).first->second;
}

void SegmentFiles::close_some() {
  for (auto at = open_.begin(); at != open_.end() && open_.size() >= most_open;)
    at = at->second.use_count() == 1 ? open_.erase(at) : std::next(at);
}

void SegmentFiles::add(std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  known_.insert(sequence);
}

Expected<void> SegmentFiles::activate(const std::string& spare, std::shared_ptr<JournalFile> file,
                                      const SegmentHeader& header) {
  const std::string octets = encode_segment_header(header);
  for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{records_end(header)}}) {
    auto written = write_all(*file, at, octets);
    if (!written) return written.error();
  }
  const std::string name = segment_name(header.sequence);
  if (const int synced = file->sync_data(); synced != 0) return disk_error(synced, "sync " + spare);
  if (const int renamed = disk_.rename(in_journal(spare), in_journal(name)); renamed != 0)
    return disk_error(renamed, "rename " + spare + " to " + name);
  if (const int synced = disk_.sync_directory(journal_directory); synced != 0)
    return disk_error(synced, "sync the journal directory");
  const std::lock_guard lock(mutex_);
  known_.insert(header.sequence);
  close_some();
  open_.insert_or_assign(header.sequence, std::move(file));
  return {};
}

Expected<std::string> SegmentFiles::release_oldest(bool wants_spare) {
  std::uint64_t sequence = 0;
  bool read_on = false;
  {
    const std::lock_guard lock(mutex_);
    sequence = *known_.begin();
    known_.erase(known_.begin());
    if (const auto at = open_.find(sequence); at != open_.end()) {
      read_on = at->second.use_count() > 1;
      open_.erase(at);
    }
  }
  const std::string name = in_journal(segment_name(sequence));
  std::string spare;
  int done = 0;
  if (wants_spare && !read_on) {
    spare = new_spare_name();
    done = disk_.rename(name, in_journal(spare));
  } else {
    done = disk_.remove(name);
  }
  if (done != 0) return disk_error(done, "free " + name);
  // The name goes durably before the next segment may: what finished this one's messages lies in later ones.
  if (const int synced = disk_.sync_directory(journal_directory); synced != 0)
    return disk_error(synced, "sync the journal directory");
  return spare;
}

std::uint64_t SegmentFiles::oldest() const {
  const std::lock_guard lock(mutex_);
  return known_.empty() ? 0 : *known_.begin();
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
