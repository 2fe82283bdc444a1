# SPDX-License-Identifier: Apache-2.0
"""What a postmaster reads: how mail goes out, in words; how others reach us, from reports they sent; and the queries of
docs/tlsrpt-database.md, run by the sqlite3 shell while the relay writes."""

import csv
import gzip
import io
import json
import re
import shutil
import sqlite3
import subprocess
import threading

import pytest
from lab.world import wait_for
from relay import ROOT, Relay

DOMAINS = [
    {"name": "read-expired", "certificate": "expired", "sts": {"mode": "enforce"}},
    {"name": "read-testing", "certificate": "other-name", "sts": {"mode": "testing"}},
    {"name": "read-good", "sts": {"mode": "enforce"}},
    {"name": "read-soon", "certificate": "ends-soon", "sts": {"mode": "enforce"}},
    {"name": "read-clear", "starttls": False},
]

THEIRS = {
    "organization-name": "Noord B.V.",
    "date-range": {"start-datetime": "2026-03-01T00:00:00Z", "end-datetime": "2026-03-01T23:59:59Z"},
    "contact-info": "tls@noord.example",
    "report-id": "=cmd|1@noord.example",
    "policies": [
        {
            "policy": {
                "policy-type": "sts",
                "policy-string": ["version: STSv1", "mode: enforce"],
                "policy-domain": "home.test",
                "mx-host": "*.home.test",
            },
            "summary": {"total-successful-session-count": 40, "total-failure-session-count": 2},
            "failure-details": [
                {
                    "result-type": "certificate-expired",
                    "sending-mta-ip": "192.0.2.1",
                    "receiving-mx-hostname": "mx1.home.test",
                    "failed-session-count": 2,
                    "failure-reason-code": "=HYPERLINK(\"http://evil.test\")",
                }
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def reader(lab, tmp_path_factory):
    lab.change_all(*DOMAINS)
    relay = Relay(lab, tmp_path_factory.mktemp("reading"), alerts={"after": "1s"})
    relay.start()
    for domain in ("read-testing", "read-good", "read-soon", "read-clear"):
        relay.wait_gone(relay.submit("anna@home.test", f"bob@{domain}.test", "Subject: x\r\n\r\nHello.\r\n"))
    relay.wait_deferred(relay.submit("anna@home.test", "bob@read-expired.test", "Subject: x\r\n\r\nHello.\r\n"))
    assert wait_for(lambda: len(relay.ask("report", "list")["entries"]) >= 5, 15)
    yield relay
    relay.kill()


def rows(text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_list_and_show_say_what_failed_and_whom_to_ask(reader):
    worst = {e["domain"]: e["policies"][0].get("worst", {}).get("what", "") for e in reader.ask("report", "list")["entries"]}
    assert re.search(r"certificate of mx1.read-expired.test expired \d+ (days|hours) ago", worst["read-expired.test"])
    assert worst["read-clear.test"] == "mx1.read-clear.test does not offer STARTTLS"
    assert worst["read-good.test"] == ""
    shown = reader.command("report", "show", "--domain", "read-expired.test").stdout
    assert "likely cause: it was not renewed" in shown
    assert "what to do: ask them to renew it" in shown
    assert "Policy sts (enforce) of read-expired.test: 0 sessions ok, " in shown
    testing = reader.ask("report", "show", "--domain", "read-testing.test")["policies"][0]
    assert testing["policy_mode"] == "testing" and testing["failures"][0]["result_type"] == "certificate-host-mismatch"
    unknown = reader.command("report", "show", "--domain", "nobody.test")
    assert unknown.returncode == 66 and "report list" in unknown.stderr


def test_csv_is_read_by_an_independent_reader(reader):
    listed = {row["domain"]: row for row in rows(reader.command("report", "list", "--csv").stdout)}
    assert listed["read-clear.test"]["failed_sessions"] == "1"
    assert listed["read-clear.test"]["trend"] == "first"
    shown = rows(reader.command("report", "show", "--domain", "read-clear.test", "--csv").stdout)
    assert [(r["result_type"], r["mx_host"], r["sessions"]) for r in shown] == [
        ("starttls-not-supported", "mx1.read-clear.test", "1")
    ]


def test_reports_of_others_are_read_once_from_json_gzip_and_mail(reader, tmp_path):
    text = json.dumps(THEIRS).encode()
    (tmp_path / "a.json").write_bytes(text)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(text))
    import email.mime.application
    import email.mime.multipart
    import email.mime.text

    mail = email.mime.multipart.MIMEMultipart("report", **{"report-type": "tlsrpt"})
    mail["Subject"] = "Report Domain: home.test"
    mail.attach(email.mime.text.MIMEText("A report."))
    second = dict(THEIRS, **{"report-id": "second@noord.example"})
    part = email.mime.application.MIMEApplication(gzip.compress(json.dumps(second).encode()), "tlsrpt+gzip")
    part.add_header("Content-Disposition", "attachment", filename="noord.example!home.test!1!2.json.gz")
    mail.attach(part)
    (tmp_path / "c.eml").write_bytes(mail.as_bytes())
    (tmp_path / "d.json").write_bytes(text.replace(b'"report-id"', b'"report-id":"x","report-id"', 1))
    (tmp_path / "e.gz").write_bytes(gzip.compress(b" " * (20 << 20)))

    done = reader.command("report", "read", *(tmp_path / n for n in ("a.json", "b.json.gz", "c.eml")))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert ["taken:" in line for line in lines[:3]] == [True, False, True], lines
    assert lines[3:] == ["3 files: 2 reports taken, 1 known already, 0 refused"]
    assert "known already" in lines[1] and "Noord B.V. on home.test, 2026-03-01: 40 sessions ok, 2 failed" in lines[0]
    bad = reader.command("report", "read", tmp_path / "d.json", tmp_path / "e.gz", tmp_path / "none", tmp_path / "a.json")
    assert bad.returncode == 65
    assert "d.json: refused: /report-id: member 'report-id' is there twice" in bad.stderr
    assert "e.gz: refused: more than" in bad.stderr and "none: refused: cannot be read" in bad.stderr
    assert "known already" in bad.stdout
    assert "4 files: 0 reports taken, 1 known already, 2 refused, 1 not read" in bad.stdout
    kept = reader.ask("report", "aside")["reports"]
    assert sorted(kept_one["octets"] for kept_one in kept)[-1] == (tmp_path / "e.gz").stat().st_size
    twice = next(k for k in kept if "there twice" in k["why"])
    assert reader.command("report", "aside", str(twice["id"])).stdout == (tmp_path / "d.json").read_text()
    assert reader.command("report", "aside", str(twice["id"]), "--forget").returncode == 0
    assert reader.command("report", "aside", str(twice["id"])).returncode == 66

    listed = reader.ask("report", "list", "--received")["entries"]
    assert [(e["organization"], e["domain"], e["failed_sessions"]) for e in listed] == [("Noord B.V.", "home.test", 4)]
    shown = reader.ask("report", "show", "--received", "--domain", "home.test")["policies"]
    assert len(shown) == 2 and shown[0]["failures"][0]["remedy"].startswith("renew it")
    assert not [e for e in reader.ask("report", "list")["entries"] if e["domain"] == "home.test"]
    shown = rows(reader.command("report", "show", "--received", "--domain", "home.test", "--csv").stdout)
    assert shown[0]["reason_code"].startswith("'=HYPERLINK")  # no formula in a spreadsheet
    with sqlite3.connect(f"file:{reader.data}/tlsrpt.db?mode=ro", uri=True) as db:
        both = dict(db.execute("SELECT direction, sum(failed_sessions) FROM both_ways GROUP BY direction").fetchall())
    assert both["to us"] == 4 and both["to them"] >= 3


def test_every_report_of_an_mbox_and_of_a_zip_is_taken_and_what_is_not_is_named(reader, tmp_path):
    """Nothing is lost silently: of each piece it is said what became of it."""
    import zipfile

    def report(id: str, **changes) -> bytes:
        return json.dumps(dict(THEIRS, **{"report-id": id}, **changes)).encode()

    def mail(octets: bytes, name: str) -> bytes:
        import base64

        return (
            b"From tls@noord.example Mon Mar  2 00:00:00 2026\nTLS-Report-Domain: home.test\nContent-Type: multipart/mixed; "
            b"boundary=x\n\n--x\nContent-Type: application/octet-stream\nContent-Disposition: attachment;\n\t"
            + name.encode() + b"\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(octets)
            + b"\n______\nlist footer\n--x--\n\n"
        )  # fmt: skip

    names = ['filename*0="a!home.test!1";\n\tfilename*1="!2.json.gz"', "filename*=UTF-8''a%21home.test%211%212.json.gz"]
    pieces = [mail(gzip.compress(report(f"mbox-{n}")), names[n % 2]) for n in range(15)]
    pieces.append(mail(b"\x1f\x8b broken", names[0]))
    (tmp_path / "all.mbox").write_bytes(b"".join(pieces))
    with zipfile.ZipFile(tmp_path / "two.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.json", report("zip-1"))
        packed.writestr("b.json", report("zip-2").decode().encode("utf-16"))
    # The same id on another day is another report; with other numbers it is neither that one nor a copy.
    days = {"start-datetime": "2026-03-02 00:00", "end-datetime": "2026-03-02 23:59"}
    (tmp_path / "next-day.json").write_bytes(report("zip-1", **{"date-range": days}))
    other = json.loads(report("zip-1"))
    other["policies"][0]["summary"]["total-successful-session-count"] = 41.0
    (tmp_path / "other.json").write_text(json.dumps(other))
    done = reader.command("report", "read", *(tmp_path / n for n in ("all.mbox", "two.zip", "next-day.json", "other.json")))
    assert done.returncode == 65
    assert "4 files: 18 reports taken, 0 known already, 2 refused" in done.stdout, (done.stdout, done.stderr)
    assert "all.mbox, message 16: refused: not a complete gzip file" in done.stderr
    assert "other.json: refused: another report of Noord B.V. with this id, domain and range" in done.stderr
    assert "two.zip, b.json: taken: Noord B.V. on home.test, 2026-03-01" in done.stdout
    answer = json.loads(reader.command("--json", "report", "read", tmp_path / "all.mbox").stdout)
    assert [r["state"] for a in answer["files"] for r in a["reports"]] == ["known"] * 15 + ["refused"]
    for kept in reader.ask("report", "aside")["reports"]:
        reader.command("report", "aside", str(kept["id"]), "--forget")


def test_an_alert_is_told_at_once_survives_a_restart_and_ends(lab, tmp_path):
    lab.change_all({"name": "read-alert", "certificate": "expired", "sts": {"mode": "enforce"}}, {"name": "read-desk"})
    relay = Relay(lab, tmp_path / "relay", alerts={"after": "1s", "mail": "postmaster@read-desk.test"})
    relay.start()

    def alerts() -> list[tuple[str, str]]:
        return [(a["kind"], a["subject"]) for a in relay.ask("report", "alerts")["open"]]

    def subjects() -> list[str]:
        return [m.message["Subject"] for m in lab.mail_of("read-desk.test")]

    try:
        id = relay.submit("anna@home.test", "bob@read-alert.test", "Subject: x\r\n\r\nHello.\r\n")
        assert wait_for(lambda: ("delivery", "read-alert.test") in alerts(), 30), alerts()
        status = relay.ask("status")["alerts"]
        assert status["open"] == 1 and "certificate of mx1.read-alert.test expired" in status["list"][0]
        assert wait_for(lambda: len(subjects()) == 1, 30)
        assert subjects()[0] == "relay.home.test: 1 problem with TLS to partners"
        mail = lab.mail_of("read-desk.test")[0].message
        assert mail["Auto-Submitted"] == "auto-generated" and "ask them to renew it" in mail.get_content()
        relay.restart()
        assert wait_for(lambda: ("delivery", "read-alert.test") in alerts(), 30)
        lab.change("read-alert", certificate="good")
        relay.wait_gone(id)
        assert wait_for(lambda: not alerts(), 30)
        assert wait_for(lambda: len(subjects()) == 2, 30), subjects()
        assert subjects()[1] == "relay.home.test: 1 over"
        assert relay.ask("status")["alerts"]["open"] == 0
    finally:
        relay.kill()


def test_what_our_own_rule_ends_is_shown_and_what_is_not_an_alert_yet_is_said(lab, tmp_path):
    lab.change_all({"name": "read-ours", "certificate": "other-name"})
    rule = {"name": "bank", "domains": ["read-ours.test"], "tls": "verify"}
    relay = Relay(lab, tmp_path / "relay", partners=[rule], alerts={"after": "10m"})
    relay.start()
    try:
        id = relay.submit("anna@home.test", "bob@read-ours.test", "Subject: x\r\n\r\nHello.\r\n")
        relay.wait_deferred(id)
        asked = lambda: relay.command("report", "show", "--domain", "read-ours.test")
        assert wait_for(lambda: asked().returncode == 0, 15), asked().stderr
        shown = asked().stdout
        assert re.search(r"Our own demand, partner bank: \d+ sessions? ended by it, no mail went in them", shown), shown
        assert "does not name mx1.read-ours.test" in " ".join(shown.split())
        assert not (wide := [line for line in shown.splitlines() if len(line) >= 80]), wide
        listed = relay.ask("report", "list", "--domain", "read-ours.test")["entries"][0]["policies"]
        own = next(p for p in listed if p["policy_type"] == "own-rule")
        assert own["failed_sessions"] >= 1 and own["worst"]["result_type"] == "certificate-host-mismatch"
        # Their report has nothing of it: what they publish was complied with.
        preview = relay.ask("report", "preview", "--domain", "read-ours.test")
        assert [p["summary"]["total-failure-session-count"] for p in preview["policies"]] == [0]
        alerts = relay.ask("report", "alerts")
        assert alerts["open"] == [] and [a["subject"] for a in alerts["pending"]] == ["read-ours.test"]
        said = relay.command("report", "alerts").stdout
        assert "Not an alert yet" in said and "Nothing is wrong" not in said and "alerts.mail is not set" in said
        assert relay.ask("status")["alerts"]["pending"] == 1
        ranged = relay.command("report", "show", "--domain", "read-ours.test", "--day", "2020-01-01..")
        assert "Our own demand" in ranged.stdout, ranged.stderr
        assert relay.command("report", "show", "--domain", "read-ours.test", "--day", "2020-01-02..2020-01-01").returncode == 65
        both = relay.command("--json", "report", "list", "--csv")
        assert both.returncode == 64 and "--csv and --json" in both.stderr and not both.stdout
        relay.command("queue", "remove", id)
    finally:
        relay.kill()


def queries() -> list[str]:
    """The indented SQL of docs/tlsrpt-database.md."""
    text = (ROOT / "docs" / "tlsrpt-database.md").read_text()
    blocks = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip() for block in blocks]


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="the sqlite3 shell is not installed")
def test_the_documented_queries_run_while_the_relay_writes(reader):
    stop = threading.Event()

    def keep_writing():
        for number in range(200):
            if stop.is_set():
                return
            domain = ("read-good", "read-testing", "read-clear")[number % 3]
            reader.submit("anna@home.test", f"bob@{domain}.test", "Subject: more\r\n\r\nHello.\r\n")

    writer = threading.Thread(target=keep_writing)
    writer.start()
    answers = []
    try:
        for query in queries():
            shell = ["sqlite3", "-readonly", "-json", str(reader.data / "tlsrpt.db"), query]
            done = subprocess.run(shell, capture_output=True, text=True, timeout=30)
            assert done.returncode == 0, (query, done.stderr)
            answers.append((query, json.loads(done.stdout or "[]")))
    finally:
        stop.set()
        writer.join()
    assert len(answers) >= 6

    def answer_to(word: str) -> list[dict]:
        return next(rows for query, rows in answers if word in query)

    assert {row["domain"] for row in answer_to("AS failed, sum(successful")} >= {"read-expired.test", "read-clear.test"}
    assert [r for r in answer_to("mode: testing") if r["domain"] == "read-testing.test"]
    assert not [r for r in answer_to("mode: testing") if r["domain"] == "read-good.test"]
    assert {r["mx_host"] for r in answer_to("mx_host, result_type, reason_code, sum(sessions)")} >= {"mx1.read-clear.test"}
    assert {r["mx_host"] for r in answer_to("c.expires")} == {"mx1.read-soon.test"}
    # The same, told without asking.
    soon = [a for a in reader.ask("report", "alerts")["open"] if a["kind"] == "certificate"]
    assert [a["subject"] for a in soon] == ["mx1.read-soon.test"] and "expires in" in soon[0]["what"]
