-- tlsrpt.db as the sealpost of 2026-11-22 made it, schema version 3, with rows of its time.
PRAGMA journal_mode=WAL;

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

INSERT INTO policy_text VALUES (1, '[]');
INSERT INTO policy VALUES (1, '2026-11-21', 'old-partner.test', 'no-policy-found', 'old-partner.test', 1, 1, 40, 2);
INSERT INTO failure VALUES (1, 'starttls-not-supported', '192.0.2.1', 'mx1.old-partner.test', '', '192.0.2.9', '', 2);
INSERT INTO report_job VALUES ('2026-11-21', 'old-partner.test', 'mailto:r@old-partner.test', 'sent', 1, 1795300000, 0, 'accepted', 'old-partner.test');
INSERT INTO received_report VALUES (7, 'Noord', 'r1', '', 1795219200, 1795305599, '2026-11-21', 'r1.json', 1795310000, '[]');
INSERT INTO received_policy VALUES (9, 7, 'home.test', 'sts', 1, 1, 5, 2);
INSERT INTO received_failure VALUES (11, 9, 'certificate-expired', '', 'mx1.home.test', '', '', '', '', 2);
PRAGMA user_version=3;
