// SPDX-License-Identifier: Apache-2.0
#include "webhooks/schema.hpp"

#include "sqlite/schema.hpp"

namespace sealpost::webhooks {
namespace {

constexpr int newest_version = 1;

// What is small stands before what is long, so that looking for events that wait does not read their texts.
constexpr const char* table_definitions = R"sql(
CREATE TABLE IF NOT EXISTS state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  node INTEGER NOT NULL DEFAULT 0,
  segment INTEGER,
  place INTEGER,
  last_time INTEGER NOT NULL DEFAULT 0,
  horizon INTEGER NOT NULL DEFAULT 0,
  begun INTEGER,
  begun_why TEXT NOT NULL DEFAULT '',
  octets INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id BLOB NOT NULL UNIQUE,
  time INTEGER NOT NULL,
  kind TEXT NOT NULL,
  domain TEXT NOT NULL,
  account TEXT NOT NULL,
  octets INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS webhook (
  name TEXT PRIMARY KEY,
  through INTEGER NOT NULL,
  paused INTEGER NOT NULL DEFAULT 0,
  gone TEXT NOT NULL DEFAULT '',
  answer TEXT NOT NULL DEFAULT '',
  tried INTEGER,
  taken INTEGER,
  failing_since INTEGER,
  sent INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  dropped INTEGER NOT NULL DEFAULT 0,
  untold INTEGER NOT NULL DEFAULT 0,
  untold_through INTEGER NOT NULL DEFAULT 0,
  untold_time INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS open_message (
  id BLOB PRIMARY KEY,
  sender TEXT NOT NULL,
  account TEXT NOT NULL,
  recipients TEXT NOT NULL,
  unfinished INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS open_done (
  id BLOB NOT NULL,
  recipient INTEGER NOT NULL,
  PRIMARY KEY (id, recipient)
) STRICT, WITHOUT ROWID;
)sql";

// FULL: the journal is freed behind the cursor, and a webhook is not told again behind its own.
Expected<void> prepare_events(sqlite::Database& file, int version) {
  if (auto ready = sqlite::prepare(
          file, version,
          {newest_version, {"state", "event", "webhook", "open_message", "open_done"}, {table_definitions}});
      !ready)
    return ready;
  return file.run("PRAGMA synchronous=FULL; PRAGMA secure_delete=ON");
}

// All that the journal still has is told again, under the same names, and first that something may be missing.
std::string begin_with_gap(const std::string& aside, sqlite::Database& fresh) {
  auto insert = fresh.statement("INSERT OR REPLACE INTO state(id, begun, begun_why) VALUES (1, 0, ?1)");
  if (!insert) return {};
  const std::string name = aside.substr(aside.rfind('/') + 1);
  const std::string why =
      "webhooks.db was damaged and is kept as " + name + "; what waited in it alone is not told";
  if (auto done = insert->bind(1, why).done(); !done) return {};
  return "webhooks are told of a gap, and all that the journal still holds once more, under the same "
         "event_id";
}

}  // namespace

sqlite::Settings schema_settings(const std::string& path) {
  sqlite::Settings settings;
  settings.path = path;
  settings.newest = newest_version;
  settings.meanwhile = "the journal keeps what the webhooks have not read, within a bound";
  settings.lost = "events that were not told yet and are no longer in the journal";
  settings.prepare = prepare_events;
  settings.salvage = begin_with_gap;
  return settings;
}

}  // namespace sealpost::webhooks
