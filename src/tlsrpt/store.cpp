// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/store.hpp"

#include <sys/stat.h>

#include <cstdio>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/log.hpp"

namespace sealpost::tlsrpt {
namespace {

using Json = nlohmann::json;
constexpr int schema_version = 2;

// From version N to N+1, in order. A database without tables needs none: `schema` is the newest.
constexpr const char* migrations[] = {
    nullptr,  // there is no version 0 with tables
    "ALTER TABLE report_job ADD COLUMN destination TEXT NOT NULL DEFAULT ''",
};
static_assert(std::size(migrations) == schema_version);

// docs/tlsrpt-database.md explains every column; views are what others may query.
constexpr const char* schema = R"sql(
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
)sql";

std::string to_array(const std::vector<std::string>& lines) {
  return Json(lines).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Rows are read back with suspicion: what is no array of strings is none (T-54).
std::vector<std::string> from_array(const std::string& text) {
  const Json array = Json::parse(text, nullptr, false);
  std::vector<std::string> lines;
  if (!array.is_array()) return lines;
  for (const Json& line : array) {
    if (line.is_string()) lines.push_back(line.get<std::string>());
  }
  return lines;
}

std::uint64_t count_column(sqlite3_stmt* row, int column) {
  return static_cast<std::uint64_t>(std::max<sqlite3_int64>(0, sqlite3_column_int64(row, column)));
}

}  // namespace

std::string column_text(sqlite3_stmt* row, int column) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(row, column));
  return text == nullptr ? std::string()
                         : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(row, column)));
}

void bind_text(sqlite3_stmt* row, int index, const std::string& text) {
  sqlite3_bind_text(row, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

Error Store::failure(const std::string& what) const {
  return Error(Errc::io, "tlsrpt.db: " + what + ": " + sqlite3_errmsg(db_.get()));
}

Expected<Store> Store::open(const std::string& path) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    sqlite3* raw = nullptr;
    const int opened = sqlite3_open_v2(
        path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    Store store{DatabasePtr(raw)};
    Expected<void> ready = opened == SQLITE_OK ? store.prepare() : Expected<void>(store.failure("open"));
    if (ready) return store;
    if (ready.error().code == Errc::invalid || attempt == 1) return ready.error();
    // D-23: never repaired in place; kept for whoever wants to look, and begun anew.
    const std::string aside = path + ".damaged";
    log::error("tlsrpt_database_damaged",
               {{"why", ready.error().detail}, {"kept_as", aside}, {"lost", "counts not yet reported"}});
    store.db_.reset();
    std::rename(path.c_str(), aside.c_str());
    std::remove((path + "-wal").c_str());
    std::remove((path + "-shm").c_str());
  }
  return Error(Errc::io, "tlsrpt.db: cannot be opened");
}

Expected<void> Store::prepare() {
  sqlite3_busy_timeout(db_.get(), 5000);
  const auto run = [&](const char* sql) {
    return sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK;
  };
  if (!run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"))
    return failure("open");
  int version = 0;
  {
    auto query = statement("PRAGMA user_version");
    if (!query) return query.error();
    if (sqlite3_step(query->get()) == SQLITE_ROW) version = sqlite3_column_int(query->get(), 0);
  }
  if (version > schema_version)
    return Error(Errc::invalid, "tlsrpt.db has schema " + std::to_string(version) +
                                    ", this version knows up to " + std::to_string(schema_version) +
                                    "; it was left untouched");
  return in_transaction([&]() -> Expected<void> {  // kill-safe: all of it or nothing (D-26)
    for (int from = version; from > 0 && from < schema_version; ++from) {
      if (!run(migrations[from])) return failure("migrate from version " + std::to_string(from));
    }
    if (!run(schema) || !run(("PRAGMA user_version=" + std::to_string(schema_version)).c_str()))
      return failure("create tables");
    return {};
  });
}

Expected<StatementPtr> Store::statement(const char* sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db_.get(), sql, -1, &raw, nullptr) != SQLITE_OK) return failure("prepare");
  return StatementPtr(raw);
}

Expected<std::int64_t> Store::policy_id(const PolicyKey& key) {
  const auto text_id = [&](const std::string& text) -> Expected<std::int64_t> {
    auto insert = statement(
        "INSERT INTO policy_text(text) VALUES(?1) ON CONFLICT(text) DO UPDATE SET text=text RETURNING id");
    if (!insert) return insert.error();
    bind_text(insert->get(), 1, text);
    if (sqlite3_step(insert->get()) != SQLITE_ROW) return failure("policy text");
    return sqlite3_column_int64(insert->get(), 0);
  };
  const auto string_id = text_id(to_array(key.policy_string));
  if (!string_id) return string_id;
  const auto hosts_id = text_id(to_array(key.mx_hosts));
  if (!hosts_id) return hosts_id;
  auto insert = statement(
      "INSERT INTO policy(day,domain,type,policy_domain,policy_string,mx_hosts) VALUES(?1,?2,?3,?4,?5,?6) "
      "ON CONFLICT DO UPDATE SET day=day RETURNING id");
  if (!insert) return insert.error();
  bind_text(insert->get(), 1, key.day);
  bind_text(insert->get(), 2, key.domain);
  bind_text(insert->get(), 3, key.type);
  bind_text(insert->get(), 4, key.policy_domain);
  sqlite3_bind_int64(insert->get(), 5, *string_id);
  sqlite3_bind_int64(insert->get(), 6, *hosts_id);
  if (sqlite3_step(insert->get()) != SQLITE_ROW) return failure("policy");
  return sqlite3_column_int64(insert->get(), 0);
}

Expected<void> Store::add_one(const CountedEntry& entry) {
  const auto id = policy_id(entry.key);
  if (!id) return id.error();
  auto update = statement("UPDATE policy SET success=success+?2, failure=failure+?3 WHERE id=?1");
  if (!update) return update.error();
  sqlite3_bind_int64(update->get(), 1, *id);
  sqlite3_bind_int(update->get(), 2, entry.session && entry.success ? 1 : 0);
  sqlite3_bind_int(update->get(), 3, entry.session && !entry.success ? 1 : 0);
  if (sqlite3_step(update->get()) != SQLITE_DONE) return failure("count");
  for (const FailureDetail& detail : entry.failures) {
    auto insert = statement(
        "INSERT INTO failure VALUES(?1,?2,?3,?4,?5,?6,?7,1) ON CONFLICT DO UPDATE SET count=count+1");
    if (!insert) return insert.error();
    sqlite3_bind_int64(insert->get(), 1, *id);
    bind_text(insert->get(), 2, detail.result_type);
    bind_text(insert->get(), 3, detail.sending_ip);
    bind_text(insert->get(), 4, detail.mx_host);
    bind_text(insert->get(), 5, detail.mx_helo);
    bind_text(insert->get(), 6, detail.receiving_ip);
    bind_text(insert->get(), 7, detail.reason_code);
    if (sqlite3_step(insert->get()) != SQLITE_DONE) return failure("failure detail");
  }
  return {};
}

Expected<void> Store::run(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure("write");
  return {};
}

Expected<void> Store::in_transaction(const std::function<Expected<void>()>& work) {
  if (auto begun = run("BEGIN IMMEDIATE"); !begun) return begun;
  Expected<void> done = work();
  if (done) done = run("COMMIT");
  if (!done) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  return done;
}

Expected<void> Store::add(const std::vector<CountedEntry>& entries) {
  return in_transaction([&]() -> Expected<void> {
    for (const CountedEntry& entry : entries) {
      if (auto added = add_one(entry); !added) return added;
    }
    return {};
  });
}

Expected<std::vector<DomainDay>> Store::days(const std::string& day, const std::string& domain,
                                             std::size_t most) {
  auto query = statement(
      "SELECT day, domain, sum(success), sum(failure) FROM policy WHERE (?1='' OR day=?1) AND (?2='' OR "
      "domain=?2) "
      "GROUP BY day, domain ORDER BY day DESC, sum(failure) DESC, domain LIMIT ?3");
  if (!query) return query.error();
  bind_text(query->get(), 1, day);
  bind_text(query->get(), 2, domain);
  sqlite3_bind_int64(query->get(), 3, static_cast<sqlite3_int64>(most));
  std::vector<DomainDay> all;
  while (sqlite3_step(query->get()) == SQLITE_ROW) {
    DomainDay line;
    line.day = column_text(query->get(), 0);
    line.domain = column_text(query->get(), 1);
    line.success = count_column(query->get(), 2);
    line.failure = count_column(query->get(), 3);
    all.push_back(std::move(line));
  }
  return all;
}

Expected<std::vector<PolicyCount>> Store::policies(const std::string& day, const std::string& domain) {
  auto query = statement(
      "SELECT p.id, p.type, p.policy_domain, s.text, m.text, p.success, p.failure FROM policy p "
      "JOIN policy_text s ON s.id=p.policy_string JOIN policy_text m ON m.id=p.mx_hosts "
      "WHERE p.day=?1 AND p.domain=?2 ORDER BY p.id");
  if (!query) return query.error();
  bind_text(query->get(), 1, day);
  bind_text(query->get(), 2, domain);
  std::vector<PolicyCount> all;
  while (sqlite3_step(query->get()) == SQLITE_ROW) {
    PolicyCount policy;
    const sqlite3_int64 id = sqlite3_column_int64(query->get(), 0);
    policy.key.day = day;
    policy.key.domain = domain;
    policy.key.type = column_text(query->get(), 1);
    policy.key.policy_domain = column_text(query->get(), 2);
    policy.key.policy_string = from_array(column_text(query->get(), 3));
    policy.key.mx_hosts = from_array(column_text(query->get(), 4));
    policy.success = count_column(query->get(), 5);
    policy.failure = count_column(query->get(), 6);
    auto details = statement(
        "SELECT result_type, sending_ip, mx_host, mx_helo, receiving_ip, reason_code, count FROM failure "
        "WHERE policy=?1 ORDER BY count DESC, result_type");
    if (!details) return details.error();
    sqlite3_bind_int64(details->get(), 1, id);
    while (sqlite3_step(details->get()) == SQLITE_ROW) {
      DetailCount detail;
      detail.detail.result_type = column_text(details->get(), 0);
      detail.detail.sending_ip = column_text(details->get(), 1);
      detail.detail.mx_host = column_text(details->get(), 2);
      detail.detail.mx_helo = column_text(details->get(), 3);
      detail.detail.receiving_ip = column_text(details->get(), 4);
      detail.detail.reason_code = column_text(details->get(), 5);
      detail.count = count_column(details->get(), 6);
      policy.details.push_back(std::move(detail));
    }
    all.push_back(std::move(policy));
  }
  return all;
}

}  // namespace sealpost::tlsrpt
