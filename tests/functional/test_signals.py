# SPDX-License-Identifier: Apache-2.0
"""T-58: signals in any number and state are only noted, and acted upon in order."""

import contextlib
import os
import random
import signal
import smtplib
import subprocess
import time

import pytest
from lab.world import wait_for
from load import Load, arrived
from relay import BINARY, Relay, ports
from test_crash import LATER

ROUNDS = int(os.environ.get("SEALPOST_STOPS", "12"))


@pytest.fixture
def relay(lab, tmp_path):
    relay = Relay(lab, tmp_path)
    relay.start()
    yield relay
    relay.kill()


def test_T58_a_storm_of_reloads_changes_nothing_and_then_an_orderly_end(relay):
    for number in range(200):
        os.kill(relay.process.pid, signal.SIGHUP)
        if number % 50 == 0:
            assert relay.ask("status")["state"] == "running"
    assert relay.ask("status")["state"] == "running"
    assert relay.stop() == 0


def test_T58_two_ends_at_once_still_end(relay):
    os.kill(relay.process.pid, signal.SIGTERM)
    os.kill(relay.process.pid, signal.SIGTERM)
    assert relay.process.wait(20) == 0


def test_T58_D28_a_second_signal_under_load_ends_at_once_and_loses_nothing(lab, tmp_path):
    """Seen: use after free in 13 of 30. The grace must not be waited for, nor anything used that is gone."""
    lab.change("crash", peer="script", keep_transcript=False, script=[LATER])
    relay = Relay(lab, tmp_path)
    relay.start()
    load = Load(relay, "crash.test", threads=4, pause=0.002).start()
    try:
        for number in range(ROUNDS):
            time.sleep(random.uniform(0.1, 0.6))
            if number % 3 == 0:
                for _ in range(5):
                    os.kill(relay.process.pid, signal.SIGHUP)
            os.kill(relay.process.pid, random.choice([signal.SIGTERM, signal.SIGINT]))
            time.sleep(random.choice([0, 0.001, 0.01, 0.1]))
            with contextlib.suppress(ProcessLookupError):
                os.kill(relay.process.pid, random.choice([signal.SIGTERM, signal.SIGINT]))
            assert relay.process.wait(20) == 0, relay.last_words()
            relay.start()
    finally:
        load.stop()
    assert wait_for(lambda: load.ledger <= arrived(relay, "crash.test").keys() and not relay.queue(), 120, 1)
    assert relay.stop() == 0


def test_T58_D28_SIGQUIT_ends_at_once_and_in_order(lab, tmp_path):
    """Seen: it ended the process as `kill -9` does, and mail that a host had taken went out again."""
    relay = Relay(lab, tmp_path, shutdown_grace="10m")
    relay.start()
    with session_at(lab, relay.port) as session:
        session.ehlo()
        os.kill(relay.process.pid, signal.SIGQUIT)
        assert relay.process.wait(20) == 0, relay.last_words()


def test_T58_signals_that_mean_nothing_do_nothing(relay):
    """Seen: a stray SIGUSR2 ended the relay; so would a write beyond `ulimit -f`."""
    for number in ("PIPE", "XFSZ", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "WINCH", "URG"):
        os.kill(relay.process.pid, getattr(signal, f"SIG{number}"))
    assert relay.ask("status")["state"] == "running"
    assert relay.stop() == 0


def test_T58_signals_during_the_start_wait_for_its_end(lab, tmp_path):
    relay = Relay(lab, tmp_path)
    for delay in (0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2):
        for numbers in ([signal.SIGHUP, signal.SIGUSR1] * 20, [signal.SIGTERM], [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]):
            relay.start(wait=False)
            assert wait_for(lambda: holds_signals_back(relay.process.pid), 10, 0.001)
            time.sleep(delay)
            for number in numbers:
                os.kill(relay.process.pid, number)
            if signal.SIGTERM not in numbers:
                assert wait_for(relay.answers, 15), relay.last_words()
                os.kill(relay.process.pid, signal.SIGTERM)
            assert relay.process.wait(20) == 0, relay.last_words()


def holds_signals_back(pid: int) -> bool:
    """From its first steps on: SIGTERM is blocked, or caught already."""
    with open(f"/proc/{pid}/status") as status:
        masks = {line.split()[0]: int(line.split()[1], 16) for line in status if line.startswith(("SigBlk", "SigCgt"))}
    return bool((masks["SigBlk:"] | masks["SigCgt:"]) & 1 << (signal.SIGTERM - 1))


def test_D28_all_listeners_stop_at_once_and_the_grace_is_kept(lab, tmp_path):
    """Seen: one after another, each with a grace of its own; 60 s in all for three."""
    grace = 4
    others = [{"address": f"127.0.0.1:{next(ports)}", "allow": ["127.0.0.0/8"]} for _ in range(2)]
    relay = Relay(lab, tmp_path, listener=others, shutdown_grace=f"{grace}s")
    relay.start()
    numbers = [relay.port] + [int(each["address"].rpartition(":")[2]) for each in others]
    with contextlib.ExitStack() as open_sessions:
        for number in numbers:
            session = open_sessions.enter_context(session_at(lab, number))
            session.ehlo()
            session.mail("a@home.test")
            session.rcpt("b@plain.test")
            assert session.docmd("DATA")[0] == 354  # and nothing follows
        begun = time.monotonic()
        os.kill(relay.process.pid, signal.SIGTERM)

        def deaf(number):
            try:
                with lab.connect("127.0.0.1", number, timeout=1) as connection:
                    return not connection.recv(3).startswith(b"220")
            except OSError:
                return True

        assert wait_for(lambda: all(deaf(number) for number in numbers), grace / 2, 0.05)
        assert relay.process.poll() is None, "the sessions are waited for"
        assert relay.process.wait(grace + 10) == 0
        assert time.monotonic() - begun >= grace


@contextlib.contextmanager
def session_at(lab, port: int):
    with lab.entered():
        session = smtplib.SMTP("127.0.0.1", port, "sender.home.test", timeout=30)
    try:
        yield session
    finally:
        session.close()


def test_a_log_that_nobody_reads_stops_nothing(lab, tmp_path):
    """Seen: with a pipe for a log whose reader had stopped, the relay hung after some hundred messages."""
    relay = Relay(lab, tmp_path, log={"file": "", "level": "debug"})
    read, write = os.pipe()
    command = lab.command([BINARY, "--config", relay.config, "run"])
    relay.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=write, stderr=write, cwd=tmp_path)
    os.close(write)
    try:
        assert wait_for(relay.answers, 15)
        with relay.client() as client:
            client.ehlo()
            for number in range(3000):
                assert client.mail("a@home.test")[0] == 250
                assert client.rcpt("nobody@[127.0.0.1]")[0] == 553
                assert client.rset()[0] == 250
        for number in range(50):
            relay.submit("a@home.test", "b@plain.test", f"Subject: {number}\r\n\r\nx\r\n")
        assert relay.ask("status")["state"] == "running"
        assert relay.stop() == 0
    finally:
        os.close(read)
        relay.kill()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_a_log_file_that_was_moved_is_opened_again(relay, number):
    moved = relay.log.with_suffix(".1")
    relay.log.rename(moved)
    os.kill(relay.process.pid, number)
    assert wait_for(lambda: relay.log.exists(), 10)
    relay.submit("a@home.test", "b@plain.test", "Subject: x\r\n\r\nx\r\n")
    assert wait_for(lambda: relay.events("connect"), 10)
