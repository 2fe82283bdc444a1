// SPDX-License-Identifier: Apache-2.0
#include "injection/once_store.hpp"

#include <algorithm>

#include "sqlite/schema.hpp"

namespace sealpost::injection {
namespace {

constexpr int once_schema_version = 1;
constexpr std::size_t most_waiting = 10'000;  // that could not be written
constexpr std::chrono::minutes forget_every{10};

// `at`: microseconds since 1970 UTC.
constexpr const char* once_tables = R"sql(
CREATE TABLE IF NOT EXISTS once (
  key BLOB PRIMARY KEY,
  content BLOB NOT NULL,
  id BLOB NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS once_at ON once (at);
)sql";

sqlite::Schema once_schema() { return {once_schema_version, {"once"}, {once_tables}}; }

// FULL: what is written here is the only word about a message that is finished.
Expected<void> prepare_once(sqlite::Database& file, int version) {
  if (auto set = file.run("PRAGMA synchronous=FULL"); !set) return set;
  return sqlite::prepare(file, version, once_schema());
}

sqlite::Settings once_settings(const std::string& data_dir) {
  sqlite::Settings settings;
  settings.path = data_dir + "/injected.db";
  settings.newest = once_schema_version;
  settings.meanwhile = "mail handed in by HTTP with an Idempotency-Key is put off (503)";
  settings.lost = "which keys were used within the last day; mail that waits still knows its own";
  settings.prepare = prepare_once;
  return settings;
}

template <std::size_t N>
std::string_view octets_of(const std::array<std::uint8_t, N>& octets) noexcept {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

bool fill(std::array<std::uint8_t, 16>& into, const std::string& from) {
  if (from.size() != into.size()) return false;
  std::transform(from.begin(), from.end(), into.begin(), [](char c) { return static_cast<std::uint8_t>(c); });
  return true;
}

}  // namespace

int newest_once_schema() noexcept { return once_schema_version; }

OnceStore::OnceStore(const std::string& data_dir, Health* health, std::int64_t most_rows)
    : file_(once_settings(data_dir), health), most_(most_rows) {}

Expected<std::optional<OnceRow>> OnceStore::find(const OnceMark& mark, SystemTime now) {
  for (const OnceRow& row : waiting_)
    if (row.mark.key == mark.key) return std::optional<OnceRow>(row);
  if (!file_.tend()) return Error(Errc::unavailable, "injected.db cannot be read now");
  write_what_waits();
  forget(now);
  auto query = file_.statement("SELECT content, id, at FROM once WHERE key = ?1");
  if (!query) return query.error();
  const auto found = query->bind_blob(1, octets_of(mark.key)).row();
  if (!found) return found.error();
  if (*found && query->time(2) > now - kept) {
    OnceRow row;
    std::array<std::uint8_t, 16> id{};
    row.mark.key = mark.key;
    if (!fill(row.mark.content, query->text(0)) || !fill(id, query->text(1)))
      return Error(Errc::damaged, "injected.db: a row breaks its format");
    row.id = MessageId(id);
    row.at = query->time(2);
    return std::optional<OnceRow>(row);
  }
  if (rows_ >= most_ || waiting_.size() >= most_waiting)
    return Error(Errc::no_space, "too many keys were used within a day");
  return std::optional<OnceRow>();
}

Expected<void> OnceStore::write(const OnceRow& row) {
  auto put = file_.statement("INSERT OR REPLACE INTO once (key, content, id, at) VALUES (?1,?2,?3,?4)");
  if (!put) return put.error();
  put->bind_blob(1, octets_of(row.mark.key)).bind_blob(2, octets_of(row.mark.content));
  return put->bind_blob(3, octets_of(row.id.bytes())).bind(4, row.at).done();
}

void OnceStore::write_what_waits() {
  if (waiting_.empty()) return;
  const auto written = file_.in_transaction([&]() -> Expected<void> {
    for (const OnceRow& row : waiting_)
      if (auto done = write(row); !done) return done;
    return {};
  });
  if (!written) return;
  rows_ += static_cast<std::int64_t>(waiting_.size());
  waiting_.clear();
}

Expected<void> OnceStore::put(const OnceRow& row) {
  Expected<void> written = Error(Errc::unavailable, "injected.db is not open");
  if (file_.tend()) {
    write_what_waits();
    written = file_.in_transaction([&] { return write(row); });
  }
  if (written)
    ++rows_;
  else
    waiting_.push_back(row);  // find() lets nobody in when these are too many
  return written;
}

Expected<void> OnceStore::recall(const std::vector<OnceRow>& rows) {
  if (rows.empty()) return {};
  Expected<void> written = Error(Errc::unavailable, "injected.db is not open");
  if (file_.tend())
    written = file_.in_transaction([&]() -> Expected<void> {
      for (const OnceRow& row : rows)
        if (auto done = write(row); !done) return done;
      return {};
    });
  // Bounded by what the journal holds, which is in memory as well.
  if (!written) waiting_.insert(waiting_.end(), rows.begin(), rows.end());
  return written;
}

void OnceStore::forget(SystemTime now) {
  if (file_.generation() != generation_) {
    generation_ = file_.generation();
    rows_ = -1;
    forgotten_ = {};
  }
  if (rows_ >= 0 && rows_ < most_ && now >= forgotten_ && now < forgotten_ + forget_every) return;
  auto drop = file_.statement("DELETE FROM once WHERE at <= ?1");
  if (!drop || !drop->bind(1, now - kept).done()) return;
  forgotten_ = now;
  const auto count = file_.number("SELECT count(*) FROM once");
  if (count) rows_ = *count;
}

}  // namespace sealpost::injection
