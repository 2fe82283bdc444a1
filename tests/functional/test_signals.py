# SPDX-License-Identifier: Apache-2.0
"""T-58: signals in any number and state are only noted, and acted upon in order."""

import os
import signal

import pytest
from relay import Relay


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
