// SPDX-License-Identifier: Apache-2.0
#include "sts/cache.hpp"

#include <utility>

#include "base/log.hpp"
#include "base/planted.hpp"

namespace sealpost::sts {

Expected<std::unique_ptr<StsCache>> StsCache::open(const std::string& directory, Health* health,
                                                   std::chrono::milliseconds retry) {
  std::unique_ptr<StsCache> cache(new StsCache(directory, health, retry));
  if (auto opened = cache->open_files(); !opened) return opened.error();
  return cache;
}

template <class Read>
auto StsCache::reading(Read read) -> decltype(read()) {
  tend();
  auto result = read();
  if (!result && in_file()) {
    tend();  // damage found just now is set aside, and the rows come from the copy
    result = read();
  }
  if (!result && in_file()) {
    fall_back();
    result = read();
  }
  return result;
}

// The last word of the copy on one domain; unset: none.
Expected<std::optional<StsEntry>> StsCache::from_copy(const std::string& domain) {
  const Error unknown(Errc::unavailable, "what was cached for " + domain + " cannot be read");
  if (!copy_) return unknown;
  std::optional<StsEntry> last;
  const auto read = copy_->replay(0, [&](CopyRecord record) {
    if (record.entry.domain != domain || (last && last->fetched > record.entry.fetched)) return;
    last = std::move(record.entry);
    if (record.dropped) last.reset();
  });
  if (!read || read->lines > 0 || copy_->name().empty())
    return last ? last : Expected<std::optional<StsEntry>>(unknown);
  return last;
}

Expected<std::optional<StsEntry>> StsCache::load(const std::string& domain) {
  const std::lock_guard lock(mutex_);
  if (const auto unsaved = unsaved_.find(domain); unsaved != unsaved_.end())
    return std::optional<StsEntry>(unsaved->second.entry);
  auto row = reading([&] { return rows().load(domain); });
  if (row && *row && !believable(**row, domain) && !planted(Plant::unreadable_is_absent)) {
    log::error("sts_cache_row_invalid",
               {{"domain", domain}, {"do", "nothing: it is read from sts-policies.log and fetched anew"}});
    row = from_copy(domain);
    if (row && !*row) row = Error(Errc::unavailable, "the row of " + domain + " in sts.db is damaged");
    if (!row) return row;
    StsEntry& entry = **row;
    entry.recovered = true;
    entry.last_used = entry.last_attempt = entry.next_refresh = entry.fetched;
    if (!believable(entry, domain))
      return Error(Errc::unavailable, "what was cached for " + domain + " is damaged");
    if (auto put = rows().put(entry); !put) unsaved_[domain] = Unsaved{entry, true};
    return row;
  }
  if (row && !*row && !complete_ && !planted(Plant::unreadable_is_absent))
    return Error(Errc::unavailable,
                 "policies that were cached cannot be read, and " + domain + " may have one");
  return row;
}

Expected<void> StsCache::keep(const StsEntry& entry) {
  const std::lock_guard lock(mutex_);
  tend();
  CopyRecord record;
  record.entry = entry;
  const auto copied = append(record);
  StsEntry row = entry;
  row.recovered = false;
  // Where the copy lacks it, the position says more than the copy holds: the next start makes it up from the rows.
  CopyPosition position = here();
  if (!copied) position.offset += 1;
  auto put = rows().transaction([&] {
    auto done = rows().put(row);
    return done && complete_ && in_file() && rows_have_all_but(entry.domain) ? rows().set_position(position)
                                                                             : done;
  });
  unsaved_.erase(entry.domain);
  if (put && in_file())
    return copied ? put : rows().file().run("PRAGMA wal_checkpoint(FULL)");  // synced, then
  if (unsaved_.size() < most_unsaved) unsaved_[entry.domain] = Unsaved{std::move(row), copied.has_value()};
  return copied;
}

// A position behind a record that the rows lack would hide it from the next start.
bool StsCache::rows_have_all_but(const std::string& domain) const {
  return unsaved_.empty() || (unsaved_.size() == 1 && unsaved_.contains(domain));
}

Expected<void> StsCache::drop(const std::string& domain, SystemTime now) {
  const std::lock_guard lock(mutex_);
  tend();
  CopyRecord record;
  record.entry.domain = domain;
  record.entry.fetched = now;
  record.dropped = true;
  if (auto durable = append(record); !durable) return durable;
  unsaved_.erase(domain);
  return rows().transaction([&] {
    auto dropped = rows().drop(domain);
    return dropped && complete_ && in_file() && rows_have_all_but(domain) ? rows().set_position(here())
                                                                          : dropped;
  });
}

Expected<void> StsCache::note(const StsEntry& entry) {
  const std::lock_guard lock(mutex_);
  tend();
  if (const auto unsaved = unsaved_.find(entry.domain); unsaved != unsaved_.end())
    unsaved->second.entry = entry;
  return rows().note(entry);
}

StsCache::Look StsCache::look(SystemTime now, std::size_t most) {
  const std::lock_guard lock(mutex_);
  Look look{reading([&] { return rows().due(now, most); })};
  look.complete = complete_;
  look.well = look.due && complete_ && in_file() && copy_ && !copy_said_ && unsaved_.empty();
  return look;
}

Expected<std::vector<StsEntry>> StsCache::list(const std::string& filter, std::size_t most) {
  const std::lock_guard lock(mutex_);
  return reading([&] { return rows().list(filter, most); });
}

bool StsCache::complete() {
  const std::lock_guard lock(mutex_);
  tend();
  return complete_;
}

void StsCache::settle_for_what_there_is() {
  const std::lock_guard lock(mutex_);
  if (complete_) return;
  complete_ = true;
  log::error("sts_cache_settled", {{"why", "policies that could not be read were waited for long enough"},
                                   {"do", "nothing: what is published is fetched as mail goes there"}});
  if (in_file()) write_copy_anew();
}

}  // namespace sealpost::sts
