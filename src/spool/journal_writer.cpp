// SPDX-License-Identifier: Apache-2.0
#include "spool/journal_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "base/planted.hpp"
#include "base/random.hpp"

namespace sealpost::spool {
namespace {

constexpr Duration make_pause = std::chrono::seconds(1);
constexpr std::string_view trouble = "journal";
constexpr std::string_view mark_trouble = "journal mark";

// Says nothing about the data: it passes, or somebody makes room.
bool is_shortage(const Error& error) noexcept {
  if (planted(Plant::shortage_is_fault)) return false;
  // What is gone altogether, such as the directory, may be put back.
  return error.code == Errc::no_space || error.code == Errc::unavailable || error.code == Errc::not_found;
}

std::uint64_t random_number() {
  std::uint8_t octets[8];
  random_bytes(octets);
  std::uint64_t number = 0;
  std::memcpy(&number, octets, sizeof number);
  return number;
}

}  // namespace

struct JournalWriter::Mailbox {
  std::mutex mutex;
  std::function<void()> wake;  // empty once the writer is gone
  std::optional<Expected<std::string>> made;
};

JournalWriter::JournalWriter(Disk& disk, event::BlockingPool& pool, SegmentFiles& files, MarkFiles& marks,
                             const SpoolOptions& options, Health* health, std::function<void()> wake)
    : disk_(disk),
      pool_(pool),
      files_(files),
      marks_(marks),
      options_(options),
      health_(health),
      mailbox_(std::make_shared<Mailbox>()) {
  mailbox_->wake = std::move(wake);
}

JournalWriter::~JournalWriter() {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->wake = nullptr;
}

Expected<void> JournalWriter::start(const Recovered& recovered, SystemTime wall) {
  for (const std::string& name : recovered.spares) static_cast<void>(add_spare(name));  // it has said why not
  Expected<void> made;
  if (spares_.empty()) made = make_spare_now();
  if (!made && !is_shortage(made.error())) return made.error();
  next_batch_ = recovered.next_batch;
  const std::uint64_t new_node = options_.node != 0 ? options_.node : random_number();
  mark_.node = recovered.node != 0 ? recovered.node : new_node;
  mark_.oldest = recovered.oldest;
  header_.sequence = recovered.next_sequence - 1;
  end_ = recovered.previous_end;
  std::copy_n(recovered.torn_before.begin(), std::min(recovered.torn_before.size(), mark_.torn.size()),
              mark_.torn.begin());
  if (!recovered.tail_kept) torn_ = header_.sequence;
  // A new segment's header ends the last one before its torn tail; a batch behind it says where it lies.
  if (!recovered.tail_kept && go_on_in(recovered)) return {};
  Expected<void> ready = made;
  if (ready) ready = roll(wall);
  if (ready) {
    keep_mark();  // the second file is made while there is room for it, so that segments can be freed when there is none
    return {};
  }
  if (state_ == State::unhealthy || !is_shortage(ready.error())) return ready.error();
  auto went_on = named_ ? ready : go_on_in(recovered);
  if (went_on) {
    log::warning("journal_full", {{"segment", header_.sequence},
                                  {"why", "no room for a new segment: mail is refused until there is"}});
    return {};
  }
  log::warning("journal_waits", {{"why", went_on.error().detail}});
  stay(ready.error());
  return {};
}

// Never behind octets that are not proven clean: what a torn batch left there could be taken for the beginning of what we
// write, or cover it. Its records stay where they are, for nothing may be lost of them; the batch behind them says that
// they do not count. From there on all is zeros on the disk, not only in memory, before a record is relied on.
Expected<void> JournalWriter::go_on_in(const Recovered& recovered) {
  if (recovered.last.sequence == 0) return Error(Errc::not_found, "there is no last segment");
  if (recovered.clean_from == 0)
    return Error(Errc::refused, "what lies at the end of the last segment is not known");
  const std::uint32_t limit = records_end(recovered.last);
  const std::uint32_t believed = static_cast<std::uint32_t>(to_page_end(recovered.previous_end));
  const bool unproven = planted(Plant::write_behind_unproven_tail);
  const std::uint32_t pages = (recovered.clean_from - believed) / static_cast<std::uint32_t>(page_size);
  if (recovered.clean_from >= limit || pages > 0xFFFF)
    return Error(Errc::refused, "the last segment is full");
  const std::string name = segment_name(recovered.last.sequence);
  auto opened = disk_.open(journal_directory + "/" + name, Disk::Access::write);
  if (!opened.file) return disk_error(opened.error, "open " + name);
  Expected<void> zeroed;
  if (!unproven) zeroed = write_zeros(*opened.file, recovered.clean_from, limit);
  if (!zeroed) return Error(zeroed.error().code, "clear the end of " + name + ": " + zeroed.error().detail);
  header_ = recovered.last;
  file_ = std::move(opened.file);
  end_ = unproven ? believed : recovered.clean_from;
  if (!unproven) end_at_start_ = recovered.previous_end;
  void_pages_ = static_cast<std::uint16_t>(unproven ? 0 : pages);
  mark_.current = header_.sequence;
  keep_mark();
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
    return error;  // at the next start it may be usable
  }
  opened.file->forget_cache();
  spares_.push_back(Spare{name, std::move(opened.file)});
  return {};
}

// The next segment: from the first spare that takes its header. A spare that does not is never used again (D-07).
Expected<void> JournalWriter::begin_segment(SystemTime wall) {
  Error last(Errc::no_space, "no spare segment");
  while (!named_) {
    if (spares_.empty()) return last;
    const Spare spare = spares_.front();
    SegmentHeader header;
    header.sequence = header_.sequence + 1;
    header.salt = random_number();
    header.node = mark_.node;
    header.size = options_.segment_size;
    header.previous_end = end_at_start_.value_or(end_);
    header.created = wall;
    header.oldest = mark_.oldest;
    header.first_batch = next_batch_;
    auto written = files_.write_header(*spare.file, header);
    if (!written) {
      log::warning("journal_spare_failed", {{"file", spare.name}, {"why", written.error().detail}});
      last = written.error();
      spares_.pop_front();
      disk_.remove(journal_directory + "/" + spare.name);
      continue;
    }
    auto named = files_.name(spare.name, header.sequence);
    if (!named && named.error().code == Errc::not_found) {  // somebody deleted it
      log::warning("journal_spare_failed", {{"file", spare.name}, {"why", named.error().detail}});
      last = named.error();
      spares_.pop_front();
      continue;
    }
    if (!named) return named;
    spares_.pop_front();
    named_.emplace(header, spare.file);
  }
  return files_.sync_names();
}

// D-03: nothing will lead to the torn end of the last segment once another follows but the mark. Without it no record is
// taken: what that end may have held was perhaps answered 250.
Expected<void> JournalWriter::note_torn_end() {
  if (torn_ == 0) return {};
  const Mark before = mark_;
  const auto place = std::find(mark_.torn.begin(), mark_.torn.end(), 0U);
  if (place == mark_.torn.end())
    return Error(Errc::no_space, "three segments have a torn end for whose copy there is no room");
  *place = torn_;
  auto noted = marks_.write(mark_);
  if (noted) {
    torn_ = 0;
    return {};
  }
  mark_ = before;
  return Error(is_shortage(noted.error()) ? noted.error().code : Errc::unavailable,
               "the torn end of segment " + std::to_string(torn_) +
                   " can neither be copied nor noted: " + noted.error().detail);
}

Expected<void> JournalWriter::roll(SystemTime wall) {
  if (auto noted = note_torn_end(); !noted) return noted;
  if (file_ && is_lost()) {  // the last time that anybody looks at it
    if (auto back = bring_back(end_); !back)
      log::error("journal_segment_not_brought_back",
                 {{"segment", header_.sequence}, {"why", back.error().detail}});
  }
  auto begun = begin_segment(wall);
  if (!begun) return begun;
  header_ = named_->first;
  file_ = named_->second;
  named_.reset();
  files_.serve(header_.sequence, file_);
  end_ = segment_header_size;
  void_pages_ = 0;
  end_at_start_.reset();
  if (state_ == State::waiting) log::info("journal_goes_on", {{"segment", header_.sequence}});
  state_ = State::ready;
  if (health_ != nullptr) health_->clear(trouble);
  mark_.current = header_.sequence;
  mark_.clean = false;
  keep_mark();
  return {};
}

// There is no segment to write in now.
void JournalWriter::stay(const Error& error) {
  file_.reset();  // nothing is written any more behind what failed
  state_ = is_shortage(error) ? State::waiting : State::unhealthy;
  if (state_ == State::waiting) {
    log::error("journal_waiting", {{"why", error.detail}, {"remedy", "make room; nothing else is needed"}});
    if (health_ != nullptr)
      health_->raise(
          trouble, "no mail is taken and deliveries pause: no room for a segment (" + error.detail + ")",
          "make room on the disk of the spool, or raise the limit of open files; it goes on by itself");
    return;
  }
  log::error("journal_unhealthy", {{"why", error.detail}, {"remedy", "check the disk, then restart"}});
  if (health_ != nullptr)
    health_->raise(trouble, "the disk failed, nothing more is written to the journal: " + error.detail,
                   "check the disk, then restart sealpost");
}

// Not being able to keep it costs no mail, only what a later start can tell about what is missing.
void JournalWriter::keep_mark() {
  auto kept = marks_.write(mark_);
  mark_due_ = !kept;
  if (health_ == nullptr) return;
  if (kept)
    health_->clear(mark_trouble);
  else
    health_->raise(mark_trouble, "what the journal consists of cannot be noted: " + kept.error().detail,
                   "check the disk; meanwhile no segment is freed, and a later start may not notice that one "
                   "is missing");
}

Expected<void> JournalWriter::begin(Batch& batch, std::size_t octets, SystemTime wall) {
  if (state_ == State::unhealthy) return Error(Errc::unavailable, "the journal is unhealthy");
  if (state_ == State::waiting) return Error(Errc::no_space, "no segment to write in");
  if (octets > records_end(header_) - end_) {
    auto rolled = roll(wall);
    if (!rolled) {
      // The current one is sound, only full: what is smaller may still go into it.
      if (!is_shortage(rolled.error()) || named_) stay(rolled.error());
      return Error(is_shortage(rolled.error()) ? Errc::no_space : Errc::unavailable, rolled.error().detail);
    }
  }
  const bool numbered = header_.version > 1 && !planted(Plant::no_batch_sequence);
  batch.begin(header_, end_, numbered ? static_cast<std::uint32_t>(next_batch_) : 0, void_pages_);
  return {};
}

Expected<void> JournalWriter::commit(Batch& batch, SystemTime wall) {
  auto done = batch.write(*file_);
  if (done) {
    const int synced = planted(Plant::skip_sync) ? 0 : file_->sync_data();
    if (synced != 0) done = disk_error(synced, "sync");
  }
  if (done && is_lost()) done = bring_back(batch.end());
  ++next_batch_;
  if (static_cast<std::uint32_t>(next_batch_) == 0) ++next_batch_;  // 0 stands for no number
  if (done) {
    end_ = batch.end();
    void_pages_ = 0;
    end_at_start_.reset();
    torn_ = 0;
    mean_batch_ = mean_batch_ - mean_batch_ / 8 + (batch.end() - batch.start()) / 8;
    return {};
  }
  log::error("journal_write_failed",
             {{"segment", header_.sequence}, {"from", batch.start()}, {"why", done.error().detail}});
  if (planted(Plant::trust_failed_tail)) end_ = batch.end();
  // On in a new segment, whose header says how far the failed one can be trusted.
  Expected<void> ready;
  if (spares_.empty()) ready = make_spare_now();
  if (ready) ready = roll(wall);
  if (!ready) stay(ready.error());
  return done;
}

JournalWriter::Room JournalWriter::room_for(Claim claim, std::size_t octets, const Batch& batch) const {
  const std::uint32_t used = batch.empty() ? end_ : batch.end();
  const std::size_t usable = most_in_group();
  std::size_t reserve = 0;
  if (claim == Claim::mail) reserve = usable;
  if (claim == Claim::relocation) reserve = usable / 2;
  std::size_t room = state_ == State::ready ? records_end(header_) - used : 0;
  if (octets > room) room = 0;  // the rest of this segment is of no use to it
  room += spares_.size() * usable;
  if (room >= octets + reserve) return Room::yes;
  return making_ ? Room::soon : Room::no;
}

void JournalWriter::tend(SteadyTime now, SystemTime wall) {
  tended_ = now;
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
  if (mark_due_ && now >= mark_again_ && state_ == State::ready) {
    mark_again_ = now + make_pause;
    keep_mark();
  }
  if (state_ == State::waiting && (named_ || !spares_.empty()) && now >= make_again_) {
    auto ready = roll(wall);
    if (!ready && !is_shortage(ready.error())) stay(ready.error());
    if (!ready) make_again_ = now + make_pause;
  }
  if (making_ || spares_.size() >= wanted_spares || now < make_again_ || state_ == State::unhealthy) return;
  making_ = pool_.submit([&disk = disk_, name = files_.new_spare_name(), size = options_.segment_size,
                          fill = next_fill(), mailbox = mailbox_] {
    auto result = make_spare(disk, name, size, fill);
    const std::lock_guard lock(mailbox->mutex);
    mailbox->made.emplace(result ? Expected<std::string>(name) : Expected<std::string>(result.error()));
    if (mailbox->wake) mailbox->wake();
  });
}

std::optional<SteadyTime> JournalWriter::retry_at() const noexcept {
  if (making_ || state_ == State::unhealthy) return std::nullopt;
  return std::max(make_again_, tended_ + make_pause);
}

// First the mark: a segment that is not there is missed unless it says that it was freed.
JournalWriter::Freed JournalWriter::free_oldest(SteadyTime now) {
  if (mark_due_ && !marks_.none() && now < mark_again_) return Freed::later;
  const std::uint64_t freed = files_.oldest() + 1;
  if (mark_.oldest < freed || mark_due_) {
    mark_.oldest = std::max(mark_.oldest, freed);
    mark_again_ = now + make_pause;
    keep_mark();
    if (mark_due_ && !marks_.none())
      return Freed::later;  // without any, nothing is claimed that would be untrue
  }
  auto released = files_.release_oldest(spares_.size() + (making_ ? 1 : 0) < wanted_spares + 1);
  if (!released) {
    const bool later = is_shortage(released.error());
    log::error("journal_segment_not_freed",
               {{"why", released.error().detail}, {"again", later ? "soon" : "at the next start"}});
    if (later) mark_again_ = now + make_pause;
    return later ? Freed::later : Freed::never;
  }
  if (!released->empty()) static_cast<void>(add_spare(*released));
  return Freed::done;
}

void JournalWriter::note_clean_stop(std::uint64_t messages) {
  if (state_ != State::ready) return;
  mark_.clean = true;
  mark_.end = end_;
  mark_.batches = next_batch_;
  mark_.messages = messages;
  keep_mark();
}

}  // namespace sealpost::spool
