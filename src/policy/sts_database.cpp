// SPDX-License-Identifier: Apache-2.0
#include "policy/sts_database.hpp"

#include <utility>

namespace sealpost::policy {

namespace {

constexpr int schema_version = 1;
constexpr std::string_view newer_mark = "made by a newer sealpost";

// Times are microseconds since 1970 UTC.
constexpr const char* schema = R"sql(
CREATE TABLE policy (
  domain TEXT PRIMARY KEY,
  id TEXT NOT NULL,
  body BLOB NOT NULL,
  fetched INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  next_refresh INTEGER NOT NULL,
  last_attempt INTEGER NOT NULL,
  last_used INTEGER NOT NULL,
  failure_streak INTEGER NOT NULL,
  failure_type TEXT NOT NULL,
  failure_reason TEXT NOT NULL,
  recovered INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX policy_due ON policy (next_refresh);
CREATE TABLE copy (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  name TEXT NOT NULL,
  position INTEGER NOT NULL,
  base INTEGER NOT NULL
) STRICT;
PRAGMA user_version = 1;
)sql";

#define COLUMNS                                                                                 \
  "domain, id, body, fetched, expires, next_refresh, last_attempt, last_used, failure_streak, " \
  "failure_type, "                                                                              \
  "failure_reason, recovered"

// Resets and unbinds the statement when the step is over.
class Use {
 public:
  explicit Use(const StatementPtr& statement) noexcept : statement_(statement.get()) {}
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  void bind(int index, std::string_view text) noexcept {
    sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  }
  void bind_blob(int index, std::string_view bytes) noexcept {
    sqlite3_bind_blob(statement_, index, bytes.data(), static_cast<int>(bytes.size()), SQLITE_TRANSIENT);
  }
  void bind(int index, std::int64_t number) noexcept { sqlite3_bind_int64(statement_, index, number); }
  void bind(int index, SystemTime time) noexcept { bind(index, time.time_since_epoch().count()); }
  sqlite3_stmt* get() const noexcept { return statement_; }

 private:
  sqlite3_stmt* statement_;
};

std::string text_at(sqlite3_stmt* row, int column) {
  const auto* text = static_cast<const char*>(sqlite3_column_blob(row, column));
  return text ? std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(row, column)))
              : std::string();
}

SystemTime time_at(sqlite3_stmt* row, int column) {
  return SystemTime(SystemTime::duration(sqlite3_column_int64(row, column)));
}

StsEntry entry_at(sqlite3_stmt* row) {
  StsEntry entry;
  entry.domain = text_at(row, 0);
  entry.id = text_at(row, 1);
  entry.body = text_at(row, 2);
  entry.fetched = time_at(row, 3);
  entry.expires = time_at(row, 4);
  entry.next_refresh = time_at(row, 5);
  entry.last_attempt = time_at(row, 6);
  entry.last_used = time_at(row, 7);
  entry.failure_streak = static_cast<unsigned>(sqlite3_column_int64(row, 8));
  entry.failure_type = text_at(row, 9);
  entry.failure_reason = text_at(row, 10);
  entry.recovered = sqlite3_column_int64(row, 11) != 0;
  return entry;
}

Errc code_of(int status) noexcept {
  switch (status & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Errc::invalid;
    case SQLITE_FULL: return Errc::no_space;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Errc::unavailable;
    default: return Errc::io;
  }
}

}  // namespace

Error StsDatabase::failure(const char* what) const {
  return Error(code_of(sqlite3_errcode(db_.get())),
               std::string("sts.db: ") + what + ": " + sqlite3_errmsg(db_.get()));
}

bool StsDatabase::newer(const Error& error) noexcept {
  return error.detail.find(newer_mark) != std::string::npos;
}

Expected<void> StsDatabase::run(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure("setting it up");
  return {};
}

Expected<StsDatabase> StsDatabase::open(const std::string& path) {
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
  const int status = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  StsDatabase database{DatabasePtr(raw)};
  if (status != SQLITE_OK) return Error(code_of(status), path + ": " + sqlite3_errstr(status));
  sqlite3_busy_timeout(raw, 5000);
  // The copy holds each fact before the rows do, so NORMAL is enough here.
  if (auto set =
          database.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA mmap_size = 0;");
      !set)
    return set.error();

  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(raw, "PRAGMA user_version", -1, &statement, nullptr) != SQLITE_OK)
    return database.failure("reading its version");
  const StatementPtr version_row(statement);
  if (sqlite3_step(statement) != SQLITE_ROW) return database.failure("reading its version");
  const int version = sqlite3_column_int(statement, 0);
  sqlite3_reset(statement);
  if (version > schema_version)
    return Error(Errc::invalid, path + " was " + std::string(newer_mark) + " (version " +
                                    std::to_string(version) + "); this one knows version " +
                                    std::to_string(schema_version));
  if (version == 0) {
    if (auto made = database.transaction([&] { return database.run(schema); }); !made) return made.error();
  }
  if (auto prepared = database.prepare_all(); !prepared) return prepared.error();
  return database;
}

Expected<void> StsDatabase::prepare_all() {
  const std::pair<StatementPtr*, const char*> statements[] = {
      {&load_, "SELECT " COLUMNS " FROM policy WHERE domain = ?1"},
      {&put_, "INSERT OR REPLACE INTO policy (" COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)"},
      {&drop_, "DELETE FROM policy WHERE domain = ?1"},
      {&note_,
       "UPDATE policy SET next_refresh = ?2, last_attempt = ?3, last_used = ?4, failure_streak = ?5, "
       "failure_type = ?6, "
       "failure_reason = ?7 WHERE domain = ?1"},
      {&due_, "SELECT " COLUMNS " FROM policy WHERE next_refresh <= ?1 ORDER BY next_refresh LIMIT ?2"},
      {&page_, "SELECT " COLUMNS " FROM policy WHERE domain > ?1 ORDER BY domain LIMIT ?2"},
      {&list_suffix_, "SELECT " COLUMNS
                      " FROM policy WHERE length(domain) > length(?1) AND substr(domain, -length(?1)) = ?1 "
                      "ORDER BY domain LIMIT ?2"},
      {&position_, "SELECT name, position, base FROM copy"},
      {&set_position_, "INSERT OR REPLACE INTO copy (one, name, position, base) VALUES (1, ?1, ?2, ?3)"},
  };
  for (const auto& [into, sql] : statements) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
      return failure("its tables are not as expected");
    into->reset(statement);
  }
  return {};
}

Expected<std::vector<StsEntry>> StsDatabase::rows(sqlite3_stmt* statement) {
  std::vector<StsEntry> entries;
  int status = SQLITE_ROW;
  while ((status = sqlite3_step(statement)) == SQLITE_ROW) entries.push_back(entry_at(statement));
  if (status != SQLITE_DONE) return failure("reading");
  return entries;
}

Expected<void> StsDatabase::step_once(sqlite3_stmt* statement) {
  if (sqlite3_step(statement) != SQLITE_DONE) return failure("writing");
  return {};
}

Expected<std::optional<StsEntry>> StsDatabase::load(const std::string& domain) {
  Use use(load_);
  use.bind(1, domain);
  auto found = rows(use.get());
  if (!found) return found.error();
  if (found->empty()) return std::optional<StsEntry>();
  return std::optional<StsEntry>(std::move(found->front()));
}

Expected<void> StsDatabase::put(const StsEntry& entry) {
  Use use(put_);
  use.bind(1, entry.domain);
  use.bind(2, entry.id);
  use.bind_blob(3, entry.body);
  use.bind(4, entry.fetched);
  use.bind(5, entry.expires);
  use.bind(6, entry.next_refresh);
  use.bind(7, entry.last_attempt);
  use.bind(8, entry.last_used);
  use.bind(9, static_cast<std::int64_t>(entry.failure_streak));
  use.bind(10, entry.failure_type);
  use.bind(11, entry.failure_reason);
  use.bind(12, std::int64_t{entry.recovered});
  return step_once(use.get());
}

Expected<void> StsDatabase::drop(const std::string& domain) {
  Use use(drop_);
  use.bind(1, domain);
  return step_once(use.get());
}

Expected<void> StsDatabase::note(const StsEntry& entry) {
  Use use(note_);
  use.bind(1, entry.domain);
  use.bind(2, entry.next_refresh);
  use.bind(3, entry.last_attempt);
  use.bind(4, entry.last_used);
  use.bind(5, static_cast<std::int64_t>(entry.failure_streak));
  use.bind(6, entry.failure_type);
  use.bind(7, entry.failure_reason);
  return step_once(use.get());
}

Expected<std::vector<StsEntry>> StsDatabase::due(SystemTime now, std::size_t most) {
  Use use(due_);
  use.bind(1, now);
  use.bind(2, static_cast<std::int64_t>(most));
  return rows(use.get());
}

Expected<std::vector<StsEntry>> StsDatabase::page(const std::string& after, std::size_t most) {
  Use use(page_);
  use.bind(1, after);
  use.bind(2, static_cast<std::int64_t>(most));
  return rows(use.get());
}

Expected<std::vector<StsEntry>> StsDatabase::list(const std::string& filter, std::size_t most) {
  if (filter.empty()) return page("", most);
  if (filter.starts_with("*.")) {
    Use use(list_suffix_);
    use.bind(1, std::string_view(filter).substr(1));
    use.bind(2, static_cast<std::int64_t>(most));
    return rows(use.get());
  }
  auto one = load(filter);
  if (!one) return one.error();
  std::vector<StsEntry> entries;
  if (*one) entries.push_back(std::move(**one));
  return entries;
}

Expected<CopyPosition> StsDatabase::position() {
  Use use(position_);
  CopyPosition position;
  const int status = sqlite3_step(use.get());
  if (status == SQLITE_DONE) return position;
  if (status != SQLITE_ROW) return failure("reading");
  position.name = text_at(use.get(), 0);
  position.offset = static_cast<std::uint64_t>(sqlite3_column_int64(use.get(), 1));
  position.base = static_cast<std::uint64_t>(sqlite3_column_int64(use.get(), 2));
  return position;
}

Expected<void> StsDatabase::set_position(const CopyPosition& position) {
  Use use(set_position_);
  use.bind(1, position.name);
  use.bind(2, static_cast<std::int64_t>(position.offset));
  use.bind(3, static_cast<std::int64_t>(position.base));
  return step_once(use.get());
}

Expected<void> StsDatabase::transaction(const std::function<Expected<void>()>& work) {
  if (auto begun = run("BEGIN IMMEDIATE"); !begun) return begun;
  auto done = work();
  if (done) done = run("COMMIT");
  if (!done) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  return done;
}

}  // namespace sealpost::policy
