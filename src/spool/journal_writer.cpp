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
  for (const std::string& name : recovered.spares) static_cast<void>(add_spare(name));  // it has said why not
  if (spares_.empty()) {
    auto made = make_spare_now();
    if (!made && made.error().code == Errc::no_space && go_on_in(recovered)) return {};
    if (!made) return made.error();
  }
  header_.sequence = recovered.next_sequence - 1;
  end_ = recovered.previous_end;
  return roll(wall);
}

// Safe although another process wrote the file: batches say where they begin, so that nothing its last batch may have
// left behind the end is taken for a successor of what we write.
Expected<void> JournalWriter::go_on_in(const Recovered& recovered) {
  if (recovered.last.sequence == 0) return Error(Errc::not_found, "no segment");
  const std::string name = segment_name(recovered.last.sequence);
  auto opened = disk_.open(journal_directory + "/" + name, Disk::Access::write);
  if (!opened.file) return disk_error(opened.error, "open " + name);
  header_ = recovered.last;
  file_ = std::move(opened.file);
  end_ = static_cast<std::uint32_t>(to_page_end(recovered.previous_end));
  log::warning("journal_full", {{"segment", header_.sequence},
                                {"why", "no room for a new segment: mail is refused until there is"}});
  return {};
}

Expected<void> JournalWriter::make_spare_now() {
  const std::string name = files_.new_spare_name();
  auto made = make_spare(disk_, name, options_.segment_size, next_fill());
  if (!made) return made;
  return add_spare(name);
}

Expected<void> JournalWriter::add_spare(const std::string& name) {
  auto opened = disk_.open(journal_directory + "/" + name, Disk::Access::write);
  if (!opened.file) {
    const Error error = disk_error(opened.error, "open " + name);
    log::warning("journal_spare_unusable", {{"file", name}, {"why", error.detail}});
    disk_.remove(journal_directory + "/" + name);
    return error;
  }
  opened.file->forget_cache();
  spares_.push_back(Spare{name, std::move(opened.file)});
  return {};
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
  if (octets > records_end(header_) - end_) {
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
    mean_batch_ = mean_batch_ - mean_batch_ / 8 + (batch.end() - batch.start()) / 8;
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
  if (spares_.empty()) ready = make_spare_now();
  if (ready) ready = roll(wall);
  if (ready || !healthy_) return;
  healthy_ = false;
  log::error("journal_unhealthy",
             {{"why", ready.error().detail}, {"remedy", "check the disk, then restart"}});
}

JournalWriter::Room JournalWriter::room_for(Claim claim, std::size_t octets, const Batch& batch) const {
  const std::uint32_t used = batch.empty() ? end_ : batch.end();
  const std::size_t usable = most_in_group();
  std::size_t reserve = 0;
  if (claim == Claim::mail) reserve = usable;
  if (claim == Claim::relocation) reserve = usable / 2;
  std::size_t room = records_end(header_) - used;
  if (octets > room) room = 0;  // the rest of this segment is of no use to it
  room += spares_.size() * usable;
  if (room >= octets + reserve) return Room::yes;
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
  making_ = pool_.submit([&disk = disk_, name = files_.new_spare_name(), size = options_.segment_size,
                          fill = next_fill(), mailbox = mailbox_] {
    auto result = make_spare(disk, name, size, fill);
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
  if (!released->empty()) static_cast<void>(add_spare(*released));
  return true;
}

}  // namespace sealpost::spool
