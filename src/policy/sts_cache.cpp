// SPDX-License-Identifier: Apache-2.0
#include "policy/sts_cache.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/log.hpp"

namespace sealpost::policy {

namespace {

constexpr std::uint64_t least_rewrite = std::uint64_t{64} << 20;
constexpr std::size_t page_size = 200;

std::string database_path(const std::string& directory) { return directory + "/sts.db"; }
std::string copy_path(const std::string& directory) { return directory + "/sts-policies.log"; }

// The database and its journal under a name that says when, so that nothing is destroyed that someone may want to see.
Expected<void> rename_aside(const std::string& path, SystemTime now) {
  std::string suffix = ".corrupt-" + to_rfc3339(now);
  std::erase(suffix, ':');
  for (const char* part : {"", "-wal", "-shm"}) {
    const std::string from = path + part;
    if (::access(from.c_str(), F_OK) != 0) continue;
    if (std::rename(from.c_str(), (path + suffix + part).c_str()) != 0)
      return Error(Errc::io, "cannot rename the damaged " + from + " aside");
  }
  return {};
}

void report_damage(const std::string& path, const Error& damage) {
  log::error(
      "sts_cache_damaged",
      {{"file", path}, {"why", damage.detail}, {"do", "nothing: it is rebuilt from sts-policies.log"}});
}

}  // namespace

StsCache::StsCache(std::string directory, StsDatabase database, StsCopy copy)
    : directory_(std::move(directory)), database_(std::move(database)), copy_(std::move(copy)) {}

Expected<std::unique_ptr<StsCache>> StsCache::open(const std::string& directory, SystemTime now) {
  auto database = open_database(directory, now);
  if (!database) return database.error();
  auto copy = StsCopy::open(copy_path(directory));
  if (!copy) return copy.error();
  std::unique_ptr<StsCache> cache(new StsCache(directory, std::move(*database), std::move(*copy)));
  auto caught_up = cache->catch_up();
  if (!caught_up && caught_up.error().code == Errc::invalid)
    caught_up = cache->rebuild(caught_up.error(), now);
  if (!caught_up) return caught_up.error();
  return cache;
}

Expected<StsDatabase> StsCache::open_database(const std::string& directory, SystemTime now) {
  const std::string path = database_path(directory);
  auto database = StsDatabase::open(path);
  if (database || database.error().code != Errc::invalid || StsDatabase::newer(database.error()))
    return database;
  report_damage(path, database.error());
  if (auto renamed = rename_aside(path, now); !renamed) return renamed.error();
  return StsDatabase::open(path);
}

CopyPosition StsCache::here() const {
  CopyPosition position;
  position.name = copy_.name();
  position.offset = copy_.size();
  position.base = base_;
  return position;
}

// The two files may have been lost, restored or cut short apart from each other.
Expected<void> StsCache::catch_up() {
  auto seen = database_.position();
  if (!seen) return seen.error();
  base_ = seen->base;
  const bool known = !copy_.name().empty() && seen->name == copy_.name();
  if (known && seen->offset == copy_.size()) return {};
  if (known && seen->offset < copy_.size()) return replay_from(seen->offset, false);
  // Another copy than the rows came from, or one cut short: both may hold what the other lacks. The rows take it all in
  // and make a new copy; where there were none, the copy is complete as it is.
  auto rows = database_.page("", 1);
  if (!rows) return rows.error();
  auto replayed = replay_from(0, true);
  if (!replayed || (rows->empty() && !copy_.name().empty())) return replayed;
  return rewrite_copy();
}

Expected<void> StsCache::replay_from(std::uint64_t offset, bool recovered) {
  std::size_t count = 0;
  std::size_t damaged = 0;
  auto done = database_.transaction([&] {
    Expected<void> applied;
    auto read = copy_.replay(offset, [&](CopyRecord record) {
      if (applied) applied = replay_one(record, recovered, count);
    });
    if (!read) return Expected<void>(read.error());
    damaged = *read;
    return applied ? database_.set_position(here()) : applied;
  });
  if (done && (damaged > 0 || count > 0))
    log::warning("sts_cache_replayed",
                 {{"file", copy_path(directory_)}, {"policies", count}, {"damaged_lines", damaged}});
  return done;
}

// A newer fetch wins, whichever file it stands in; ids have no order (S6).
Expected<void> StsCache::replay_one(const CopyRecord& record, bool recovered, std::size_t& count) {
  auto row = database_.load(record.entry.domain);
  if (!row) return row.error();
  if (*row && (*row)->fetched >= record.entry.fetched) return {};
  ++count;
  if (record.dropped) return database_.drop(record.entry.domain);
  StsEntry entry = record.entry;
  entry.recovered = recovered;
  entry.last_used = entry.last_attempt = entry.fetched;
  entry.next_refresh = entry.fetched;  // at once: nothing is known of how it went since
  return database_.put(entry);
}

Expected<void> StsCache::rewrite_copy() {
  // What the rows missed (a full disk, say) goes in first, or it would be lost here. If the old copy cannot be read, the
  // rows are all there is.
  auto seen = database_.position();
  if (!seen) return seen.error();
  if (seen->name == copy_.name() && seen->offset < copy_.size()) {
    auto caught_up = replay_from(seen->offset, false);
    if (!caught_up && caught_up.error().code == Errc::invalid) return caught_up;
  }
  std::vector<StsEntry> page;
  std::size_t next = 0;
  std::string after;
  bool more = true;
  const auto give = [&](CopyRecord& record) -> Expected<bool> {
    if (next == page.size() && more) {
      auto rows = database_.page(after, page_size);
      if (!rows) return rows.error();
      page = std::move(*rows);
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
  base_ = copy_.size();
  return database_.set_position(here());
}

Expected<void> StsCache::append(const CopyRecord& record) {
  if (copy_.size() < std::max(least_rewrite, 4 * base_)) {
    auto appended = copy_.append(record);
    if (appended) return appended;
    log::error("sts_copy_failed",
               {{"why", appended.error().detail}, {"do", "a new copy is written in its place"}});
  }
  if (auto rewritten = rewrite_copy(); !rewritten) return rewritten;
  return copy_.append(record);
}

Expected<void> StsCache::rebuild(const Error& damage, SystemTime now) {
  report_damage(database_path(directory_), damage);
  // The handle goes first: SQLite must not write to the file that is put aside.
  auto empty = StsDatabase::open(":memory:");
  if (!empty) return empty.error();
  database_ = std::move(*empty);
  if (auto renamed = rename_aside(database_path(directory_), now); !renamed) return renamed;
  auto database = StsDatabase::open(database_path(directory_));
  if (!database) return database.error();
  database_ = std::move(*database);
  return replay_from(0, true);
}

template <class Work>
auto StsCache::with_database(SystemTime now, Work work) -> decltype(work()) {
  auto result = work();
  if (result || result.error().code != Errc::invalid) return result;
  if (auto rebuilt = rebuild(result.error(), now); !rebuilt) return rebuilt.error();
  return work();
}

Expected<std::optional<StsEntry>> StsCache::load(const std::string& domain, SystemTime now) {
  const std::lock_guard lock(mutex_);
  return with_database(now, [&] { return database_.load(domain); });
}

Expected<void> StsCache::keep(const StsEntry& entry) {
  const std::lock_guard lock(mutex_);
  CopyRecord record;
  record.entry = entry;
  if (auto durable = with_database(entry.fetched, [&] { return append(record); }); !durable) return durable;
  StsEntry row = entry;
  row.recovered = false;
  return with_database(entry.fetched, [&] {
    return database_.transaction([&] {
      auto put = database_.put(row);
      return put ? database_.set_position(here()) : put;
    });
  });
}

Expected<void> StsCache::drop(const std::string& domain, SystemTime now) {
  const std::lock_guard lock(mutex_);
  CopyRecord record;
  record.entry.domain = domain;
  record.entry.fetched = now;
  record.dropped = true;
  if (auto durable = with_database(now, [&] { return append(record); }); !durable) return durable;
  return with_database(now, [&] {
    return database_.transaction([&] {
      auto dropped = database_.drop(domain);
      return dropped ? database_.set_position(here()) : dropped;
    });
  });
}

Expected<void> StsCache::note(const StsEntry& entry, SystemTime now) {
  const std::lock_guard lock(mutex_);
  return with_database(now, [&] { return database_.note(entry); });
}

Expected<std::vector<StsEntry>> StsCache::due(SystemTime now, std::size_t most) {
  const std::lock_guard lock(mutex_);
  return with_database(now, [&] { return database_.due(now, most); });
}

Expected<std::vector<StsEntry>> StsCache::list(const std::string& filter, std::size_t most, SystemTime now) {
  const std::lock_guard lock(mutex_);
  return with_database(now, [&] { return database_.list(filter, most); });
}

}  // namespace sealpost::policy
