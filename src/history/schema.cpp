// SPDX-License-Identifier: Apache-2.0
#include "history/schema.hpp"

#include "sqlite/schema.hpp"

namespace sealpost::history {
namespace {

constexpr int schema_version = 1;

// docs/evidence-database.md explains every column; views are what others may query.
constexpr const char* tables = R"sql(
CREATE TABLE IF NOT EXISTS name (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS certificate (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  facts TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS facts (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL,
  certificate INTEGER NOT NULL,
  facts TEXT NOT NULL,
  UNIQUE (digest, certificate)
) STRICT;
CREATE TABLE IF NOT EXISTS ending (
  id INTEGER PRIMARY KEY,
  verdict TEXT NOT NULL,
  partner TEXT NOT NULL,
  partner_hash TEXT NOT NULL,
  refused_by TEXT NOT NULL,
  result_type TEXT NOT NULL,
  reason_code TEXT NOT NULL,
  UNIQUE (verdict, partner, partner_hash, refused_by, result_type, reason_code)
) STRICT;
CREATE TABLE IF NOT EXISTS session (
  domain INTEGER NOT NULL,
  day INTEGER NOT NULL,
  policy_domain INTEGER NOT NULL,
  mx INTEGER NOT NULL,
  facts INTEGER NOT NULL,
  ending INTEGER NOT NULL,
  handshakes INTEGER NOT NULL,
  reuses INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (domain, day, policy_domain, mx, facts, ending)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS session_by_relay ON session(policy_domain, day) WHERE policy_domain <> domain;
CREATE TABLE IF NOT EXISTS left_out (
  domain INTEGER NOT NULL,
  day INTEGER NOT NULL,
  sessions INTEGER NOT NULL,
  PRIMARY KEY (domain, day)
) STRICT, WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS sessions AS
  SELECT date(s.day * 86400, 'unixepoch') AS day, d.name AS domain, p.name AS policy_domain, m.name AS mx_host,
         e.verdict, e.partner, e.partner_hash, e.refused_by, e.result_type, e.reason_code,
         json_extract(f.facts, '$.session.starttls') AS starttls,
         CASE json_extract(f.facts, '$.session.version') WHEN 769 THEN 'TLSv1' WHEN 770 THEN 'TLSv1.1' WHEN 771 THEN 'TLSv1.2'
              WHEN 772 THEN 'TLSv1.3' ELSE '' END AS tls_version,
         json_extract(f.facts, '$.session.cipher') AS cipher,
         json_extract(f.facts, '$.sts.kind') AS mta_sts, json_extract(f.facts, '$.dane.kind') AS dane,
         json_extract(c.facts, '$.sha256') AS certificate_sha256, json_extract(c.facts, '$.spki_sha256') AS spki_sha256,
         json_extract(c.facts, '$.webpki.token') AS chain_error,
         datetime(json_extract(c.facts, '$.leaf_expires'), 'unixepoch') AS certificate_expires,
         s.handshakes, s.reuses, datetime(s.first, 'unixepoch') AS first, datetime(s.last, 'unixepoch') AS last
  FROM session s JOIN name d ON d.id = s.domain JOIN name p ON p.id = s.policy_domain JOIN name m ON m.id = s.mx
       JOIN ending e ON e.id = s.ending JOIN facts f ON f.id = s.facts LEFT JOIN certificate c ON c.id = f.certificate;
)sql";

// NORMAL: a crash may lose the last second of records, never the file (D-22); nothing is decided from them.
Expected<void> prepare(sqlite::Database& file, int version) {
  return sqlite::prepare(file, version, {schema_version, {"name", "facts", "session", "left_out"}, {tables}});
}

}  // namespace

sqlite::Settings schema_settings(const std::string& path) {
  sqlite::Settings settings;
  settings.path = path;
  settings.newest = schema_version;
  settings.meanwhile = "sessions are recorded in memory, and rules cannot be tried on those recorded before";
  settings.lost = "sessions recorded so far";
  settings.prepare = prepare;
  return settings;
}

}  // namespace sealpost::history
