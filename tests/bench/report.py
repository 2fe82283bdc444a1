# SPDX-License-Identifier: Apache-2.0
"""The bench's one table, and what the numbers are held against."""

# (name, unit) -> how a row of sealpost is judged, given the row and Postfix's better drain rate (0: not measured).
TARGETS = (
    ("drain", lambda row, rival: not rival or row["drain"] >= rival * (8 if row["tls"] else 10)),
    ("CPU", lambda row, rival: row["size"] > 4096 or row["cpu_ms"] <= 0.2),
    ("ack p99", lambda row, rival: row["ack_p99_ms"] < 30),
    ("KB disk", lambda row, rival: row["size"] > 4096 or (row["disk_kb"] or row["written_kb"]) <= 8),
    ("syncs", lambda row, rival: row["syncs"] is None or row["syncs"] <= 0.1),
    ("nothing lost", lambda row, rival: not row["lost"] and not row["damaged"]),
)

COLUMNS = (
    ("work", lambda r: r["work"]), ("relay", lambda r: r["system"]), ("messages", lambda r: f"{r['messages']}"),
    ("drain/s", lambda r: f"{r['drain']:.0f}"), ("ack p50 ms", lambda r: f"{r['ack_p50_ms']:.1f}"),
    ("p99", lambda r: f"{r['ack_p99_ms']:.1f}"), ("max", lambda r: f"{r['ack_max_ms']:.0f}"),
    ("CPU ms", lambda r: f"{r['cpu_ms']:.3f}"), ("KB written", lambda r: f"{r['written_kb']:.1f}"),
    ("KB disk", lambda r: "-" if r["disk_kb"] is None else f"{r['disk_kb']:.1f}"),
    ("syncs", lambda r: "-" if r["syncs"] is None else f"{r['syncs']:.3f}"),
    ("lost", lambda r: f"{r['lost']}"), ("twice", lambda r: f"{r['twice']}"),
    ("x drain", lambda r: r.get("times_drain", "")), ("x CPU", lambda r: r.get("times_cpu", "")),
    ("missed", lambda r: r.get("missed", "")),
)


def judge(rows):
    """Adds to each row of sealpost its ratios to the better Postfix of the same work, and the targets it missed."""
    for row in rows:
        if row["system"] != "sealpost":
            continue
        rivals = [other for other in rows if other["work"] == row["work"] and other["system"] != "sealpost"]
        fastest = max((other["drain"] for other in rivals), default=0)
        if rivals and row["drain"]:
            row["times_drain"] = f"{row['drain'] / fastest:.1f}"
            row["times_cpu"] = f"{min(other['cpu_ms'] for other in rivals) / max(row['cpu_ms'], 1e-6):.1f}"
        row["missed"] = ", ".join(name for name, met in TARGETS if not met(row, fastest))


def table(rows):
    cells = [[name for name, _ in COLUMNS]] + [[form(row) for _, form in COLUMNS] for row in rows]
    widths = [max(len(line[place]) for line in cells) for place in range(len(COLUMNS))]
    lines = []
    for number, line in enumerate(cells):
        lines.append("  ".join(cell.ljust(width) if place < 2 or place == len(line) - 1 else cell.rjust(width)
                               for place, (cell, width) in enumerate(zip(line, widths))).rstrip())
        if number == 0:
            lines.append("  ".join("-" * width for width in widths))
    return "\n".join(lines)
