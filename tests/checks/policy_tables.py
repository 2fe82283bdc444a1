"""docs/policy-tables.md shows what tests/unit/rules/tables/*.tsv say. `--fix` writes the page anew."""

PAGE = "docs/policy-tables.md"
TABLES = ["sts_record", "sts_policy", "sts_mx", "sts_sessions", "tlsa_records", "dane_sessions", "combinations"]
AS_CODE = {"records", "id", "policy", "pattern", "mx host", "partner", "sts", "dane", "flags", "session", "results",
           "record", "code"}

HEAD = """# How sealpost decides

Every row below is a test: the tables are made from `tests/unit/rules/tables/*.tsv`, which `tests/unit/rules` reads
(`tests/checks/run --fix policy_tables` writes this page). A row says condition, outcome, what is reported, the
enhanced status code, and the section of the RFC it rests on ("operator" where the rule is the operator's own).

- **Outcome**: `deliver`; `report` (delivered, and counted as a failure in TLS-RPT or the log); `refuse` (this host gets
  no mail, the next one is tried, and with none left the message waits); `skip` (the host is not even contacted).
- **Results**: for each source that asks for something, `ok` or the TLS-RPT result type of RFC 8460 §4.3 that counts
  first, then further ones after `+`. In brackets: observed, not enforced. `partner` and `requiretls` never appear in a
  TLS-RPT report; their types tell the log and evidence what failed.
- **Code**: the status of the deferral. Class 4 turns into a bounce when the message's lifetime, or a partner rule's
  `grace`, is over; class 5 (REQUIRETLS, RFC 8689 §4.2.1) says that another host may do, and no later attempt.

The destination is `b.test`, its MX host `mx1.b.test`. A session is TLS 1.3 with a certificate of a trusted authority that
names `mx1.b.test`, unless its words say otherwise:

| Words of a session | Mean |
|---|---|
| `clear`, `refused=454`, `broken=REASON`, `untried` | STARTTLS not offered, answered so, the handshake failed, TLS left out |
| `1.2`, `1.1` | protocol version |
| `anonymous`, `expired`, `self-signed`, `unknown-ca`, `webpki=CODE` | no certificate; what the check against the web's authorities found |
| `names=A,B`, `cn=A`, `key=K2` | DNS names of the certificate, common name without any, another key |
| `expired-since`, `chain-expired-since`, `one-second-left`, `resumed` | what has happened since the handshake of a kept or resumed session |
| `tlsa=ee`, `tlsa=ta`, `tlsa=none`, `tlsa=CODE` | what the check against the TLSA records found |
| `requiretls` | REQUIRETLS offered inside TLS |

Words of the flags column are the message's (`requiretls`, `tls-required-no`, `bounce` for a null reverse-path), the
configuration's (`dane-satisfies-sts`) or DNS's (`mx-signed`). `\\n`, `\\r`, `\\t`, `\\s` (blank) and `\\xHH` stand for octets.
"""


def read(path):
    """(title, explanation, columns, rows) of a table."""
    notes, rows = [], []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.startswith("#"):
            notes.append(line.lstrip("# "))
        elif line:
            rows.append(line.split("\t"))
    return notes[0], " ".join(notes[1:]), rows[0], rows[1:]


def cell(column, text):
    if text == "-":
        return ""
    shown = text.replace("|", "\\|")
    if column in AS_CODE:
        return f"`` {shown} ``" if "`" in shown else f"`{shown}`"
    for mark in "*_<":
        shown = shown.replace(mark, "\\" + mark)
    return shown


def page(root):
    parts = [HEAD]
    for name in TABLES:
        title, explanation, columns, rows = read(root / "tests/unit/rules/tables" / f"{name}.tsv")
        parts.append(f"## {title}\n\n{explanation} {len(rows)} rows.\n")
        lines = ["| " + " | ".join("RFC" if column == "rfc" else column.capitalize() for column in columns) + " |",
                 "|" + "---|" * len(columns)]
        lines += ["| " + " | ".join(cell(column, text) for column, text in zip(columns, row)) + " |" for row in rows]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def check(root):
    found = {path.stem for path in (root / "tests/unit/rules/tables").glob("*.tsv")}
    problems = [f"tests/unit/rules/tables/{name}.tsv: not in {PAGE}; add it to tests/checks/policy_tables.py"
                for name in sorted(found - set(TABLES))]
    wanted = page(root)
    path = root / PAGE
    if not path.exists() or path.read_text(encoding="utf-8") != wanted:
        problems.append(f"{PAGE}: does not show the tables; run tests/checks/run --fix policy_tables")
    return f"{wanted.count(chr(10) + '| ')} lines of {len(TABLES)} tables", problems


def fix(root):
    (root / PAGE).write_text(page(root), encoding="utf-8")
