# SPDX-License-Identifier: Apache-2.0
"""What an auditor is shown: which rules were in force when, who changed them, and what they did."""

import collections
import datetime
import json
import shutil
import subprocess
import sys

import pytest
from lab.world import wait_for
from relay import ROOT, Bare, Relay, to_toml, utc_day

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
