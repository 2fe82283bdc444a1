// SPDX-License-Identifier: Apache-2.0
//
// The two files of the MTA-STS cache: which of them answers, how one is made up from the other, and what is done while one
// cannot be used.
#include <algorithm>

#include "base/durable_file.hpp"
#include "base/log.hpp"
#include "base/planted.hpp"
#include "sqlite/aside.hpp"
#include "sts/cache.hpp"

namespace sealpost::sts {

namespace {

constexpr std::uint64_t least_rewrite = std::uint64_t{64} << 20;
constexpr std::size_t page_size = 200;
constexpr const char* copy_cause = "file sts-policies.log";

std::string database_path(const std::string& directory) { return directory + "/sts.db"; }
std::string copy_path(const std::string& directory) { return directory + "/sts-policies.log"; }

}  // namespace

StsCache::StsCache(std::string directory, Health* health, std::chrono::milliseconds retry)
    : directory_(std::move(directory)),
      health_(health),
      retry_(retry),
      file_(database_path(directory_), health, retry) {}

Expected<void> StsCache::open_files() {
  first_ = is_absent(database_path(directory_)) && is_absent(copy_path(directory_));
  if (auto opened = open_copy(); !opened) return opened;
  if (auto opened = file_.file().open(); !opened && opened.error().code == Errc::newer) return opened;
  settle();
  return {};
}

// Errc::newer alone is an error; what cannot be read now is tried again.
Expected<void> StsCache::open_copy() {
  copy_.reset();
  next_copy_ = Clock::now() + retry_;
  auto opened = StsCopy::open(copy_path(directory_));
  copy_missing_ = !opened && opened.error().code == Errc::not_found;
  if (opened) {
    copy_ = std::move(*opened);
    say_copy(nullptr);
    return {};
  }
  if (opened.error().code == Errc::newer) return opened.error();
  if (!copy_missing_) say_copy(&opened.error());
  return {};
}

void StsCache::say_copy(const Error* error) {
  if (error == nullptr) {
    if (copy_said_ && health_ != nullptr) health_->clear(copy_cause);
    copy_said_ = false;
    return;
  }
  copy_said_ = true;
  const std::string what =
      error->detail + "; until it is back, MTA-STS policies stand in sts.db and in memory alone";
  const std::string how = "free space, or make " + copy_path(directory_) +
                          " a file that the relay's user may read and write; it is taken up again by itself";
  if (health_ != nullptr)
    health_->raise(copy_cause, what, how);
  else
    log::error("sts_copy_failed", {{"why", what}, {"do", how}});
}

CopyPosition StsCache::here() const {
  CopyPosition position;
  position.base = base_;
  if (!copy_) return position;
  position.name = copy_->name();
  position.offset = copy_->size();
  return position;
}

void StsCache::tend() {
  const bool open = file_.file().tend();
  tend_copy();
  const bool changed = file_.file().generation() != generation_;
  const bool lost = in_file() && !open;
  const bool back = !in_file() && open;
  if (changed || lost || (back && Clock::now() >= next_settle_)) settle();
  if (in_file() && !unsaved_.empty() && Clock::now() >= next_settle_) save_what_is_not();
}

// Deleted, replaced, or readable again. What the rows hold is enough to write it anew; where they may lack something, they
// must not take its place.
void StsCache::tend_copy() {
  if (!copy_) {
    if (Clock::now() < next_copy_) return;
    if (auto opened = open_copy(); !opened) say_copy(&opened.error());
    if (copy_) return settle();
    if (copy_missing_ && complete_) write_copy_anew();
    return;
  }
  const auto place = copy_->place(copy_path(directory_));
  if (place == StsCopy::Place::ours) return;
  log::warning("sts_copy_replaced",
               {{"file", copy_path(directory_)}, {"why", "it was deleted or replaced while in use"}});
  if (place == StsCopy::Place::others) {
    if (auto opened = open_copy(); !opened) say_copy(&opened.error());
    if (copy_) settle();
    return;
  }
  copy_.reset();
  copy_missing_ = true;
  if (complete_) write_copy_anew();
}

void StsCache::write_copy_anew() {
  next_copy_ = Clock::now() + retry_;
  if (auto rewritten = rewrite_copy(); !rewritten) say_copy(&rewritten.error());
}

void StsCache::settle() {
  generation_ = file_.file().generation();
  next_settle_ = Clock::now() + retry_;
  if (!file_.file().is_open()) return fall_back();
  auto memory = std::exchange(memory_, std::nullopt);
  const bool complete = complete_;
  auto caught_up = catch_up();
  if (caught_up) return;
  log::error("sts_cache_unreadable", {{"why", caught_up.error().detail}});
  next_settle_ = Clock::now() + 5 * retry_;  // each try may wait for somebody's lock
  memory_ = std::move(memory);               // it has been answering; the file is tried again
  complete_ = memory_ && complete;
  if (!memory_) fall_back();
}

// The two files may have been lost, restored or cut short apart from each other.
Expected<void> StsCache::catch_up() {
  auto seen = file_.position();
  if (!seen) return seen.error();
  base_ = seen->base;
  // Rows that were never brought together with a copy, though this is no first start: they were lost.
  const bool lost = seen->name.empty() && !first_;
  complete_ = !lost;
  if (!copy_) {
    if (copy_missing_ && complete_) write_copy_anew();
    if (copy_ || lost || !seen->name.empty()) return {};
    CopyPosition alone;
    alone.name = "none";  // not lost, should the next start find no copy either
    return file_.transaction([&] { return file_.set_position(alone); });
  }
  const bool known = !copy_->name().empty() && seen->name == copy_->name();
  if (known && seen->offset == copy_->size()) return {};
  const bool behind = known && seen->offset < copy_->size();
  StsCopy::Damage damage;
  auto replayed = replay_from(behind ? seen->offset : 0, !behind, damage);
  if (!replayed) {
    if (file_.file().trouble() > sqlite::Trouble::refused) return replayed;
    complete_ = !lost && !behind;
    copy_.reset();  // to be opened again
    say_copy(&replayed.error());
    return {};
  }
  if (behind) {
    complete_ = damage.lines == 0;
    return {};
  }
  // Another copy than the rows came from, or one cut short: both may hold what the other lacks. The rows have taken it all
  // in and make a new copy; where there were none, the copy is complete as it is.
  complete_ = !lost || (damage.lines == 0 && !damage.torn && !copy_->name().empty());
  if (!complete_) return {};
  first_ = false;
  if (lost) return file_.transaction([&] { return file_.set_position(here()); });
  write_copy_anew();
  return {};
}

// The file does not answer: everything is read from the copy into memory, where it costs a few hundred octets a policy.
void StsCache::fall_back() {
  const bool had_all = memory_ && complete_;
  complete_ = had_all;
  if (!memory_) {
    auto memory = StsDatabase::in_memory();
    if (!memory) return;
    memory_ = std::move(*memory);
  }
  next_settle_ = Clock::now() + 5 * retry_;
  StsCopy::Damage damage;
  const bool use_copy = copy_ && !planted(Plant::no_second_copy);
  const auto read =
      use_copy ? replay_from(0, true, damage) : Expected<void>(Error(Errc::io, "there is no copy"));
  const bool whole = read && damage.lines == 0 && !damage.torn && !copy_->name().empty();
  if (use_copy && !read) {
    say_copy(&read.error());
    copy_.reset();  // to be opened again
  }
  complete_ = had_all || whole || (first_ && copy_missing_);
  for (const auto& [domain, unsaved] : unsaved_) {
    if (auto put = memory_->put(unsaved.entry); !put) complete_ = false;
  }
  log::warning("sts_cache_in_memory",
               {{"file", copy_path(directory_)}, {"complete", complete_ ? "yes" : "no"}});
}

// What neither file took while they could not be written.
void StsCache::save_what_is_not() {
  next_settle_ = Clock::now() + retry_;
  for (auto& [domain, unsaved] : unsaved_) {
    if (unsaved.copied) continue;
    CopyRecord record;
    record.entry = unsaved.entry;
    if (!append(record)) return;
    unsaved.copied = true;
  }
  const auto saved = file_.transaction([&]() -> Expected<void> {
    for (const auto& [domain, unsaved] : unsaved_) {
      auto row = file_.load(domain);
      if (!row) return row.error();
      if (*row && believable(**row, domain) && (*row)->fetched > unsaved.entry.fetched) continue;
      if (auto put = file_.put(unsaved.entry); !put) return put;
    }
    return complete_ ? file_.set_position(here()) : Expected<void>();
  });
  if (saved) unsaved_.clear();
}

Expected<void> StsCache::replay_from(std::uint64_t offset, bool recovered, StsCopy::Damage& damage) {
  std::size_t count = 0;
  auto done = rows().transaction([&]() -> Expected<void> {
    Expected<void> applied;
    auto read = copy_->replay(offset, [&](CopyRecord record) {
      if (applied) applied = replay_one(record, recovered, count);
    });
    if (!read) return read.error();
    damage = *read;
    if (!applied || !in_file() || recovered || damage.lines > 0) return applied;
    return rows().set_position(here());
  });
  if (done && (damage.lines > 0 || count > 0))
    log::warning("sts_cache_replayed",
                 {{"file", copy_path(directory_)}, {"policies", count}, {"damaged_lines", damage.lines}});
  return done;
}

// A newer fetch wins, whichever file it stands in; ids have no order (S6). A row that cannot be believed never does.
Expected<void> StsCache::replay_one(const CopyRecord& record, bool recovered, std::size_t& count) {
  auto row = rows().load(record.entry.domain);
  if (!row) return row.error();
  if (*row && believable(**row, record.entry.domain) && (*row)->fetched >= record.entry.fetched) return {};
  ++count;
  if (record.dropped) return rows().drop(record.entry.domain);
  StsEntry entry = record.entry;
  entry.recovered = recovered;
  entry.last_used = entry.last_attempt = entry.fetched;
  entry.next_refresh = entry.fetched;  // at once: nothing is known of how it went since
  return rows().put(entry);
}

Expected<void> StsCache::rewrite_copy() {
  // What the rows missed (a full disk, say) goes in first, or it would be lost here. If the old copy cannot be read, the
  // rows are all there is.
  StsCopy::Damage damage;
  if (in_file() && copy_) {
    auto seen = file_.position();
    if (!seen) return seen.error();
    const bool behind = seen->name == copy_->name() && seen->offset < copy_->size();
    if (behind) {
      const auto replayed = replay_from(seen->offset, false, damage);
      if (!replayed && file_.file().trouble() != sqlite::Trouble::none) return replayed;
    }
  }
  std::vector<StsEntry> page;
  std::size_t next = 0;
  std::string after;
  bool more = true;
  const auto give = [&](CopyRecord& record) -> Expected<bool> {
    if (next == page.size() && more) {
      auto rows_of_page = rows().page(after, page_size);
      if (!rows_of_page) return rows_of_page.error();
      page = std::move(*rows_of_page);
      next = 0;
      more = page.size() == page_size;
      if (!page.empty()) after = page.back().domain;
    }
    if (next == page.size()) return false;
    record.entry = std::move(page[next++]);
    return true;
  };
  auto copy = StsCopy::rewrite(copy_path(directory_), give);
  if (!copy) return copy.error();
  copy_ = std::move(*copy);
  copy_missing_ = false;
  base_ = copy_->size();
  say_copy(nullptr);
  for (auto& [domain, unsaved] : unsaved_) {  // not among the rows
    CopyRecord record;
    record.entry = unsaved.entry;
    if (auto appended = copy_->append(record); !appended) return appended;
    unsaved.copied = true;
  }
  if (!in_file()) return {};
  first_ = false;
  return file_.set_position(here());
}

// Rows that may lack something must not take the place of the copy.
Expected<void> StsCache::append(const CopyRecord& record) {
  Expected<void> appended = Error(Errc::io, "sts-policies.log cannot be written");
  if (copy_ && (copy_->size() < std::max(least_rewrite, 4 * base_) || !complete_)) {
    appended = copy_->append(record);
    if (appended) {
      say_copy(nullptr);
      return appended;
    }
  }
  if (complete_ && (copy_ || copy_missing_)) {
    appended = rewrite_copy();
    if (appended) appended = copy_->append(record);
  }
  say_copy(appended ? nullptr : &appended.error());
  return appended;
}

}  // namespace sealpost::sts
