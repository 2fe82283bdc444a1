# SPDX-License-Identifier: Apache-2.0
"""The databases in trouble (T-55, D-22 to D-25): a full disk, locks, read errors, files gone or overwritten. In each the
relay starts, mail goes on, nothing is renamed that is not damaged, and what was counted is there when it is over."""

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
from lab.world import wait_for
from relay import BINARY, Relay
from test_faults import MountFirst

MAIL = "Subject: x\r\n\r\nx\r\n"
ONE_EACH = {"messages_per_connection": 1}  # sessions are counted: one for each message
DATABASES = ("tlsrpt.db", "evidence.db", "sts.db")


def send(one: Relay, domain: str, count: int = 3):
    for id in [one.submit("a@home.test", f"b@{domain}.test", MAIL) for _ in range(count)]:
        one.wait_gone(id)


def counted(one: Relay, domain: str) -> int:
    return one.counts(f"{domain}.test", "no-policy-found")[0]


def recorded(data: Path) -> int:
    with sqlite3.connect(f"file:{data / 'evidence.db'}?mode=ro", uri=True) as db:
        return db.execute("SELECT coalesce(sum(handshakes + reuses), 0) FROM session").fetchone()[0]


def troubles(one: Relay) -> str:
    return str(one.ask("status")["troubles"])


def damaged(directory: Path) -> list[str]:
    return [name for name in os.listdir(directory) if "damaged" in name]


def test_D23_T55_a_full_disk_at_start_renames_nothing_and_what_was_counted_is_reported(lab, relay, tmp_path):
    lab.change("fulldb", peer="script", keep_transcript=False)
    one = relay(delivery=ONE_EACH)
    send(one, "fulldb")
    assert wait_for(lambda: counted(one, "fulldb") == 3, 15)
    one.stop()
    saved = tmp_path / "saved"
    one.data.rename(saved)
    one.data.mkdir(mode=0o700)
    size = sum(f.stat().st_blocks for f in saved.rglob("*")) // 2 // 1024 + 200  # MB
    fill = f"dd if=/dev/zero of={one.data}/filler bs=64k; dd if=/dev/zero of={one.data}/filler2 bs=4k"
    script = f"mount -t tmpfs -o size={size}m,mode=700 tmpfs {one.data} && cp -a {saved}/. {one.data}/ && ({fill}) 2>/dev/null; exec {BINARY} \"$@\""
    real, one.lab = one.lab, MountFirst(one.lab, script)
    one.start()
    one.lab = real
    seen = Path(f"/proc/{one.process.pid}/root{one.data}")
    assert wait_for(lambda: "tlsrpt.db" in troubles(one), 30)
    assert not damaged(seen)
    for name in ("filler", "filler2"):
        (seen / name).unlink()
    assert wait_for(lambda: "database" not in troubles(one), 60, 0.5), troubles(one)
    assert counted(one, "fulldb") == 3
    send(one, "fulldb")
    assert wait_for(lambda: counted(one, "fulldb") == 6, 15)
    assert not damaged(seen)
    one.kill()


@pytest.mark.parametrize("name", DATABASES)
def test_D23_T55_a_database_locked_by_a_backup_is_waited_for(lab, relay, name):
    """At a start and while running: mail flows, and what happened meanwhile is counted and recorded when the lock is gone."""
    domain = f"locked-{name[:3]}"
    lab.change(domain, peer="script", keep_transcript=False)
    one = relay(delivery=ONE_EACH)
    send(one, domain)
    assert wait_for(lambda: counted(one, domain) == 3, 15)
    for running in (True, False):
        if not running:
            one.stop()
        before = 3 if running else 6
        assert wait_for(lambda: recorded(one.data) == before, 15, 0.2), recorded(one.data)
        backup = sqlite3.connect(one.data / name, isolation_level=None)
        backup.execute("BEGIN IMMEDIATE")
        if not running:
            one.start()
        send(one, domain)
        if name != "sts.db":
            assert wait_for(lambda: f"database {name}" in troubles(one), 30, 0.5)
        backup.execute("ROLLBACK")
        backup.close()
        assert wait_for(lambda: "database" not in troubles(one), 60, 0.5), troubles(one)
        want = 6 if running else 9
        assert wait_for(lambda: counted(one, domain) == want, 60, 0.2), counted(one, domain)
        assert wait_for(lambda: recorded(one.data) == before + 3, 60, 0.2), (recorded(one.data), before)
    assert not damaged(one.data)


def test_D23_T55_databases_deleted_while_running_are_written_back(lab, relay):
    lab.change("deleted", peer="script", keep_transcript=False)
    one = relay(delivery=ONE_EACH)
    send(one, "deleted")
    assert wait_for(lambda: counted(one, "deleted") == 3, 15)
    for file in [*one.data.glob("*.db*"), one.data / "sts-policies.log"]:
        file.unlink()
    send(one, "deleted")
    assert wait_for(lambda: counted(one, "deleted") == 6, 15)
    one.restart()
    assert counted(one, "deleted") == 6
    assert recorded(one.data) == 6
    assert (one.data / "sts-policies.log").exists()


@pytest.mark.parametrize("name", DATABASES)
def test_D23_T55_a_directory_in_the_place_of_a_database(lab, relay, name):
    """The relay starts, says it, and takes the database up when the way is free."""
    domain = f"barred-{name[:3]}"
    lab.change(domain, peer="script", keep_transcript=False)
    one = relay(delivery=ONE_EACH)
    one.stop()
    for part in one.data.glob(f"{name}*"):
        part.unlink()
    (one.data / name).mkdir()
    one.start()
    send(one, domain)
    assert f"database {name}" in troubles(one)
    (one.data / name).rmdir()
    assert wait_for(lambda: "database" not in troubles(one), 60, 0.5), troubles(one)
    assert wait_for(lambda: counted(one, domain) == 3, 15)
    assert recorded(one.data) == 3


@pytest.fixture(scope="module")
def failing_reads(tmp_path_factory) -> Path:
    library = tmp_path_factory.mktemp("preload") / "failing_reads.so"
    source = Path(__file__).with_name("failing_reads.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.mark.parametrize("files, words", [("sts.db", "MTA-STS"), ("sts.db:sts.db-wal:sts-policies.log", "cannot be read")])
def test_D24_T12_an_unreadable_policy_is_not_an_absent_one(lab, relay, tmp_path, failing_reads, files, words):
    """Cached and enforced, then: record and policy host gone, a restart, and the disk gives EIO. No mail in clear, ever."""
    domain = "unreadable-" + str(files.count(":"))
    lab.change(domain, peer="script", certificate="self-signed", sts={"mode": "enforce"}, keep_transcript=False)
    one = relay(delivery=ONE_EACH)
    first = one.wait_deferred(one.submit("a@home.test", f"b@{domain}.test", MAIL))
    assert any(e["domain"] == f"{domain}.test" and e["mode"] == "enforce" for e in one.ask("sts", "show")["policies"])
    one.stop()
    lab.change(domain, starttls=False, sts={"txt": False, "address": "none"})
    flag = tmp_path / "disk-is-broken"
    flag.touch()
    one.prefix = ["env", f"LD_PRELOAD={failing_reads}", f"FAILING_READS={files}", f"FAILING_READS_FLAG={flag}"]
    one.start()
    ids = [first["id"], *[one.submit("a@home.test", f"b@{domain}.test", MAIL) for _ in range(3)]]
    for id in ids[1:]:
        assert words in one.wait_deferred(id)["reason"]
    assert "sts" in troubles(one)
    assert not lab.mail_of(f"{domain}.test")
    flag.unlink()  # the disk is well again: what it holds rules at once
    one.prefix = []
    assert wait_for(lambda: any(e["domain"] == f"{domain}.test" for e in one.ask("sts", "show")["policies"]), 90, 0.5)
    assert not lab.mail_of(f"{domain}.test")
