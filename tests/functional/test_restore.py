# SPDX-License-Identifier: Apache-2.0
"""D-27: `sealpost restore` puts what `sealpost backup` made in the place of a data directory: whole or not at all, and nothing that
is there goes without a word."""

import json
import random
import signal
import sqlite3
import subprocess
import time

from load import arrived
from relay import BINARY, Relay
from test_backup import all_arrive, under_load

MESSAGE = "From: a@home.test\r\nTo: b@restore.test\r\nSubject: x\r\n\r\nx\r\n"


def restore(relay, *words: str) -> subprocess.CompletedProcess:
    return relay.command("restore", *map(str, words))


def test_D27_what_was_acknowledged_before_the_backup_is_delivered_after_the_restore(lab, tmp_path):
    with under_load(lab, tmp_path / "first", "restore1") as (relay, load):
        before = set(load.ledger)
        assert relay.command("backup", str(tmp_path / "copy"), "--with-mail").returncode == 0
    second = Relay(lab, tmp_path / "second")
    done = restore(second, "--json", tmp_path / "copy")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["with_mail"] and answer["messages"] > 0 and answer["kept_in"] == ""
    assert any("will be delivered again" in warning for warning in answer["warnings"])
    second.start()
    try:
        all_arrive(second, "restore1.test", before)
        assert arrived(second, "restore1.test")
        causes = {trouble["cause"] for trouble in second.ask("status")["troubles"]}
        assert not {cause for cause in causes if "spool" in cause or "database" in cause or "rules" in cause}, causes
    finally:
        second.kill()


def test_a_running_relay_is_never_restored_over_and_the_queue_goes_only_when_told(lab, tmp_path, relay):
    lab.change("restore", mx=[{"host": "mx1", "address": "refused"}])
    one = relay(delivery={"retry": ["1h"], "lifetime": "1d"})
    assert one.command("backup", str(tmp_path / "copy")).returncode == 0
    id = one.submit("a@home.test", "b@restore.test", MESSAGE)
    one.wait_deferred(id)
    running = restore(one, tmp_path / "copy", "--replace", "--keep-queue")
    assert running.returncode == 73 and "in use" in running.stderr, running.stderr
    one.wait_deferred(id)
    one.stop()
    silent = restore(one, tmp_path / "copy")
    assert silent.returncode == 73 and "--replace" in silent.stderr and "1 messages wait" in silent.stderr
    queue = restore(one, tmp_path / "copy", "--replace")
    assert queue.returncode == 73 and "--keep-queue" in queue.stderr and "--set-queue-aside" in queue.stderr
    done = restore(one, tmp_path / "copy", "--replace", "--keep-queue")
    assert done.returncode == 0 and "nothing is delivered twice" in done.stdout, done.stderr
    one.start()
    assert [entry["id"] for entry in one.queue()] == [id]
    one.stop()
    aside = restore(one, tmp_path / "copy", "--replace", "--set-queue-aside")
    assert aside.returncode == 0 and "1 messages of the former queue are not delivered" in aside.stdout, aside.stderr
    one.start()
    assert one.queue() == []
    segment = min(one.data.glob("before-restore-*/spool/journal/*.seg"))
    assert one.command("spool", "recover", str(segment)).returncode == 0


def test_D21_a_relay_whose_spool_is_gone_is_not_restored_over(lab, tmp_path, relay):
    one = relay()
    assert one.command("backup", str(tmp_path / "copy")).returncode == 0
    (one.data / "spool").rename(tmp_path / "moved away")
    done = restore(one, tmp_path / "copy", "--replace")
    assert done.returncode == 73 and "is in use by" in done.stderr, done.stderr
    assert not list(one.data.glob("restore.*")) + list(one.data.glob("before-restore-*"))


def test_D21_a_start_waits_for_a_restore_though_there_is_no_spool_to_lock(lab, tmp_path):
    one = Relay(lab, tmp_path / "relay").start()
    one.stop()
    (one.data / "ballast").write_bytes(random.randbytes(50_000_000))
    assert one.command("backup", str(tmp_path / "copy")).returncode == 0
    (one.data / "spool").rename(tmp_path / "moved away")
    command = lab.command([BINARY, "--config", one.config, "restore", tmp_path / "copy", "--replace"])
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    for _ in range(20_000):
        if (one.data / "restore.new").exists():
            break
        time.sleep(0.001)
    process.send_signal(signal.SIGSTOP)
    at_work = (one.data / "restore.new").exists()
    run = lab.command([BINARY, "--config", one.config, "run"])
    start = subprocess.run(run, stderr=subprocess.PIPE, text=True, timeout=60) if at_work else None
    process.send_signal(signal.SIGCONT)
    assert process.wait(60) == 0
    assert at_work, "the restore was over before it could be stopped"
    assert start.returncode != 0 and "restore into it is under way" in start.stderr, start.stderr
    one.start()
    one.stop()


def test_a_backup_that_is_not_whole_is_refused_and_check_says_so(lab, tmp_path, relay):
    one = relay()
    assert one.command("backup", str(tmp_path / "copy")).returncode == 0
    one.stop()
    assert "It is whole" in restore(one, "--check", tmp_path / "copy").stdout
    with (tmp_path / "copy" / "tlsrpt.db").open("r+b") as file:
        file.seek(100)
        file.write(b"x")
    for words in (["--check"], ["--replace"]):
        done = restore(one, *words, tmp_path / "copy")
        assert done.returncode == 65 and "tlsrpt.db is not as the backup wrote it" in done.stderr, done.stderr
    assert not list(one.data.glob("restore.*")) + list(one.data.glob("before-restore-*"))
    one.start()


def mark(data, word: str):
    """In two places, so that half of a restore is seen."""
    with sqlite3.connect(data / "marks.db") as database:
        database.execute("CREATE TABLE IF NOT EXISTS mark (word TEXT)")
        database.execute("DELETE FROM mark")
        database.execute("INSERT INTO mark VALUES (?)", [word])
    database.close()
    (data / "a-mark").write_text(word)
    (data / "z-mark").write_text(word)


def marks(data) -> set[str]:
    with sqlite3.connect(data / "marks.db") as database:
        words = {word for (word,) in database.execute("SELECT word FROM mark")}
    database.close()
    return words | {(data / name).read_text() for name in ("a-mark", "z-mark")}


def test_D27_a_restore_that_is_killed_leaves_the_old_or_the_new(lab, tmp_path):
    one = Relay(lab, tmp_path / "relay").start()
    one.stop()
    mark(one.data, "then")
    (one.data / "ballast").write_bytes(random.randbytes(20_000_000))
    assert one.command("backup", str(tmp_path / "copy")).returncode == 0
    seen = set()
    whole = None
    for round in range(12):
        mark(one.data, "now")
        command = lab.command([BINARY, "--config", one.config, "restore", tmp_path / "copy", "--replace", "--keep-queue"])
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if whole is None:
            assert process.wait(60) == 0
            whole = time.monotonic() - began
            assert marks(one.data) == {"then"}
            continue
        time.sleep(whole * (round % 11) / 10)
        process.send_signal(signal.SIGKILL)
        process.wait()
        one.start()
        one.stop()
        found = marks(one.data)
        assert len(found) == 1, found
        assert not (one.data / "restore.ready").exists()
        seen |= found
        time.sleep(1)  # before-restore-TIME is named by the second
    assert seen <= {"then", "now"} and seen
