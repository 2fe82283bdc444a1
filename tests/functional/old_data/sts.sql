-- sts.db as the sealpost of 2026-11-22 made it, schema version 1. NOW is the time in microseconds.
PRAGMA journal_mode=WAL;
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
INSERT INTO policy VALUES ('old-policy.test', 'a1', CAST('version: STSv1' || char(10) || 'mode: enforce' || char(10) || 'mx: mx1.old-policy.test' || char(10) || 'max_age: 8640000' || char(10) AS BLOB),
  NOW - 86400000000, NOW + 8553600000000, NOW + 43200000000, NOW - 86400000000, NOW - 86400000000, 0, '', '', 0);
