# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments under load, many times: whoever got a 250 is in the mailbox at the end.

SEALPOST_KILLS sets how often, 200 unless given. The recipients' server refuses a quarter of the
messages for now, once each, so that every kill meets mail in all stages: being taken, waiting for
its first attempt, in flight, and waiting for its second.
"""

import os
import random
import time

import pytest
from lab.world import wait_for
from load import Load, arrived
from relay import Relay

KILLS = int(os.environ.get("SEALPOST_KILLS", "200"))
CONNECTIONS = 4  # to the recipients' server at the same time
LATER = {"at": "body", "match": r"Subject: load \S*[0-3]\r", "per": "argument", "times": 1, "reply": "451 4.3.0 later"}


@pytest.fixture(scope="module")
def crashed(lab, tmp_path_factory):
    """A relay that was killed so often, drained at last, and the load it was under."""
    lab.change("crash", peer="script", keep_transcript=False, script=[LATER])
    relay = Relay(lab, tmp_path_factory.mktemp("crash"), delivery={"connections_per_host": CONNECTIONS})
    relay.start()
    load = Load(relay, "crash.test", threads=4, pause=0.002).start()
    try:
        for _ in range(KILLS):
            time.sleep(random.uniform(0.02, 0.4))
            relay.kill()
            relay.start()
    finally:
        load.stop()
    wait_for(lambda: load.ledger <= arrived(relay, "crash.test").keys() and not relay.queue(), 120, 1)
    yield relay, load, arrived(relay, "crash.test")
    relay.kill()


def test_D01_every_250_arrives(crashed):
    relay, load, there = crashed
    assert len(load.ledger) > 10 * KILLS, "too little load to prove anything"
    missing = load.ledger - there.keys()
    assert not missing, f"{len(missing)} of {len(load.ledger)} are neither delivered nor queued; {relay.queue()[:3]}"


def test_D16_the_queue_ends_empty(crashed):
    relay, _, _ = crashed
    assert relay.queue() == []


def test_D13_duplicates_stay_few(crashed):
    """A kill may repeat only what the server had answered 250 and our next sync, at most 10 ms later, had not yet recorded.

    A connection goes on meanwhile, but the server takes about as long for a message as the journal for a commit: that is
    one message per open connection, if every connection was in that window at every kill.
    """
    _, load, there = crashed
    twice = sum(count - 1 for count in there.values())
    assert twice <= KILLS * CONNECTIONS, f"{twice} of {len(load.ledger)} came again after {KILLS} kills"
