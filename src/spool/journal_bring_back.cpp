// SPDX-License-Identifier: Apache-2.0
//
// The segment that is written, when somebody deleted it or moved it away: it gets its name again, with all that is in it.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.hpp"
#include "base/planted.hpp"
#include "spool/journal_writer.hpp"

namespace sealpost::spool {
namespace {

Expected<void> copy_octets(JournalFile& from, JournalFile& to, std::uint64_t at, std::uint64_t end) {
  std::string piece;
  for (; at < end; at += piece.size()) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(end - at, 1u << 20)));
    const auto read = read_full(from, at, piece);
    if (!read) return read.error();
    if (*read < piece.size()) return Error(Errc::io, "it ends too early");
    if (auto written = write_all(to, at, piece); !written) return written;
  }
  return {};
}

}  // namespace

// What is written to the segment now, no start would find.
bool JournalWriter::is_lost() {
  if (planted(Plant::write_to_deleted)) return false;
  return file_->detached() ||
         !disk_.leads_to(journal_directory + "/" + segment_name(header_.sequence), *file_);
}

// Somebody deleted the segment that is written, or moved it away, and the open file still has all of it up to `end`: it gets its name again, in a
// file of its own. What was put in its place is left alone.
Expected<void> JournalWriter::bring_back(std::uint32_t end) {
  const std::string name = segment_name(header_.sequence);
  const std::string what = name + " was deleted, replaced or cut short while in use";
  log::error("journal_segment_detached", {{"segment", header_.sequence}, {"why", what}});
  if (file_->size() < static_cast<std::int64_t>(header_.size)) return Error(Errc::io, what);
  Expected<void> done;
  bool back = false;
  // A spare has its room already, whatever the disk has.
  while (!back && !spares_.empty() && header_.size == options_.segment_size) {
    const Spare spare = std::move(spares_.front());
    spares_.pop_front();
    done = copy_into(spare, end);
    back = static_cast<bool>(done);
  }
  if (!back) {
    auto made = file_for_copy();
    done = made ? copy_into(*made, end) : Expected<void>(made.error());
  }
  if (!done) return Error(done.error().code, what + "; " + done.error().detail);
  if (health_ != nullptr)
    health_->raise("journal file", what + "; it was written again, and nothing of it is missing",
                   "find out who removes files of the spool; this notice ends with a restart");
  return files_.sync_names();
}

Expected<JournalWriter::Spare> JournalWriter::file_for_copy() {
  const std::string name = files_.new_spare_name();
  const std::string path = journal_directory + "/" + name;
  auto opened = disk_.open(path, Disk::Access::create);
  if (opened.error == -ENOENT && disk_.make_directory(journal_directory) == 0)
    opened = disk_.open(path, Disk::Access::create);
  if (!opened.file) return disk_error(opened.error, "create " + path);
  if (const int allocated = opened.file->allocate(header_.size); allocated != 0) {
    disk_.remove(path);
    return disk_error(allocated, "allocate");
  }
  return Spare{name, std::move(opened.file)};
}

// The segment's octets up to `end` into the spare, which then has its name and is written to from now on.
Expected<void> JournalWriter::copy_into(const Spare& spare, std::uint32_t end) {
  Expected<void> done = copy_octets(*file_, *spare.file, 0, to_page_end(end));
  if (done) done = copy_octets(*file_, *spare.file, records_end(header_), header_.size);
  if (const int synced = done ? spare.file->sync_data() : 0; synced != 0) done = disk_error(synced, "sync");
  if (done) done = files_.name(spare.name, header_.sequence);
  if (!done) {
    disk_.remove(journal_directory + "/" + spare.name);
    return done;
  }
  file_ = spare.file;
  files_.serve(header_.sequence, spare.file);
  return {};
}

}  // namespace sealpost::spool
