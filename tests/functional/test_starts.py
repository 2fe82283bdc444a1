# SPDX-License-Identifier: Apache-2.0
"""Starts in the way of others, or after crashes: nobody's file, socket or port is taken, and nobody is kept waiting."""

import os
import smtplib
import socket
import subprocess
import time

import pytest
from lab.world import wait_for
from relay import BINARY, Relay, ports


def refused(lab, relay, *words) -> str:
    """What a start that must not succeed says."""
    command = lab.command([BINARY, "--config", relay.config, *words, "run"])
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=relay.directory)
    assert done.returncode not in (0, None)
    return done.stderr


@pytest.fixture
def first(lab, tmp_path):
    relay = Relay(lab, tmp_path / "first")
    yield relay.start()
    relay.kill()


def test_a_second_relay_on_the_same_data_names_the_first(lab, first):
    assert "another" in refused(lab, first)
    assert first.ask("status")["state"] == "running"


def test_a_second_relay_on_the_same_data_but_another_port_names_the_first(lab, first, tmp_path):
    second = Relay(lab, tmp_path / "second", data_dir=first.data, control={"socket": tmp_path / "second" / "control.sock"})
    assert f"pid {first.process.pid}" in refused(lab, second)
    assert first.ask("status")["state"] == "running"


@pytest.fixture
def late_address(lab):
    """An address that the machine gets and loses at will."""

    def change(verb: str):
        subprocess.run(lab.command(["ip", "address", verb, "10.77.1.1/32", "dev", "lo"]), check=True)

    yield change
    subprocess.run(lab.command(["ip", "address", "del", "10.77.1.1/32", "dev", "lo"]), check=False)


def test_an_address_that_is_not_there_yet_is_named_and_served_once_it_is(lab, tmp_path, late_address):
    """Seen: the relay did not start at a boot where one of its interfaces came up late."""
    late = f"10.77.1.1:{next(ports)}"
    relay = Relay(lab, tmp_path, listener=[{"address": late, "allow": ["127.0.0.0/8", "10.77.1.1/32"]}]).start()
    try:
        assert late in str(relay.ask("status")["troubles"])
        for _ in range(2):  # it may go and come again
            late_address("add")
            assert wait_for(lambda: greets(lab, late), 15)
            assert wait_for(lambda: late not in str(relay.ask("status")["troubles"]), 30)
            late_address("del")
            assert wait_for(lambda: late in str(relay.ask("status")["troubles"]), 30)
        assert relay.answers()
        assert relay.stop() == 0
    finally:
        relay.kill()


def greets(lab, at: str) -> bool:
    host, _, port = at.rpartition(":")
    try:
        with lab.connect(host, int(port), timeout=2) as connection:
            return connection.recv(4).startswith(b"220")
    except OSError:
        return False


def test_T59_a_control_socket_that_was_deleted_is_made_again(lab, first):
    """Seen: the relay could be asked nothing until a restart."""
    path = first.data / "control.sock"
    path.unlink()
    assert wait_for(path.exists, 30)
    assert first.ask("status")["state"] == "running"
    path.unlink()
    path.write_text("somebody's letter")
    assert first.answers()
    assert first.stop() == 0
    assert path.read_text() == "somebody's letter"


def test_a_second_relay_on_the_same_port_names_the_first(lab, first, tmp_path):
    """Seen: with other data it got half of the connections through SO_REUSEPORT, and neither noticed."""
    listener = first.settings["listener"][0]
    second = Relay(lab, tmp_path / "second")
    second.config.write_text(second.config.read_text().replace(f"127.0.0.1:{second.port}", listener["address"]))
    said = refused(lab, second)
    assert f"pid {first.process.pid}" in said, said
    for _ in range(10):
        assert first.answers()


def test_a_port_of_another_program_names_it(lab, tmp_path):
    relay = Relay(lab, tmp_path)
    with lab.entered():
        other = socket.create_server(("127.0.0.1", relay.port))
    with other:
        assert f"pid {os.getpid()}" in refused(lab, relay)


def test_T59_what_is_no_dead_socket_of_ours_is_left_alone(lab, first, tmp_path):
    """Seen: `--socket FILE` deleted the file."""
    second = Relay(lab, tmp_path / "second")
    letter = tmp_path / "letter"
    letter.write_text("do not lose me\n")
    assert str(letter) in refused(lab, second, "--socket", str(letter))
    assert letter.read_text() == "do not lose me\n"
    assert f"pid {first.process.pid}" in refused(lab, second, "--socket", str(first.data / "control.sock"))
    assert first.ask("status")["state"] == "running"
    assert "none" in refused(lab, second, "--socket", str(tmp_path / "none" / "control.sock"))
    assert "107" in refused(lab, second, "--socket", str(tmp_path / ("x" * 120)))


def test_a_log_in_the_wrong_place_is_refused(lab, tmp_path):
    letter = tmp_path / "letter"
    letter.write_text("do not lose me\n")
    for number, path in enumerate((letter, tmp_path, tmp_path / "none" / "log")):
        relay = Relay(lab, tmp_path / str(number), log={"file": str(path)})
        assert str(path) in refused(lab, relay)
    assert letter.read_text() == "do not lose me\n"


def test_D12_mail_in_tarpits_over_crashes_makes_nobody_wait(lab, tmp_path):
    """Seen: the fourth start was deaf for over 7 minutes."""
    lab.change("crash", peer="script", keep_transcript=False, script=[{"at": "connect", "wait": 600}])
    relay = Relay(lab, tmp_path, delivery={"retry": ["5m"]})
    relay.start()
    for number in range(5):
        relay.submit("a@home.test", f"u{number}@crash.test", f"Subject: tarpit {number}\r\n\r\nx\r\n")
    for _ in range(3):
        assert wait_for(lambda: any(e["state"] == "active" for e in relay.queue()), 60, 0.2)
        time.sleep(0.5)
        relay.kill()
        relay.start()  # answers within its 15 s
    id = relay.submit("a@home.test", "b@plain.test", "Subject: innocent\r\n\r\nx\r\n")
    relay.wait_gone(id)
    assert not [e for e in relay.queue() if e["state"] == "held"]
    relay.kill()


def submitted_in_the_end(relay, message: str) -> str:
    """By a client that comes again when it is told to: that all of a crowd are gone is noticed one after the other."""
    for _ in range(100):
        try:
            return relay.submit("a@home.test", "b@few.test", message)
        except smtplib.SMTPConnectError as told:
            assert told.smtp_code == 421, told
            time.sleep(0.1)
    raise AssertionError("the relay has no room for one client")


def test_T27_few_descriptors_mean_later_and_nothing_else(lab, tmp_path):
    """A flood with a low limit: mail goes on, nothing fails for good, and `status` shows the budget."""
    lab.change("few", peer="script", keep_transcript=False)
    relay = Relay(lab, tmp_path)
    relay.prefix = ["/bin/sh", "-c", 'ulimit -n 160; exec "$@"', "sh"]
    relay.start()
    crowd = []
    try:
        with lab.entered():
            for _ in range(200):
                crowd.append(socket.create_connection(("127.0.0.1", relay.port), 5))
        for stranger in crowd:
            stranger.close()
        assert wait_for(relay.answers, 20), "it has noticed that they are gone"
        ids = [submitted_in_the_end(relay, f"Subject: {n}\r\n\r\nx\r\n") for n in range(60)]
        for id in ids:
            relay.wait_gone(id, 60)
        budget = relay.ask("status")["descriptors"]
        assert budget["limit"] == 160
        assert budget["reserved"] + budget["inbound"] + budget["outbound"] <= budget["limit"]
        assert not relay.events("deferred"), "want of descriptors is no outcome"
    finally:
        for stranger in crowd:
            stranger.close()
        relay.kill()
