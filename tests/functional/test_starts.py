# SPDX-License-Identifier: Apache-2.0
"""Starts in the way of others, or after crashes: nobody's file, socket or port is taken, and nobody is kept waiting."""

import os
import socket
import subprocess
import time

import pytest
from lab.world import wait_for
from relay import BINARY, Relay


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
        ids = [relay.submit("a@home.test", "b@few.test", f"Subject: {n}\r\n\r\nx\r\n") for n in range(60)]
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
