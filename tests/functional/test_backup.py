# SPDX-License-Identifier: Apache-2.0
"""D-27: a copy of the data directory made while the relay runs, as docs/operating.md says, loses nothing that was
acknowledged before it was begun; it may deliver again what was delivered since."""

import contextlib
import shutil
import sqlite3
import time

from lab.world import wait_for
from load import Load, arrived
from relay import Relay

# Half of the mail has to wait, so that the copy holds both kinds.
LATER = {"at": "body", "match": r"Subject: load \S*[0-7]\r", "per": "argument", "times": 2, "reply": "451 4.3.0 later"}


def back_up(data, copy):
    """First the databases, through SQLite, then the journal: an outcome is never older than its message."""
    (copy / "spool").mkdir(parents=True)
    copy.chmod(0o700)
    (copy / "spool").chmod(0o700)
    for database in data.glob("*.db"):
        with sqlite3.connect(database) as source, sqlite3.connect(copy / database.name) as target:
            source.backup(target)
    for file in data.glob("sts-*"):
        if file.is_file() and not (copy / file.name).exists() and not file.name.endswith(("-wal", "-shm")):
            shutil.copy2(file, copy / file.name)
    shutil.copytree(data / "spool" / "journal", copy / "spool" / "journal", dirs_exist_ok=True)


@contextlib.contextmanager
def under_load(lab, directory, name):
    """A relay whose clients and the recipients' server keep it busy."""
    lab.change(name, peer="script", keep_transcript=False, script=[LATER])
    relay = Relay(lab, directory, delivery={"retry": ["2s", "3s"]})
    relay.start()
    load = Load(relay, f"{name}.test", threads=3, pause=0.002).start()
    try:
        assert wait_for(lambda: len(load.ledger) > 300, 60)
        yield relay, load
    finally:
        load.stop()
        relay.kill()


@contextlib.contextmanager
def restored(lab, directory, copy):
    """A relay started on a copy of another's data directory."""
    relay = Relay(lab, directory)
    shutil.rmtree(relay.data)
    copy.rename(relay.data)
    relay.start()
    try:
        yield relay
    finally:
        relay.kill()


def all_arrive(relay, domain, before):
    there = wait_for(lambda: before <= arrived(relay, domain).keys(), 60, 0.5)
    assert there, f"{len(before - arrived(relay, domain).keys())} of {len(before)} are not there"


def test_D27_backup_copies_what_was_acknowledged_before_with_the_queue_when_asked(lab, tmp_path):
    with under_load(lab, tmp_path / "first", "backup2") as (relay, load):
        before = set(load.ledger)
        done = relay.command("backup", str(tmp_path / "copy"), "--with-mail")
        assert done.returncode == 0, done.stderr
        without = relay.command("backup", str(tmp_path / "without"))
        assert without.returncode == 0, without.stderr
        again = relay.command("backup", str(tmp_path / "copy"))
        assert again.returncode == 64 and "already" in again.stderr
    assert not list((tmp_path / "without" / "spool").iterdir()) and (tmp_path / "without" / "tlsrpt.db").exists()
    assert (tmp_path / "without" / "rules-in-force").exists() and not list(tmp_path.glob("*.unfinished"))
    with restored(lab, tmp_path / "second", tmp_path / "copy") as relay:
        all_arrive(relay, "backup2.test", before)
    with restored(lab, tmp_path / "third", tmp_path / "without") as relay:
        assert not relay.queue()
        causes = {trouble["cause"] for trouble in relay.ask("status")["troubles"]}
        assert not {cause for cause in causes if "spool" in cause or "database" in cause or "rules" in cause}, causes


def test_D27_what_was_acknowledged_before_the_copy_is_in_it(lab, tmp_path):
    with under_load(lab, tmp_path / "first", "backup") as (relay, load):
        before = set(load.ledger)
        back_up(relay.data, tmp_path / "copy")
        time.sleep(0.2)
    with restored(lab, tmp_path / "second", tmp_path / "copy") as relay:
        all_arrive(relay, "backup.test", before)
