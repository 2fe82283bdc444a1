# SPDX-License-Identifier: Apache-2.0
"""T-10 with nothing configured but the server: the resolver is tested by default, and what changes while the relay runs."""

import json

import pytest
from conftest import remove_journals
from lab.world import wait_for
from relay import Relay, to_toml

BAD = {"peer": "script", "certificate": "self-signed"}
FIRST, SECOND = "127.0.0.8", "127.0.0.9"


@pytest.fixture
def tested(lab, tmp_path):
    """A relay that asks these servers, with the names of the self-test left to it."""
    relays = []

    def make(*servers: str, start: bool = True):
        one = Relay(lab, tmp_path / f"relay{len(relays)}")
        one.settings["dns"] = {"servers": list(servers)}
        one.config.write_text(to_toml(one.settings))
        relays.append(one)
        return one.start() if start else one

    yield make
    lab.dns_rules()
    for one in relays:
        one.kill()
    remove_journals(tmp_path)


def dnssec(one) -> dict:
    return one.ask("status")["dnssec"]


def becomes(one, state: str, seconds: float = 60) -> bool:
    return wait_for(lambda: dnssec(one)["state"] == state, seconds, 0.2)


def troubles(one) -> list[str]:
    return [t["what"] for t in one.ask("status")["troubles"] if t["cause"] == "DNSSEC"]


def test_T10_the_lab_s_own_root_is_enough(lab, tested):
    lab.change_all({"name": "rooted", **BAD, "tlsa": ["3 1 1 wrong"]})
    one = tested(FIRST)
    assert becomes(one, "signed-only"), dnssec(one)
    assert not troubles(one)
    id = one.submit("a@home.test", "b@rooted.test", "Subject: x\r\n\r\nsecret\r\n")
    assert "TLSA" in one.wait_deferred(id)["reason"]
    assert not lab.mail_of("rooted.test")


def test_T10_never_AD_is_off_and_loud(lab, tested):
    lab.change_all({"name": "stripped", **BAD, "tlsa": ["3 1 1"]})
    lab.dns_rules({"server": FIRST, "do": "strip-ad"})
    one = tested(FIRST)
    assert becomes(one, "no-ad"), dnssec(one)
    assert "DANE is OFF" in troubles(one)[0]
    traces = [line for host in one.explain("b@stripped.test")["hosts"] for line in host["trace"]]
    assert any("not looked at, because the signed name the root came without the AD bit" in line for line in traces), traces
    one.wait_gone(one.submit("a@home.test", "b@stripped.test", "Subject: x\r\n\r\nx\r\n"))


def test_T10_lost_while_running_is_never_off(lab, tested):
    lab.change_all({"name": "switched", **BAD, "tlsa": ["3 1 1 wrong"]})
    one = tested(FIRST)
    assert becomes(one, "signed-only"), dnssec(one)
    for deed in ("strip-ad", "servfail"):
        lab.dns_rules({"server": FIRST, "do": deed})
        assert becomes(one, "lost"), dnssec(one)
        assert "deferred" in troubles(one)[0]
        id = one.submit("a@home.test", "b@switched.test", f"Subject: {deed}\r\n\r\nsecret\r\n")
        one.wait_deferred(id)
        lab.dns_rules()
        assert becomes(one, "signed-only"), dnssec(one)
        assert not troubles(one)
    assert not lab.mail_of("switched.test")
    assert wait_for(lambda: all("TLSA" in e["reason"] for e in one.queue()), 30, 0.2), one.queue()


def test_T10_a_second_server_that_does_not_validate_is_not_asked(lab, tested):
    lab.change_all({"name": "second", **BAD, "tlsa": ["3 1 1 wrong"]})
    lab.dns_rules({"server": SECOND, "do": "strip-ad"})
    one = tested(FIRST, SECOND)
    assert becomes(one, "signed-only"), dnssec(one)
    assert wait_for(lambda: SECOND in dnssec(one)["explanation"], 30, 0.2)
    lab.dns_rules({"server": SECOND, "do": "strip-ad"}, {"server": FIRST, "name": "second.test$", "do": "servfail"})
    id = one.submit("a@home.test", "b@second.test", "Subject: x\r\n\r\nsecret\r\n")
    one.wait_deferred(id)
    assert not lab.mail_of("second.test")
    assert not [q for q in lab.dns_questions(SECOND) if q["name"].endswith("second.test")]


def test_T10_check_says_what_can_be_told_beforehand(tested):
    for server, told in ((FIRST, False), ("127.0.0.11", True), ("192.0.2.53", True)):
        checked = tested(server, start=False).command("check")
        assert checked.returncode == 0
        assert ("DANE will be OFF" in checked.stderr) == told, checked.stderr


def live(one) -> tuple[int, dict[str, list[str]]]:
    """What `check --live` says, kinds by subject; it is the daemon's own self-test."""
    done = one.command("--json", "check", "--live")
    kinds: dict[str, list[str]] = {}
    for finding in json.loads(done.stdout)["live"]:
        kinds.setdefault(finding["subject"].split()[0], []).append(finding["kind"] + ": " + finding["text"])
    return done.returncode, kinds


def test_T10_check_live_says_before_the_start_what_the_daemon_would_find(lab, tested):
    one = tested(FIRST, start=False)
    code, said = live(one)
    assert code == 0, said
    assert said["dns"] == ["good: answers"]
    assert said["dnssec"][0].startswith("warning: signed-only"), said  # the lab has no broken name of the world's
    assert "DANE is on" in said["dnssec"][0]
    assert said["listener"] == ["good: can be bound"]
    lab.dns_rules({"server": FIRST, "do": "strip-ad"})
    code, said = live(one)
    assert code == 1
    assert said["dnssec"][0].startswith("bad: no-ad") and "DANE will be OFF" in said["dnssec"][0], said


def test_T41_check_live_finds_a_server_that_is_not_there_and_a_relay_that_is(lab, tested):
    one = tested(FIRST, "127.0.0.99", start=False)
    code, said = live(one)
    assert code == 1
    assert sorted(text.split(":")[0] for text in said["dns"]) == ["bad", "good"], said
    running = tested(FIRST)
    code, said = live(running)
    assert code == 0, said
    assert said["listener"][0].startswith("in use: sealpost has it already, pid "), said
    assert said["data_dir"] == ["good: can be written"]
