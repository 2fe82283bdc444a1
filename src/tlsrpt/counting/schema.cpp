// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/schema.hpp"

#include <cstdio>
#include <iterator>

#include "base/log.hpp"
#include "sqlite/schema.hpp"

namespace sealpost::tlsrpt {
namespace {

using sqlite::Database;

constexpr int schema_version = 4;

// From version N to N+1, in order. New tables and views are in `schema` and need nothing here.
constexpr const char* migrations[] = {
    nullptr,  // there is no version 0 with tables
    "ALTER TABLE report_job ADD COLUMN destination TEXT NOT NULL DEFAULT ''",
    "SELECT 1",  // 3 only adds: certificate, received_*, alert and their views
    // 4: a report is told by its domains and its range too (RFC 8460 has no name that is unique by itself). A key cannot be
    // changed in place, so the table is made anew; foreign keys are not looked at meanwhile. Names lose a last dot. A file
    // of version 2 has no such tables.
    R"sql(
CREATE TABLE IF NOT EXISTS received_report (
  id INTEGER PRIMARY KEY, organization TEXT NOT NULL, report_id TEXT NOT NULL, contact TEXT NOT NULL,
  begins INTEGER NOT NULL, ends INTEGER NOT NULL, day TEXT NOT NULL, file TEXT NOT NULL, read_at INTEGER NOT NULL,
  notes TEXT NOT NULL, UNIQUE (organization, report_id)
) STRICT;
CREATE TABLE IF NOT EXISTS received_policy (
  id INTEGER PRIMARY KEY, report INTEGER NOT NULL REFERENCES received_report(id) ON DELETE CASCADE,
  domain TEXT NOT NULL, type TEXT NOT NULL, policy_string INTEGER NOT NULL REFERENCES policy_text(id),
  mx_hosts INTEGER NOT NULL REFERENCES policy_text(id), success INTEGER NOT NULL, failure INTEGER NOT NULL
) STRICT;
DROP VIEW IF EXISTS received_reports;
DROP VIEW IF EXISTS received_sessions;
DROP VIEW IF EXISTS received_failures;
DROP VIEW IF EXISTS both_ways;
UPDATE received_policy SET domain=rtrim(domain, '.') WHERE domain LIKE '%_.';
CREATE TABLE received_report_4 (
  id INTEGER PRIMARY KEY, organization TEXT NOT NULL, report_id TEXT NOT NULL, domain TEXT NOT NULL,
  digest TEXT NOT NULL, contact TEXT NOT NULL, begins INTEGER NOT NULL, ends INTEGER NOT NULL, day TEXT NOT NULL,
  file TEXT NOT NULL, read_at INTEGER NOT NULL, notes TEXT NOT NULL,
  UNIQUE (organization, report_id, domain, begins, ends)
) STRICT;
INSERT INTO received_report_4 SELECT id, organization, report_id,
  ifnull((SELECT group_concat(domain, ' ') FROM (SELECT DISTINCT domain FROM received_policy p WHERE p.report=r.id ORDER BY domain)), ''),
  '', contact, begins, ends, day, file, read_at, notes FROM received_report r;
DROP TABLE received_report;
ALTER TABLE received_report_4 RENAME TO received_report;
)sql",
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
CREATE TABLE IF NOT EXISTS refusal (
  day TEXT NOT NULL,
  domain TEXT NOT NULL,
  source TEXT NOT NULL,
  origin TEXT NOT NULL,
  result_type TEXT NOT NULL,
  reason_code TEXT NOT NULL,
  mx_host TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (day, domain, source, origin, result_type, reason_code, mx_host)
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
CREATE VIEW IF NOT EXISTS refusals AS
  SELECT day, domain, source, origin, result_type, reason_code, mx_host, count AS sessions FROM refusal;
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
  domain TEXT NOT NULL,
  digest TEXT NOT NULL,
  contact TEXT NOT NULL,
  begins INTEGER NOT NULL,
  ends INTEGER NOT NULL,
  day TEXT NOT NULL,
  file TEXT NOT NULL,
  read_at INTEGER NOT NULL,
  notes TEXT NOT NULL,
  UNIQUE (organization, report_id, domain, begins, ends)
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
CREATE TABLE IF NOT EXISTS received_aside (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  file TEXT NOT NULL,
  piece TEXT NOT NULL,
  why TEXT NOT NULL,
  read_at INTEGER NOT NULL,
  sha256 TEXT NOT NULL UNIQUE,
  octets BLOB NOT NULL
) STRICT;
CREATE VIEW IF NOT EXISTS received_kept_aside AS
  SELECT id, file, piece, why, strftime('%Y-%m-%dT%H:%M:%SZ', read_at, 'unixepoch') AS read_at,
         length(octets) AS octets
  FROM received_aside;
CREATE VIEW IF NOT EXISTS received_reports AS
  SELECT day, organization, report_id, domain, contact, strftime('%Y-%m-%dT%H:%M:%SZ', begins, 'unixepoch') AS begins,
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

bool is_sound_copy(const std::string& path, int version) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READONLY, nullptr);
  const sqlite::ConnectionPtr copy(raw);
  const auto first = [raw](const char* sql) -> std::string {
    sqlite3_stmt* prepared = nullptr;
    if (sqlite3_prepare_v2(raw, sql, -1, &prepared, nullptr) != SQLITE_OK) return {};
    const sqlite::StatementPtr query(prepared);
    if (sqlite3_step(prepared) != SQLITE_ROW) return {};
    return reinterpret_cast<const char*>(sqlite3_column_text(prepared, 0));
  };
  return opened == SQLITE_OK && first("PRAGMA user_version") == std::to_string(version) &&
         first("PRAGMA quick_check") == "ok";
}

// For whoever goes back to the former release.
Expected<void> keep_copy(Database& file, int version) {
  const std::string copy = file.path() + ".v" + std::to_string(version);
  std::remove(copy.c_str());
  Expected<void> done;
  {
    auto into = file.statement("VACUUM INTO ?1");
    done = into ? into->bind(1, copy).done() : Expected<void>(into.error());
  }
  if (done && is_sound_copy(copy, version)) return {};
  std::remove(copy.c_str());
  if (!done && done.error().code == Errc::damaged) return done;
  return Error(Errc::unavailable,
               "tlsrpt.db has the schema of an older version and " + copy +
                   " could not be written as a copy of it before the migration; free space in data_dir");
}

sqlite::Schema newest_schema() {
  return {schema_version,
          {"policy", "failure", "report_job", "certificate", "received_report", "received_aside", "refusal",
           "alert"},
          {counted_schema, received_schema, alert_schema}};
}

Expected<void> prepare(Database& file, int version) {
  if (version > 0 && version < schema_version) {
    if (auto kept = keep_copy(file, version); !kept) return kept;
    log::info("tlsrpt_database_migrates", {{"from", version}, {"to", schema_version}});
  }
  // Freed pages go back to the file system in small steps (retention.hpp). That must be set before tables are made, or
  // the file be written anew once; where that cannot be now (no space, a reader) the next start tries again.
  const auto vacuum = file.number("PRAGMA auto_vacuum");
  if (!vacuum) return vacuum.error();
  if (*vacuum != 2) {
    auto compacted = file.run("PRAGMA auto_vacuum = INCREMENTAL; VACUUM");
    if (!compacted && compacted.error().code == Errc::damaged) return compacted;
    if (!compacted) log::info("tlsrpt_database_not_compacted", {{"why", compacted.error().detail}});
  }
  if (auto set = sqlite::use_write_ahead_log(file); !set) return set;
  // Nothing is written at an ordinary start: a full disk is no hindrance.
  const auto complete = sqlite::is_complete(file, version, newest_schema());
  if (!complete) return complete.error();
  if (*complete) return file.run("PRAGMA foreign_keys=ON");
  if (auto off = file.run("PRAGMA foreign_keys=OFF"); !off)
    return off;  // or a table made anew would take its children along
  const auto made = file.in_transaction([&]() -> Expected<void> {  // kill-safe: all of it or nothing
    for (int from = version; from > 0 && from < schema_version; ++from)
      if (auto done = file.run(migrations[from]); !done) return done;
    return sqlite::make_tables(file, newest_schema());
  });
  if (!made) return made;
  return file.run("PRAGMA foreign_keys=ON");
}

}  // namespace

sqlite::Settings schema_settings(const std::string& path) {
  sqlite::Settings settings;
  settings.path = path;
  settings.newest = schema_version;
  settings.meanwhile = "sessions are counted in memory and no report is made or sent";
  settings.lost = "counts not yet reported, reports received, what was alerted";
  settings.prepare = prepare;
  settings.salvage = salvage;
  return settings;
}

}  // namespace sealpost::tlsrpt
