// SPDX-License-Identifier: Apache-2.0
#include "spool/journal_writer.hpp"

#include <cstring>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "base/random.hpp"

namespace sealpost::spool {
namespace {

constexpr Duration make_pause = std::chrono::seconds(1);

std::uint64_t random_salt() {
  std::uint8_t octets[8];
  random_bytes(octets);
  std::uint64_t salt = 0;
  std::memcpy(&salt, octets, sizeof salt);
  return salt;
}

}  // namespace

struct JournalWriter::Mailbox {
  std::mutex mutex;
  std::function<void()> wake;  // empty once the writer is gone
  std::optional<Expected<std::string>> made;
};

JournalWriter::JournalWriter(Disk& disk, event::BlockingPool& pool, SegmentFiles& files,
                             const SpoolOptions& options, std::function<void()> wake)
    : disk_(disk), pool_(pool), files_(files), options_(options), mailbox_(std::make_shared<Mailbox>()) {
  mailbox_->wake = std::move(wake);
}

JournalWriter::~JournalWriter() {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->wake = nullptr;
}

Expected<void> JournalWriter::start(const Recovered& recovered, SystemTime wall) {
  for (const std::string& name : recovered.spares) add_spare(name);
  if (spares_.empty()) {
    const std::string name = files_.new_spare_name();
    auto made = make_spare(disk_, name, options_.segment_size);
    if (!made) return made.error();
    if (!add_spare(name)) return Error(Errc::io, "cannot open " + name);
  }
  header_.sequence = recovered.next_sequence - 1;
  end_ = recovered.previous_end;
  return roll(wall);
}

bool JournalWriter::add_spare(const std::string& name) {
  auto opened = disk_.open(journal_directory + "/" + name, Disk::Access::write);
  if (!opened.file) {  // it stays on disk for the next start
    log::warning("journal_spare_unusable",
                 {{"file", name}, {"why", disk_error(opened.error, "open").detail}});
    return false;
  }
  opened.file->forget_cache();
  spares_.push_back(Spare{name, std::move(opened.file)});
  return true;
}

Expected<void> JournalWriter::roll(SystemTime wall) {
  if (spares_.empty()) return Error(Errc::no_space, "no spare segment");
  const Spare spare = std::move(spares_.front());
  spares_.pop_front();
  SegmentHeader header;
  header.sequence = header_.sequence + 1;
  header.salt = random_salt();
  header.node = options_.node;
  header.size = options_.segment_size;
  header.previous_end = end_;
  header.created = wall;
  auto activated = files_.activate(spare.name, spare.file, header);
  if (!activated) {
    healthy_ = false;  // D-07: what became of the file is not known; a restart will see
    log::error("journal_unhealthy",
               {{"why", activated.error().detail}, {"remedy", "check the disk, then restart"}});
    return Error(Errc::unavailable, activated.error().detail);
  }
  header_ = header;
  file_ = spare.file;
  end_ = segment_header_size;
  return {};
}

Expected<void> JournalWriter::begin(Batch& batch, std::size_t octets, SystemTime wall) {
  if (!healthy_) return Error(Errc::unavailable, "the journal is unhealthy");
  if (octets > header_.size - end_) {
    auto rolled = roll(wall);
    if (!rolled) return rolled.error();
  }
  batch.begin(header_, end_);
  return {};
}

Expected<void> JournalWriter::commit(Batch& batch, SystemTime wall) {
  auto done = batch.write(*file_);
  if (done) {
    const int synced = file_->sync_data();
    if (synced != 0) done = disk_error(synced, "sync");
  }
  if (done) {
    end_ = batch.end();
    return {};
  }
  log::error("journal_write_failed",
             {{"segment", header_.sequence}, {"from", batch.start()}, {"why", done.error().detail}});
  go_on_after_failure(wall);
  return done;
}

// In a new segment, whose header says how far the failed one can be trusted.
void JournalWriter::go_on_after_failure(SystemTime wall) {
  Expected<void> ready;
  if (spares_.empty()) {
    const std::string name = files_.new_spare_name();
    ready = make_spare(disk_, name, options_.segment_size);
    if (ready) add_spare(name);
  }
  if (ready) ready = roll(wall);
  if (ready || !healthy_) return;
  healthy_ = false;
  log::error("journal_unhealthy",
             {{"why", ready.error().detail}, {"remedy", "check the disk, then restart"}});
}

JournalWriter::Room JournalWriter::room_for_mail(std::size_t octets, const Batch& batch) const {
  const std::uint32_t used = batch.empty() ? end_ : batch.end();
  const std::size_t usable = most_in_group();
  std::size_t room = header_.size - used;
  if (octets > room) room = 0;  // the rest of this segment is of no use to it
  room += spares_.size() * usable;
  if (room >= octets + usable / 2) return Room::yes;
  return making_ ? Room::soon : Room::no;
}

void JournalWriter::tend(SteadyTime now) {
  std::optional<Expected<std::string>> made;
  {
    const std::lock_guard lock(mailbox_->mutex);
    made.swap(mailbox_->made);
  }
  if (made) {
    making_ = false;
    const bool ready = *made && add_spare(**made);
    if (!*made) log::warning("journal_spare_not_made", {{"why", made->error().detail}});
    if (!ready) make_again_ = now + make_pause;
  }
  if (making_ || spares_.size() >= wanted_spares || now < make_again_ || !healthy_) return;
  making_ = pool_.submit(
      [&disk = disk_, name = files_.new_spare_name(), size = options_.segment_size, mailbox = mailbox_] {
        auto result = make_spare(disk, name, size);
        const std::lock_guard lock(mailbox->mutex);
        mailbox->made.emplace(result ? Expected<std::string>(name) : Expected<std::string>(result.error()));
        if (mailbox->wake) mailbox->wake();
      });
}

bool JournalWriter::free_oldest() {
  auto released = files_.release_oldest(spares_.size() + (making_ ? 1 : 0) < wanted_spares + 1);
  if (!released) {
    log::error("journal_segment_not_freed", {{"why", released.error().detail}});
    return false;
  }
  if (!released->empty()) add_spare(*released);
  return true;
}

}  // namespace sealpost::spool
