# SPDX-License-Identifier: Apache-2.0
"""What an auditor is shown: which rules were in force when, who changed them, and what they did."""

import csv
import datetime
import hashlib
import json
import shutil
import subprocess
import sys

import pytest
from lab.world import wait_for
from relay import ROOT, Bare, Relay, utc_day

MESSAGE = "From: a@home.test\r\nSubject: x\r\n\r\nx\r\n"
BANK = {"name": "Bank", "domains": ["proof-bank.test"], "tls": "encrypt"}
EXCEPTION = {"until": Bare("2030-01-01"), "tls": "opportunistic", "reason": "ticket 4711", "approved_by": "ciso@home.test"}


@pytest.fixture(scope="module")
def world(lab):
    lab.change_all({"name": "proof-bank", "peer": "script"}, {"name": "proof-other", "peer": "script"})


@pytest.fixture
def one(lab, world, tmp_path):
    relay = Relay(lab, tmp_path, partners=[BANK])
    yield relay.start()
    relay.kill()


def history(one, *words) -> list[dict]:
    return one.ask("policy", "history", *words)["changes"]


def told(one, count: int) -> list[dict]:
    """Once the ledger has them all."""
    assert wait_for(lambda: len(history(one)) == count and all("row" in e for e in history(one)), 15, 0.2), history(one)
    return history(one)


def verified(one) -> dict:
    return json.loads(one.command("--json", "evidence", "verify").stdout)


def test_every_change_of_rules_is_a_row_through_crashes_and_while_it_is_down(lab, one, tmp_path):
    first = told(one, 1)[0]
    assert first["what"] == "start" and not first["changes"] and first["sha256_before"] == ""
    one.write_partners([{**BANK, "tls": "verify"}])
    one.ask("reload")
    one.kill()  # as soon as it is said that it is in force
    one.start()
    second = told(one, 2)[1]
    assert second["sha256_before"] == first["sha256"] and second["what"] == "reload"
    assert [(c["subject"], c["way"]) for c in second["changes"]] == [("Bank", "stronger")]
    one.stop()
    one.write_partners([{**BANK, "tls": "verify", "exception": [EXCEPTION]}])
    differs = one.command("policy", "diff")
    assert differs.returncode == 1 and "weaker" in differs.stdout, differs
    one.start()  # found at the start
    third = told(one, 3)[2]
    assert third["what"] == "start" and third["changes"][0]["approved_by"] == "ciso@home.test"
    one.restart()
    one.stop()
    # All of it from the file, with no relay.
    lines = one.command("policy", "history", "Bank").stdout.splitlines()
    assert len(lines) == 4 and "Bank: stronger: " in lines[0] and "Bank: weaker: " in lines[1], lines
    assert "file partners.toml, owner root" in lines[0] and "approved by ciso@home.test: ticket 4711" in lines[1]
    assert history(one, "Nobody") == [] and history(one, "proof-bank.test")[0]["row"] == second["row"]
    assert history(one, "--until", "2020-01-01") == [] and len(history(one, "--since", utc_day())) == 3
    assert one.command("policy", "diff").returncode == 0
    between = json.loads(one.command("--json", "policy", "diff", first["sha256"][:12], second["sha256"][:12]).stdout)
    assert not between["weaker"] and between["rules"][0]["kind"] == "stronger", between
    back = one.command("--json", "policy", "diff", second["sha256"], first["sha256"])
    assert back.returncode == 1 and json.loads(back.stdout)["weaker"]
    assert one.command("policy", "diff", "abcdef0").returncode == 66
    # A copy is as good: the sets are in it.
    shutil.rmtree(one.data / "rules-in-force")
    copy = tmp_path / "copy.db"
    shutil.copy(one.data / "ledger.db", copy)
    assert one.command("policy", "diff", first["sha256"], second["sha256"], "--file", str(copy)).returncode == 0
    assert verified(one)["whole"]
    script = [sys.executable, ROOT / "docs/verify-ledger.py", one.data / "ledger.db"]
    assert subprocess.run(script, check=False, capture_output=True, text=True).stdout.startswith("whole: ")


def test_an_exception_that_ends_by_its_date_is_a_row_that_says_when(lab, world, tmp_path):
    soon = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(seconds=12)
    until = Bare(soon.isoformat().replace("+00:00", "Z"))
    one = Relay(lab, tmp_path, partners=[{**BANK, "exception": [{**EXCEPTION, "until": until}]}]).start()
    try:
        told(one, 1)
        one.stop()
        assert wait_for(lambda: datetime.datetime.now(datetime.UTC) > soon + datetime.timedelta(seconds=1), 20, 0.2)
        one.start()
        ended = told(one, 2)[1]
        assert ended["what"] == "calendar" and ended["when"] == until.rstrip("Z") + "Z"
        assert [(c["subject"], c["way"]) for c in ended["changes"]] == [("Bank", "stronger")]
        one.restart()
        assert len(told(one, 2)) == 2
    finally:
        one.kill()


def test_changes_stand_in_order_with_what_was_judged_by_them(lab, one):
    one.wait_gone(one.submit("a@home.test", "b@proof-bank.test", MESSAGE))
    one.write_partners([{**BANK, "tls": "verify"}])
    one.ask("reload")
    one.wait_gone(one.submit("a@home.test", "c@proof-bank.test", MESSAGE))

    def rows():
        return one.ask("evidence", "list", "--limit", "1000")["rows"]

    assert wait_for(lambda: len([r for r in rows() if r["kind"] == "delivered"]) == 2, 30, 0.2)
    kinds = [r["kind"] for r in rows() if r["kind"] in {"rules", "accepted", "delivered"}]
    assert kinds == ["rules", "accepted", "delivered", "rules", "accepted", "delivered"]
    change = [r for r in rows() if r["kind"] == "rules"][1]
    assert change["set_kept"] == 1 and change["change"]["changes"][0]["subject"] == "Bank"


NO_TLS = {"name": "Clear", "domains": ["proof-clear.test"], "tls": "encrypt", "grace": "1s"}


@pytest.fixture(scope="module")
def month(lab, world, tmp_path_factory):
    """A relay that has sent to a partner under an exception and then without, and was refused by a demand of its own."""
    lab.change("proof-clear", peer="script", starttls=False)
    relay = Relay(lab, tmp_path_factory.mktemp("month"), partners=[{**BANK, "tls": "verify", "exception": [{**EXCEPTION, "tls": "encrypt"}]}, NO_TLS])
    relay.start()
    for n in range(2):
        relay.wait_gone(relay.submit("a@home.test", [f"x{n}@proof-bank.test", f"y{n}@proof-bank.test"], MESSAGE))
    relay.write_partners([{**BANK, "tls": "verify"}, NO_TLS])
    relay.ask("reload")
    for n in range(3):
        relay.wait_gone(relay.submit("a@home.test", f"z{n}@proof-bank.test", MESSAGE))
    relay.wait_gone(relay.submit("a@home.test", "o@proof-other.test", MESSAGE))
    relay.submit("a@home.test", "c@proof-clear.test", MESSAGE)

    def counted(whom: str, what: str) -> int:
        done = relay.command("--json", "evidence", "statement", whom, "--month", utc_day()[:7])
        return json.loads(done.stdout)["statements"][0]["total"][what] if done.returncode == 0 else 0  # 66: no day in it yet

    assert wait_for(lambda: counted("Clear", "waited_for_demand") and counted("proof-other.test", "delivered"), 30, 0.5)
    yield relay
    relay.kill()


def statement(one, whom: str) -> dict:
    done = one.command("--json", "evidence", "statement", whom, "--month", utc_day()[:7])
    assert done.returncode == 0, done
    return json.loads(done.stdout)["statements"][0]


def test_a_statement_says_what_the_receivers_saw(lab, month):
    bank = statement(month, "bank")
    mail = [m.recipient for m in lab.mail_of("proof-bank.test") if m.recipient[0] in "xyz"]
    assert bank["total"]["delivered"] == len(mail) == 7
    assert bank["total"]["delivered_by_exception"] == 4 and not bank["total"]["refused"] and not bank["total"]["delivered_in_clear"]
    assert [e["recipients"] for e in bank["exceptions"]] == [4] and "approved by ciso@home.test" in bank["exceptions"][0]["exception"]
    assert sum(s["recipients"] for s in bank["sessions"]) == 7 and all(s["session"].startswith("TLSv1.") for s in bank["sessions"])
    assert [c["names"] for c in bank["certificates"]] == [["mx1.proof-bank.test"]] and bank["certificates"][0]["recipients"] == 7
    assert [d["day"] for d in bank["days"]] == [utc_day()] and bank["days"][0]["delivered"] == 7
    (change,) = bank["changes"]
    assert change["what"] == "reload" and {c["way"] for c in change["changes"]} >= {"stronger"}
    clear = statement(month, "proof-clear.test")
    assert clear["total"]["delivered"] == 0 and clear["total"]["waited_for_demand"] + clear["total"]["refused"] >= 1
    assert clear["refusals"][0]["reason"].startswith("partner: ")
    assert verified(month)["whole"]


def test_statements_go_into_files_that_can_be_checked(month, tmp_path):
    out = tmp_path / "out"
    done = month.command("evidence", "statement", "--all", "--month", utc_day()[:7], "--output", str(out))
    assert done.returncode == 0, done
    name = f"bank-{utc_day()[:7]}"
    assert {p.name for p in out.iterdir()} >= {f"{name}.html", f"{name}.csv", f"{name}.heads.txt", f"clear-{utc_day()[:7]}.html"}
    page = (out / f"{name}.html").read_text()
    heads = (out / f"{name}.heads.txt").read_bytes()
    assert hashlib.sha256(heads).hexdigest() in page and f"--heads {name}.heads.txt" in page and "<script" not in page
    with (out / f"{name}.csv").open(newline="") as file:
        totals = {row["what"]: row["recipients"] for row in csv.DictReader(file) if row["section"] == "total"}
    assert totals["delivered"] == "7"
    assert month.command("evidence", "verify", "--heads", str(out / f"{name}.heads.txt")).returncode == 0
    assert month.command("evidence", "statement", "bank", "--month", "2026").returncode == 65
    assert month.command("evidence", "statement", "bank", "--month", "1999-01").returncode == 66


@pytest.mark.skipif(not (shutil.which("weasyprint") or shutil.which("chromium")), reason="neither weasyprint nor chromium is installed")
def test_a_statement_can_be_a_pdf(month, tmp_path):
    target = tmp_path / "bank.pdf"
    done = month.command("evidence", "statement", "bank", "--month", utc_day()[:7], "--format", "pdf", "--output", str(target))
    assert done.returncode == 0, done
    assert target.read_bytes().startswith(b"%PDF-") and (tmp_path / "bank.csv").exists()
