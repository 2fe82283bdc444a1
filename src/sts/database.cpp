// SPDX-License-Identifier: Apache-2.0
#include "sts/database.hpp"

#include "sealpost/mta_sts.hpp"
#include "sqlite/schema.hpp"

namespace sealpost::sts {

namespace {

using sqlite::Database;
using sqlite::Statement;

constexpr int schema_version = 1;

// Times are microseconds since 1970 UTC.
constexpr const char* tables = R"sql(
CREATE TABLE IF NOT EXISTS policy (
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
CREATE INDEX IF NOT EXISTS policy_due ON policy (next_refresh);
CREATE TABLE IF NOT EXISTS copy (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  name TEXT NOT NULL,
  position INTEGER NOT NULL,
  base INTEGER NOT NULL
) STRICT;
)sql";

#define COLUMNS                                                                                 \
  "domain, id, body, fetched, expires, next_refresh, last_attempt, last_used, failure_streak, " \
  "failure_type, "                                                                              \
  "failure_reason, recovered"

StsEntry entry_at(const Statement& row) {
  StsEntry entry;
  entry.domain = row.text(0);
  entry.id = row.text(1);
  entry.body = row.text(2);
  entry.fetched = row.time(3);
  entry.expires = row.time(4);
  entry.next_refresh = row.time(5);
  entry.last_attempt = row.time(6);
  entry.last_used = row.time(7);
  entry.failure_streak = static_cast<unsigned>(row.number(8));
  entry.failure_type = row.text(9);
  entry.failure_reason = row.text(10);
  entry.recovered = row.number(11) != 0;
  return entry;
}

// The copy holds each fact before the rows do, so NORMAL is enough here.
Expected<void> prepare(Database& file, int version) {
  return sqlite::prepare(file, version, {schema_version, {"policy", "copy"}, {tables}});
}

// The rows of a damaged file that can still be read, from both ends towards where it is broken.
std::string salvage(const std::string& aside, Database& fresh) {
  sqlite3* raw = nullptr;
  const int opened =
      sqlite3_open_v2(aside.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  const sqlite::ConnectionPtr old(raw);
  if (opened != SQLITE_OK) return {};
  sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  std::size_t saved = 0;
  for (const char* sql : {"SELECT " COLUMNS " FROM policy ORDER BY domain",
                          "SELECT " COLUMNS " FROM policy ORDER BY domain DESC"}) {
    sqlite3_stmt* prepared = nullptr;
    if (sqlite3_prepare_v2(raw, sql, -1, &prepared, nullptr) != SQLITE_OK) return {};
    const Statement row(fresh, sqlite::StatementPtr(prepared));
    while (sqlite3_step(prepared) == SQLITE_ROW) {
      StsEntry entry = entry_at(row);
      entry.recovered = true;
      entry.next_refresh = entry.fetched;
      if (!believable(entry, entry.domain)) continue;
      auto put = fresh.statement("INSERT OR IGNORE INTO policy (" COLUMNS
                                 ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,0,'','',1)");
      if (!put) return {};
      put->bind(1, entry.domain).bind(2, entry.id).bind_blob(3, entry.body).bind(4, entry.fetched);
      put->bind(5, entry.expires)
          .bind(6, entry.next_refresh)
          .bind(7, entry.last_attempt)
          .bind(8, entry.last_used);
      if (put->done() && fresh.changed() > 0) ++saved;
    }
  }
  return std::to_string(saved) + " of its policies could still be read";
}

sqlite::Settings settings_for(const std::string& path, std::chrono::milliseconds retry) {
  sqlite::Settings settings;
  settings.path = path;
  settings.newest = schema_version;
  settings.meanwhile = "MTA-STS policies are read from sts-policies.log and kept there and in memory";
  settings.lost = "nothing that sts-policies.log holds: it is rebuilt from there";
  settings.busy = std::chrono::milliseconds(1000);  // deliveries wait for it
  settings.first_retry = retry;
  settings.prepare = prepare;
  settings.salvage = salvage;
  return settings;
}

}  // namespace

bool believable(const StsEntry& entry, const std::string& domain) {
  if (entry.domain != domain || domain.empty()) return false;
  const auto policy = parse_sts_policy(entry.body);
  // Later is right when it was fetched while the clock was in doubt (StsDomain::applies_until bounds it), sooner never.
  return policy && entry.expires >= entry.fetched + policy->max_age;
}

int newest_schema() noexcept { return schema_version; }

StsDatabase::StsDatabase(const std::string& path, Health* health, std::chrono::milliseconds retry)
    : file_(settings_for(path, retry), health) {}

Expected<StsDatabase> StsDatabase::in_memory() {
  StsDatabase database(":memory:", nullptr);
  if (auto opened = database.file_.open(); !opened) return opened.error();
  return database;
}

Expected<std::vector<StsEntry>> StsDatabase::rows(Expected<Statement>& statement) {
  if (!statement) return statement.error();
  std::vector<StsEntry> entries;
  while (true) {
    auto row = statement->row();
    if (!row) return row.error();
    if (!*row) return entries;
    entries.push_back(entry_at(*statement));
  }
}

Expected<std::optional<StsEntry>> StsDatabase::load(const std::string& domain) {
  auto query = file_.statement("SELECT " COLUMNS " FROM policy WHERE domain = ?1");
  if (query) query->bind(1, domain);
  auto found = rows(query);
  if (!found) return found.error();
  if (found->empty()) return std::optional<StsEntry>();
  return std::optional<StsEntry>(std::move(found->front()));
}

Expected<void> StsDatabase::put(const StsEntry& entry) {
  auto put = file_.statement("INSERT OR REPLACE INTO policy (" COLUMNS
                             ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)");
  if (!put) return put.error();
  put->bind(1, entry.domain).bind(2, entry.id).bind_blob(3, entry.body).bind(4, entry.fetched);
  put->bind(5, entry.expires)
      .bind(6, entry.next_refresh)
      .bind(7, entry.last_attempt)
      .bind(8, entry.last_used);
  put->bind(9, static_cast<std::int64_t>(entry.failure_streak)).bind(10, entry.failure_type);
  return put->bind(11, entry.failure_reason).bind(12, std::int64_t{entry.recovered}).done();
}

Expected<void> StsDatabase::drop(const std::string& domain) {
  auto drop = file_.statement("DELETE FROM policy WHERE domain = ?1");
  if (!drop) return drop.error();
  return drop->bind(1, domain).done();
}

Expected<void> StsDatabase::note(const StsEntry& entry) {
  auto note = file_.statement(
      "UPDATE policy SET next_refresh = ?2, last_attempt = ?3, last_used = ?4, failure_streak = ?5, "
      "failure_type = ?6, failure_reason = ?7 WHERE domain = ?1");
  if (!note) return note.error();
  note->bind(1, entry.domain)
      .bind(2, entry.next_refresh)
      .bind(3, entry.last_attempt)
      .bind(4, entry.last_used);
  note->bind(5, static_cast<std::int64_t>(entry.failure_streak)).bind(6, entry.failure_type);
  return note->bind(7, entry.failure_reason).done();
}

Expected<std::vector<StsEntry>> StsDatabase::due(SystemTime now, std::size_t most) {
  auto query = file_.statement("SELECT " COLUMNS
                               " FROM policy WHERE next_refresh <= ?1 ORDER BY next_refresh LIMIT ?2");
  if (query) query->bind(1, now).bind(2, static_cast<std::int64_t>(most));
  return rows(query);
}

Expected<std::vector<StsEntry>> StsDatabase::page(const std::string& after, std::size_t most) {
  auto query = file_.statement("SELECT " COLUMNS " FROM policy WHERE domain > ?1 ORDER BY domain LIMIT ?2");
  if (query) query->bind(1, after).bind(2, static_cast<std::int64_t>(most));
  return rows(query);
}

Expected<std::vector<StsEntry>> StsDatabase::list(const std::string& filter, std::size_t most) {
  if (filter.empty()) return page("", most);
  if (filter.starts_with("*.")) {
    auto query = file_.statement("SELECT " COLUMNS
                                 " FROM policy WHERE length(domain) > length(?1) AND "
                                 "substr(domain, -length(?1)) = ?1 ORDER BY domain LIMIT ?2");
    if (query) query->bind(1, std::string_view(filter).substr(1)).bind(2, static_cast<std::int64_t>(most));
    return rows(query);
  }
  auto one = load(filter);
  if (!one) return one.error();
  std::vector<StsEntry> entries;
  if (*one) entries.push_back(std::move(**one));
  return entries;
}

Expected<CopyPosition> StsDatabase::position() {
  auto query = file_.statement("SELECT name, position, base FROM copy");
  if (!query) return query.error();
  auto row = query->row();
  if (!row) return row.error();
  CopyPosition position;
  if (!*row) return position;
  position.name = query->text(0);
  position.offset = static_cast<std::uint64_t>(query->number(1));
  position.base = static_cast<std::uint64_t>(query->number(2));
  return position;
}

Expected<void> StsDatabase::set_position(const CopyPosition& position) {
  auto set =
      file_.statement("INSERT OR REPLACE INTO copy (one, name, position, base) VALUES (1, ?1, ?2, ?3)");
  if (!set) return set.error();
  set->bind(1, position.name).bind(2, static_cast<std::int64_t>(position.offset));
  return set->bind(3, static_cast<std::int64_t>(position.base)).done();
}

}  // namespace sealpost::sts
