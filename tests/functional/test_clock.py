# SPDX-License-Identifier: Apache-2.0
"""The clock is wrong: while mail comes in, at a start, for seconds or for good (T-50, D-19, D-20)."""

import datetime
import time

import pytest
from conftest import remove_journals
from lab.world import wait_for
from relay import Relay
from reporter import Clock, environment_ready

pytestmark = pytest.mark.skipif(bool(environment_ready()), reason=environment_ready())

DAY = 86400
YEAR = 365 * DAY


class Stepped(Clock):
    """Right until it is stepped."""

    def __init__(self, file):
        self.file = file
        self.step(0)

    def step(self, seconds: float):
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{seconds:+.0f}\n")
        fresh.rename(self.file)


@pytest.fixture(scope="module")
def world(lab):
    lab.change_all(
        {"name": "clk-good", "peer": "script"},
        {"name": "clk-clear", "peer": "script", "starttls": False},
        {"name": "clk-down", "mx": [{"host": "mx1", "address": "refused"}]},
    )


@pytest.fixture
def stepped(lab, tmp_path):
    made = []

    def make(step: float = 0, **settings) -> Relay:
        one = Relay(lab, tmp_path / "relay", **settings)
        one.clock = Stepped(tmp_path / "clock")
        one.clock.step(step)
        one.prefix = one.clock.prefix()
        made.append(one)
        return one.start()

    yield make
    for one in made:
        one.kill()
    remove_journals(tmp_path)


def date(offset: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=offset)


def state(one) -> str:
    return one.ask("clock", "show")["state"]


def wait_until(entry) -> float:
    """Seconds from now until its next attempt."""
    return datetime.datetime.fromisoformat(entry["next_attempt"]).timestamp() - time.time()


@pytest.mark.parametrize("step", [10 * YEAR, -10 * YEAR, -57 * YEAR, 3600 * 2, -3600 * 2])
def test_T50_mail_accepted_and_tried_while_the_clock_is_wrong(lab, stepped, world, step):
    one = stepped()
    one.clock.step(step)
    down = one.submit("a@home.test", "b@clk-down.test", "Subject: x\r\n\r\nx\r\n")
    one.wait_deferred(down, attempts=2)
    assert state(one).startswith("in doubt")
    assert wait_for(lambda: any(t["cause"] == "clock" for t in one.ask("status")["troubles"]), 15, 0.3)
    one.clock.step(0)
    assert state(one) == "believed"
    entry = one.wait_deferred(down, attempts=3)
    assert wait_until(entry) < 10, entry
    one.restart()
    # It goes on at its own pace, and has not come back.
    assert wait_for(lambda: one.queue(down) and one.queue(down)[0]["attempts"] >= 6, 30, 0.2), one.queue(down)
    assert not one.events("bounced", id=down)


@pytest.mark.parametrize("start", [10 * YEAR, -10 * YEAR, -57 * YEAR, 40 * DAY])
def test_D19_a_start_with_a_wrong_clock_returns_nothing_early(lab, stepped, world, start):
    one = stepped()
    down = one.submit("a@home.test", "b@clk-down.test", "Subject: x\r\n\r\nx\r\n")
    one.wait_deferred(down, attempts=5)
    one.stop()
    one.clock.step(start)
    one.start()
    assert state(one).startswith("in doubt")
    assert wait_for(lambda: one.queue(down) and one.queue(down)[0]["attempts"] >= 8, 30, 0.2), one.queue(down)
    assert not one.events("bounced", id=down)
    one.clock.step(0)
    assert state(one) == "believed"


RULES = [
    {"name": "Begun", "domains": ["clk-clear.test"], "tls": "encrypt", "on_failure": "defer", "starts": -30 * DAY},
    {"name": "Ends", "domains": ["clk-clear.test"], "tls": "encrypt", "on_failure": "defer", "ends": 30 * DAY},
    {"name": "Over", "domains": ["clk-clear.test"], "tls": "encrypt", "on_failure": "defer", "until": -DAY},
]


def partner(rule: dict) -> dict:
    made = {k: date(v) if k in ("starts", "ends") else v for k, v in rule.items() if k != "until"}
    if "until" in rule:
        made["exception"] = [
            {"until": date(rule["until"]), "tls": "opportunistic", "reason": "renewal", "approved_by": "the chief"}
        ]
    return made


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["name"])
@pytest.mark.parametrize("running", [True, False], ids=["stepped", "started"])
@pytest.mark.parametrize("step", [YEAR, -YEAR, 10 * YEAR, -57 * YEAR])
def test_T50_a_wrong_clock_takes_no_rule_away_and_brings_no_exception_back(lab, stepped, world, rule, running, step):
    one = stepped(partners=[partner(rule)])
    before = len(lab.sessions("mx1.clk-clear.test"))
    if not running:
        one.stop()
    one.clock.step(step)
    if not running:
        one.start()
    id = one.submit("a@home.test", "b@clk-clear.test", "Subject: x\r\n\r\nsecret\r\n")
    one.wait_deferred(id, attempts=2)
    said = b"".join(s.octets("client") for s in lab.sessions("mx1.clk-clear.test")[before:])
    assert b"EHLO" in said and b"MAIL FROM" not in said
    one.clock.step(0)
    assert state(one) == "believed"


def test_T50_a_first_start_many_years_after_the_release_doubts_the_clock(lab, stepped, world):
    one = stepped(step=10 * YEAR, partners=[partner(RULES[1])])
    assert state(one) == "in doubt: ahead"
    id = one.submit("a@home.test", "b@clk-clear.test", "Subject: x\r\n\r\nsecret\r\n")
    one.wait_deferred(id, attempts=2)
    one.stop()
    one.clock.step(0)
    one.start()
    assert state(one) == "believed"
    assert not one.events("delivered", id=id)


def test_T50_an_operators_word_ends_the_doubt(lab, stepped, world):
    one = stepped(partners=[partner({**RULES[1], "ends": 30 * DAY})])
    one.clock.step(60 * DAY)
    assert state(one) == "in doubt: ahead"
    assert one.ask("clock", "believe")["state"] == "believed"
    id = one.submit("a@home.test", "b@clk-clear.test", "Subject: x\r\n\r\nafter its end\r\n")
    one.wait_gone(id)
    one.clock.step(-57 * YEAR)
    refused = one.command("clock", "believe")
    assert refused.returncode != 0 and "cannot be right" in refused.stderr
