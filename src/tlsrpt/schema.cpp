// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/schema.hpp"

#include <cstdio>
#include <iterator>

#include "base/log.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr int schema_version = 3;

// From version N to N+1, in order. New tables and views are in `schema` and need nothing here.
constexpr const char* migrations[] = {
    nullptr,  // there is no version 0 with tables
    "ALTER TABLE report_job ADD COLUMN destination TEXT NOT NULL DEFAULT ''",
    "SELECT 1",  // 3 only adds: certificate, received_*, alert and their views
};
static_assert(std::size(migrations) == schema_version);

// What we counted ourselves, and the reports made of it.
constexpr const char* counted_schema = R"sql(
CREATE TABLE IF NOT EXISTS policy_text (
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS policy (
  id INTEGER PRIMARY KEY,
  day TEXT NOT NULL,
  domain TEXT NOT NULL,
  type TEXT NOT NULL,
  policy_domain TEXT NOT NULL,
  policy_string INTEGER NOT NULL REFERENCES policy_text(id),
  mx_hosts INTEGER NOT NULL REFERENCES policy_text(id),
  success INTEGER NOT NULL DEFAULT 0,
  failure INTEGER NOT NULL DEFAULT 0,
  UNIQUE (day, domain, type, policy_domain, policy_string, mx_hosts)
) STRICT;
CREATE TABLE IF NOT EXISTS failure (
  policy INTEGER NOT NULL REFERENCES policy(id) ON DELETE CASCADE,
  result_type TEXT NOT NULL,
  sending_ip TEXT NOT NULL,
  mx_host TEXT NOT NULL,
  mx_helo TEXT NOT NULL,
  receiving_ip TEXT NOT NULL,
  reason_code TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (policy, result_type, sending_ip, mx_host, mx_helo, receiving_ip, reason_code)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS certificate (
  domain TEXT NOT NULL,
  mx_host TEXT NOT NULL,
  expires INTEGER NOT NULL,
  trusted INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  subject TEXT NOT NULL,
  issuer TEXT NOT NULL,
  last_seen INTEGER NOT NULL,
  PRIMARY KEY (domain, mx_host)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS report_job (
  day TEXT NOT NULL,
  domain TEXT NOT NULL,
  target TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  first_attempt INTEGER NOT NULL,
  next_attempt INTEGER NOT NULL,
  last_result TEXT NOT NULL,
  destination TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (day, domain, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS report_job_due ON report_job(next_attempt) WHERE state='waiting';
CREATE INDEX IF NOT EXISTS report_job_tried ON report_job(day, destination) WHERE attempts>0;
CREATE VIEW IF NOT EXISTS sessions AS
  SELECT p.day, p.domain, p.type AS policy_type, p.policy_domain, s.text AS policy_string, m.text AS mx_hosts,
         p.success AS successful_sessions, p.failure AS failed_sessions
  FROM policy p JOIN policy_text s ON s.id = p.policy_string JOIN policy_text m ON m.id = p.mx_hosts;
CREATE VIEW IF NOT EXISTS failures AS
  SELECT p.day, p.domain, p.type AS policy_type, p.policy_domain, f.result_type, f.mx_host, f.mx_helo, f.sending_ip,
         f.receiving_ip, f.reason_code, f.count AS sessions
  FROM failure f JOIN policy p ON p.id = f.policy;
CREATE VIEW IF NOT EXISTS certificates AS
  SELECT domain, mx_host, strftime('%Y-%m-%dT%H:%M:%SZ', expires, 'unixepoch') AS expires, trusted, sha256, subject,
         issuer, strftime('%Y-%m-%dT%H:%M:%SZ', last_seen, 'unixepoch') AS last_seen
  FROM certificate;
)sql";

// What others reported to us.
constexpr const char* received_schema = R"sql(
CREATE TABLE IF NOT EXISTS received_report (
  id INTEGER PRIMARY KEY,
  organization TEXT NOT NULL,
  report_id TEXT NOT NULL,
  contact TEXT NOT NULL,
  begins INTEGER NOT NULL,
  ends INTEGER NOT NULL,
  day TEXT NOT NULL,
  file TEXT NOT NULL,
  read_at INTEGER NOT NULL,
  notes TEXT NOT NULL,
  UNIQUE (organization, report_id)
) STRICT;
CREATE INDEX IF NOT EXISTS received_report_day ON received_report(day);
CREATE TABLE IF NOT EXISTS received_policy (
  id INTEGER PRIMARY KEY,
  report INTEGER NOT NULL REFERENCES received_report(id) ON DELETE CASCADE,
  domain TEXT NOT NULL,
  type TEXT NOT NULL,
  policy_string INTEGER NOT NULL REFERENCES policy_text(id),
  mx_hosts INTEGER NOT NULL REFERENCES policy_text(id),
  success INTEGER NOT NULL,
  failure INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS received_policy_report ON received_policy(report);
CREATE TABLE IF NOT EXISTS received_failure (
  id INTEGER PRIMARY KEY,
  policy INTEGER NOT NULL REFERENCES received_policy(id) ON DELETE CASCADE,
  result_type TEXT NOT NULL,
  sending_ip TEXT NOT NULL,
  mx_host TEXT NOT NULL,
  mx_helo TEXT NOT NULL,
  receiving_ip TEXT NOT NULL,
  reason_code TEXT NOT NULL,
  information TEXT NOT NULL,
  count INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS received_failure_policy ON received_failure(policy);
CREATE VIEW IF NOT EXISTS received_reports AS
  SELECT day, organization, report_id, contact, strftime('%Y-%m-%dT%H:%M:%SZ', begins, 'unixepoch') AS begins,
         strftime('%Y-%m-%dT%H:%M:%SZ', ends, 'unixepoch') AS ends, file,
         strftime('%Y-%m-%dT%H:%M:%SZ', read_at, 'unixepoch') AS read_at, notes
  FROM received_report;
CREATE VIEW IF NOT EXISTS received_sessions AS
  SELECT r.day, r.organization, r.report_id, p.domain, p.type AS policy_type, s.text AS policy_string,
         m.text AS mx_hosts, p.success AS successful_sessions, p.failure AS failed_sessions
  FROM received_policy p JOIN received_report r ON r.id = p.report
       JOIN policy_text s ON s.id = p.policy_string JOIN policy_text m ON m.id = p.mx_hosts;
CREATE VIEW IF NOT EXISTS received_failures AS
  SELECT r.day, r.organization, r.report_id, p.domain, p.type AS policy_type, f.result_type, f.mx_host, f.mx_helo,
         f.sending_ip, f.receiving_ip, f.reason_code, f.information, f.count AS sessions
  FROM received_failure f JOIN received_policy p ON p.id = f.policy JOIN received_report r ON r.id = p.report;
CREATE VIEW IF NOT EXISTS both_ways AS
  SELECT 'to them' AS direction, day, domain AS other_side, domain, type AS policy_type,
         sum(success) AS successful_sessions, sum(failure) AS failed_sessions
  FROM policy GROUP BY day, domain, type
  UNION ALL
  SELECT 'to us', r.day, r.organization, p.domain, p.type, sum(p.success), sum(p.failure)
  FROM received_policy p JOIN received_report r ON r.id = p.report GROUP BY r.day, r.organization, p.domain, p.type;
)sql";

// What the postmaster was told.
constexpr const char* alert_schema = R"sql(
CREATE TABLE IF NOT EXISTS alert (
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  since INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  resolved INTEGER NOT NULL DEFAULT 0,
  raised INTEGER NOT NULL DEFAULT 0,
  mailed INTEGER NOT NULL DEFAULT 0,
  what TEXT NOT NULL,
  how TEXT NOT NULL,
  PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS alerts AS
  SELECT kind, subject, strftime('%Y-%m-%dT%H:%M:%SZ', since, 'unixepoch') AS since,
         strftime('%Y-%m-%dT%H:%M:%SZ', last_seen, 'unixepoch') AS last_seen,
         CASE WHEN resolved = 0 THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%SZ', resolved, 'unixepoch') END AS resolved,
         what, how
  FROM alert WHERE raised <> 0;
)sql";

Error failure(sqlite3* db, const std::string& what) {
  const int code = sqlite3_errcode(db) & 0xff;
  const bool busy = code == SQLITE_BUSY || code == SQLITE_LOCKED;  // somebody else's lock is no damage
  return Error(busy ? Errc::unavailable : Errc::io, "tlsrpt.db: " + what + ": " + sqlite3_errmsg(db));
}

bool run(sqlite3* db, const std::string& sql) {
  return sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
}

// The single number a pragma answers with; -1 when it answers nothing.
int number(sqlite3* db, const char* pragma) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db, pragma, -1, &raw, nullptr) != SQLITE_OK) return -1;
  const StatementPtr query(raw);
  return sqlite3_step(raw) == SQLITE_ROW ? sqlite3_column_int(raw, 0) : -1;
}

bool is_sound_copy(const std::string& path, int version) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READONLY, nullptr);
  const DatabasePtr copy(raw);
  if (opened != SQLITE_OK || number(raw, "PRAGMA user_version") != version) return false;
  sqlite3_stmt* check = nullptr;
  if (sqlite3_prepare_v2(raw, "PRAGMA quick_check", -1, &check, nullptr) != SQLITE_OK) return false;
  const StatementPtr query(check);
  return sqlite3_step(check) == SQLITE_ROW &&
         std::string(reinterpret_cast<const char*>(sqlite3_column_text(check, 0))) == "ok";
}

// For whoever goes back to the former release.
Expected<void> keep_copy(sqlite3* db, const std::string& path, int version) {
  const std::string copy = path + ".v" + std::to_string(version);
  std::remove(copy.c_str());
  sqlite3_stmt* raw = nullptr;
  bool done = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &raw, nullptr) == SQLITE_OK;
  const StatementPtr query(raw);
  if (done) {
    sqlite3_bind_text(raw, 1, copy.data(), static_cast<int>(copy.size()), SQLITE_TRANSIENT);
    done = sqlite3_step(raw) == SQLITE_DONE;
  }
  const int code = sqlite3_errcode(db);
  if (done && is_sound_copy(copy, version)) return {};
  std::remove(copy.c_str());
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) return failure(db, "copy before the migration");
  return Error(Errc::unavailable,
               "tlsrpt.db has the schema of an older version and " + copy +
                   " could not be written as a copy of it before the migration; free space in data_dir");
}

}  // namespace

Expected<void> prepare_schema(sqlite3* db, const std::string& path) {
  const int version = number(db, "PRAGMA user_version");
  if (version < 0) return failure(db, "read the version");
  if (version > schema_version)
    return Error(Errc::invalid, "tlsrpt.db has schema " + std::to_string(version) +
                                    ", this version knows up to " + std::to_string(schema_version) +
                                    "; it was left untouched");
  if (version > 0 && version < schema_version) {
    if (auto kept = keep_copy(db, path, version); !kept) return kept;
    log::info("tlsrpt_database_migrates", {{"from", version}, {"to", schema_version}});
  }
  // Freed pages go back to the file system in small steps (retention.hpp). That must be set before tables are made, or
  // the file be written anew once; where that cannot be now (no space, a reader) the next start tries again.
  if (number(db, "PRAGMA auto_vacuum") != 2 && !run(db, "PRAGMA auto_vacuum = INCREMENTAL; VACUUM"))
    log::info("tlsrpt_database_not_compacted", {{"why", sqlite3_errmsg(db)}});
  if (!run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"))
    return failure(db, "open");
  if (!run(db, "BEGIN IMMEDIATE")) return failure(db, "open");
  bool done = true;  // kill-safe: all of it or nothing
  for (int from = version; done && from > 0 && from < schema_version; ++from)
    done = run(db, migrations[from]);
  done = done && run(db, counted_schema) && run(db, received_schema) && run(db, alert_schema) &&
         run(db, "PRAGMA user_version=" + std::to_string(schema_version)) && run(db, "COMMIT");
  if (done) return {};
  Error error = failure(db, "create tables");
  run(db, "ROLLBACK");
  return error;
}

}  // namespace sealpost::tlsrpt
