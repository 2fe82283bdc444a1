// SPDX-License-Identifier: Apache-2.0
#include "ledger/schema.hpp"

#include "sqlite/schema.hpp"

namespace sealpost::ledger {
namespace {

constexpr int schema_version = 1;

// docs/ledger.md explains every column; the tables are what others may read.
constexpr const char* tables = R"sql(
CREATE TABLE IF NOT EXISTS state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  node INTEGER NOT NULL DEFAULT 0,
  segment INTEGER,
  place INTEGER,
  last_time INTEGER NOT NULL DEFAULT 0,
  horizon INTEGER NOT NULL DEFAULT 0,
  begun_why TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS day (
  number INTEGER PRIMARY KEY,
  date TEXT NOT NULL,
  head TEXT NOT NULL,
  signature BLOB NOT NULL,
  address_key BLOB,
  pruned INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS signing_key (
  number INTEGER PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  public_key BLOB NOT NULL,
  signed_by TEXT NOT NULL,
  signature BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS row (
  number INTEGER PRIMARY KEY,
  hash_start INTEGER NOT NULL,
  payload TEXT NOT NULL,
  address TEXT,
  message INTEGER,
  about INTEGER,
  word INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS block (
  number INTEGER PRIMARY KEY,
  day INTEGER NOT NULL,
  first INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  hash_starts BLOB NOT NULL,
  payloads BLOB NOT NULL,
  addresses BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS block_of_day ON block(day);
CREATE TABLE IF NOT EXISTS proof (
  number INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  text TEXT NOT NULL,
  last_day INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS by_message (
  message INTEGER NOT NULL,
  block INTEGER NOT NULL,
  PRIMARY KEY (message, block)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS by_word (
  day INTEGER NOT NULL,
  word INTEGER NOT NULL,
  block INTEGER NOT NULL,
  PRIMARY KEY (day, word, block)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS open_message (
  id BLOB PRIMARY KEY,
  recipients TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS open_done (
  id BLOB NOT NULL,
  recipient INTEGER NOT NULL,
  PRIMARY KEY (id, recipient)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rules (
  digest BLOB PRIMARY KEY,
  text BLOB NOT NULL,
  last_day INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS counted_day (
  day INTEGER PRIMARY KEY
) STRICT;
CREATE TABLE IF NOT EXISTS tally (
  proof BLOB NOT NULL,
  day INTEGER NOT NULL,
  kind TEXT NOT NULL,
  rows INTEGER NOT NULL,
  PRIMARY KEY (proof, day, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proof_about (
  name TEXT NOT NULL,
  proof BLOB NOT NULL,
  PRIMARY KEY (name, proof)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rules_read (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  begins INTEGER NOT NULL,
  ends INTEGER NOT NULL,
  digest BLOB NOT NULL
) STRICT;
)sql";

// FULL: a commit survives a power cut. The journal is freed behind the cursor that it carries.
Expected<void> prepare_ledger(sqlite::Database& file, int version) {
  if (auto ready = sqlite::prepare(
          file, version,
          {schema_version,
           {"state", "day", "signing_key", "row", "block", "proof", "by_message", "by_word", "open_message",
            "open_done", "rules", "rules_read", "counted_day", "tally", "proof_about"},
           {tables}});
      !ready)
    return ready;
  // What is deleted is overwritten: addresses that were erased or pruned, and recipients of finished messages, which [ledger]
  // addresses may say not to keep, must not be found in free pages.
  return file.run("PRAGMA synchronous=FULL; PRAGMA secure_delete=ON");
}

// The damaged file stays beside the new one, with what it proves up to its last head.
std::string begin_with_reason(const std::string& aside, sqlite::Database& fresh) {
  auto insert = fresh.statement("INSERT OR REPLACE INTO state(id, begun_why) VALUES (1, ?1)");
  if (!insert) return {};
  const std::string name = aside.substr(aside.rfind('/') + 1);
  if (auto done = insert->bind(1, "the ledger before this one was damaged, and is kept as " + name).done();
      !done)
    return {};
  return "a new chain was begun; keep " + name + " with it: what it proves stays proven";
}

}  // namespace

sqlite::Settings schema_settings(const std::string& path) {
  sqlite::Settings settings;
  settings.path = path;
  settings.newest = schema_version;
  settings.meanwhile = "the journal keeps what the ledger has not read, within a bound";
  settings.lost = "the chain of the ledger up to here, as far as the file set aside cannot be read";
  settings.prepare = prepare_ledger;
  settings.salvage = begin_with_reason;
  return settings;
}

}  // namespace sealpost::ledger
