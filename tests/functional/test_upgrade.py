# SPDX-License-Identifier: Apache-2.0
"""D-26: a data directory of an older sealpost is taken over, each of its formats; one of a newer is named, and nothing in it is
written. old_data/ has what the sealpost of 2026-11-22 wrote."""

import hashlib
import re
import sqlite3
import time
from pathlib import Path

import pytest
from relay import ROOT, Relay, RelayError

OLD = Path(__file__).resolve().parent / "old_data"
JOURNAL = ROOT / "tests" / "unit" / "spool" / "fixtures" / "format-1.txt"


def make_database(path: Path, script: str):
    with sqlite3.connect(path) as database:
        database.executescript(script)
    database.close()


def make_journal(spool: Path):
    """The spool that a relay with journal format 1 left behind: four messages that wait, one of them held."""
    spool.mkdir(mode=0o700)
    octets: bytearray = bytearray()
    for line in JOURNAL.read_text().splitlines():
        if line.startswith("file "):
            _, name, size = line.split()
            file = spool / name
            file.parent.mkdir(mode=0o700, exist_ok=True)
            octets = bytearray(int(size))
        elif not line.startswith("#"):
            at, hexed = line.split()
            octets[int(at, 16) : int(at, 16) + len(hexed) // 2] = bytes.fromhex(hexed)
        if not line.startswith("#"):
            file.write_bytes(octets)
            file.chmod(0o600)


@pytest.fixture
def old(lab, tmp_path):
    one = Relay(lab, tmp_path, delivery={"retry": ["1h"], "lifetime": "3650d"})
    make_database(one.data / "tlsrpt.db", (OLD / "tlsrpt.sql").read_text())
    make_database(one.data / "sts.db", (OLD / "sts.sql").read_text().replace("NOW", str(time.time_ns() // 1000)))
    make_journal(one.data / "spool")
    yield one
    one.kill()


def test_a_data_directory_of_an_older_sealpost_is_taken_over(old):
    old.start()
    assert old.events("journal_recovered")[0]["messages"] == 4
    assert [e["state"] for e in old.ask("queue", "list", "--state", "held")["entries"]] == ["held"]
    (policy,) = old.ask("sts", "show", "old-policy.test")["policies"]
    assert policy["mode"] == "enforce" and policy["id"] == "a1"
    counted = old.ask("report", "list", "--day", "2026-11-21")["entries"]
    assert [e["domain"] for e in counted] == ["old-partner.test"]
    received = old.command("report", "show", "--received", "--domain", "home.test", "--day", "2026-11-21")
    assert "Noord" in received.stdout or "certificate-expired" in received.stdout, received.stdout
    assert (old.data / "tlsrpt.db.v3").exists()  # for whoever goes back
    assert not list(old.data.glob("*.damaged*"))
    # The second copy of the policies is not among the fixtures: that it is not there is told, and is all that is.
    assert {trouble["cause"] for trouble in old.ask("status")["troubles"]} <= {"MTA-STS policies"}
    old.restart()  # and what is written now is read again
    assert [e["state"] for e in old.ask("queue", "list", "--state", "held")["entries"]] == ["held"]


def digests(directory: Path) -> dict[str, str]:
    return {str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest() for file in directory.rglob("*") if file.is_file()}


def refused(one) -> str:
    """It does not start; what it says. Nothing in the data directory is other than before."""
    before = digests(one.data)
    with pytest.raises(RelayError):
        one.start()
    assert one.process.wait(10) != 0
    after = digests(one.data)
    one.process = None
    told = {name for name in after if after[name] != before.get(name)} | (set(before) - set(after))
    assert not {name for name in told if re.search(r"\.db|spool/|sts-policies", name)}, told
    return one.last_words()


NEWER = "CREATE TABLE IF NOT EXISTS later (x); PRAGMA user_version=99"


@pytest.mark.parametrize("name", ["sts.db", "tlsrpt.db", "evidence.db", "users.db"])
def test_a_database_of_a_newer_sealpost_is_named_and_nothing_is_written(lab, tmp_path, name):
    one = Relay(lab, tmp_path).start()
    one.stop()
    make_database(one.data / name, NEWER)
    said = refused(one)
    assert f"{name} was made by a newer sealpost: it has schema 99" in said, said


def test_accounts_of_a_newer_sealpost_are_named_and_nothing_is_written(lab, tmp_path):
    one = Relay(lab, tmp_path)
    make_database(one.data / "users.db", NEWER)
    before = digests(one.data)
    done = one.command("user", "list")
    assert done.returncode != 0 and "users.db was made by a newer sealpost: it has schema 99" in done.stderr, done.stderr
    assert digests(one.data) == before


def test_a_journal_of_a_newer_sealpost_is_named_and_nothing_is_written(lab, tmp_path):
    one = Relay(lab, tmp_path)
    one.start()
    one.stop()
    for segment in (one.data / "spool" / "journal").glob("*.seg"):
        octets = bytearray(segment.read_bytes())
        for at in (8, len(octets) - 4096 + 8):  # the header, and its copy at the end
            octets[at] = 9
        segment.write_bytes(octets)
    said = refused(one)
    assert "format version 9, this release knows up to 2" in said, said
