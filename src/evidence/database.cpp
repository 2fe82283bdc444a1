// SPDX-License-Identifier: Apache-2.0
#include "evidence/database.hpp"

#include <cstdio>

#include "base/log.hpp"

namespace sealpost::evidence {
namespace {

constexpr int schema_version = 1;
constexpr int busy_limit_ms = 5000;

// docs/evidence-database.md explains every column; views are what others may query.
constexpr const char* schema = R"sql(
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

}  // namespace

Statement& Statement::reset() {
  sqlite3_reset(statement_.get());
  return *this;
}

Statement& Statement::bind(int index, const std::string& text) {
  sqlite3_bind_text(statement_.get(), index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind(int index, std::int64_t number) {
  sqlite3_bind_int64(statement_.get(), index, number);
  return *this;
}

bool Statement::row() { return sqlite3_step(statement_.get()) == SQLITE_ROW; }
bool Statement::done() { return sqlite3_step(statement_.get()) == SQLITE_DONE; }

std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return text == nullptr ? std::string() : std::string(text, size);
}

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(statement_.get(), column); }

Error Database::failure(const std::string& what) {
  const int code = sqlite3_errcode(db_.get()) & 0xff;
  damaged_ = damaged_ || code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  return Error(Errc::io, "evidence.db: " + what + ": " + sqlite3_errmsg(db_.get()));
}

Expected<Database> Database::open(const std::string& path) {
  Database database(path);
  Expected<void> ready = database.connect();
  if (!ready && database.damaged()) ready = database.begin_anew(ready.error().detail);
  if (!ready) return ready.error();
  return database;
}

Expected<void> Database::connect() {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(
      path_.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  db_.reset(raw);
  return opened == SQLITE_OK ? prepare() : Expected<void>(failure("open"));
}

// D-23: never repaired in place; kept for whoever wants to look. Closed first: closing takes the files beside it away.
Expected<void> Database::begin_anew(const std::string& why) {
  const std::string aside = path_ + ".damaged";
  log::error("evidence_database_damaged",
             {{"why", why}, {"kept_as", aside}, {"lost", "sessions recorded so far"}});
  db_.reset();
  std::rename(path_.c_str(), aside.c_str());
  std::remove((path_ + "-wal").c_str());
  std::remove((path_ + "-shm").c_str());
  auto ready = connect();
  if (ready) damaged_ = false;
  return ready;
}

std::int64_t Database::changed() const noexcept { return sqlite3_changes(db_.get()); }

Expected<void> Database::prepare() {
  sqlite3_busy_timeout(db_.get(), busy_limit_ms);
  // NORMAL: a crash may lose the last second of records, never the file (D-22); nothing is decided from them.
  if (auto set = run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"); !set) return set;
  std::int64_t version = 0;
  {
    auto query = statement("PRAGMA user_version");
    if (!query) return query.error();
    if (query->row()) version = query->number(0);
  }
  if (version > schema_version)
    return Error(Errc::invalid, "evidence.db has schema " + std::to_string(version) +
                                    ", this version knows up to " + std::to_string(schema_version) +
                                    "; it was left untouched");
  return in_transaction([&]() -> Expected<void> {
    if (auto made = run(schema); !made) return made;
    return run(("PRAGMA user_version=" + std::to_string(schema_version)).c_str());
  });
}

Expected<Statement> Database::statement(const char* sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db_.get(), sql, -1, &raw, nullptr) != SQLITE_OK) return failure("prepare");
  return Statement(StatementPtr(raw));
}

Expected<void> Database::run(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure("write");
  return {};
}

Expected<void> Database::in_transaction(const std::function<Expected<void>()>& work) {
  if (auto begun = run("BEGIN IMMEDIATE"); !begun) return begun;
  Expected<void> done = work();
  if (done) done = run("COMMIT");
  if (!done) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  return done;
}

}  // namespace sealpost::evidence
