# SPDX-License-Identifier: Apache-2.0
"""T-34 and its kin: MXs that talk nonsense, fall silent, hang up or never end. Each case has one outcome.

The cases are data: the rules of the scripted peer and what must become of the message. Every case has
a domain of its own and all of them are under way at once, so one that hung would not hide.
"""

import pytest
from lab.world import wait_for
from relay import Relay

DELIVERED, BOUNCED, DEFERRED = "delivered", "bounced", "deferred"
STAGES = ("greeting", "ehlo", "mail", "rcpt", "data", "body")
VERB_STAGES = ("mail", "rcpt", "data", "body")
LONG = "x" * 8200


def rule(at: str, **keys) -> list[dict]:
    return [{"at": at, **keys}]


def cases() -> dict[str, tuple[dict, str]]:
    """name: (settings of the domain, outcome)."""
    found: dict[str, tuple[dict, str]] = {}

    def add(name: str, script: list[dict], outcome: str, **settings):
        """Each case over TLS, which is how the peer behaves if it may, and once more in clear."""
        found[name] = ({"peer": "script", "script": script, **settings}, outcome)
        if not settings:
            found[f"clear-{name}"] = ({"peer": "script", "script": script, "starttls": False}, outcome)

    for stage in STAGES:
        add(f"close-at-{stage}", rule(stage, then="close"), DEFERRED)
        add(f"reset-at-{stage}", rule(stage, then="reset"), DEFERRED)
        add(f"stall-at-{stage}", rule(stage, then="stall"), DEFERRED)
        add(f"421-at-{stage}", rule(stage, reply="421 4.3.2 going down", then="close"), DEFERRED)
        add(f"421-and-stay-at-{stage}", rule(stage, reply="421 4.3.2 going down"), DEFERRED)
        add(f"4yz-at-{stage}", rule(stage, reply="451 4.3.0 later"), DEFERRED)
        add(f"000-at-{stage}", rule(stage, reply="000 what"), DEFERRED)
        add(f"999-at-{stage}", rule(stage, reply="999 what"), DEFERRED)
        add(f"199-at-{stage}", rule(stage, reply="199 what"), DEFERRED)
        add(f"no-code-at-{stage}", rule(stage, reply="hello there"), DEFERRED)
        add(f"two-codes-at-{stage}", rule(stage, reply=["250-one", "550 two"]), DEFERRED)
        add(f"nul-at-{stage}", rule(stage, raw="\x00\x00\x00\r\n", then="close"), DEFERRED)
        add(f"long-line-at-{stage}", rule(stage, reply=f"451 {LONG}"), DEFERRED)
        add(f"endless-line-at-{stage}", rule(stage, raw="2" * 200_000, then="stall"), DEFERRED)
        add(f"endless-reply-at-{stage}", rule(stage, reply=["250-more"] * 5000, then="stall"), DEFERRED)
        add(f"tls-bytes-at-{stage}", rule(stage, raw="\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", then="close"), DEFERRED)
        add(f"http-at-{stage}", rule(stage, raw="HTTP/1.1 400 Bad Request\r\n\r\n", then="close"), DEFERRED)
    for stage in ("rcpt", "body"):
        add(f"5yz-at-{stage}", rule(stage, reply="550 5.7.1 no"), BOUNCED)
        add(f"strange-5yz-at-{stage}", rule(stage, reply="559 no"), BOUNCED)
        add(f"bare-5yz-at-{stage}", rule(stage, reply="554"), BOUNCED)
        add(f"eight-bit-5yz-at-{stage}", rule(stage, reply="550 5.1.1 n\xe4\x1b[31m\x07"), BOUNCED)
        add(f"wrong-class-at-{stage}", rule(stage, reply="550 4.1.1 no"), BOUNCED)
    add("5yz-at-mail", rule("mail", reply="550 5.7.1 not you"), BOUNCED)
    add("5yz-at-data", rule("data", reply="554 5.7.1 no"), BOUNCED)
    for stage in VERB_STAGES:
        add(f"3yz-at-{stage}" if stage != "data" else "2yz-at-data", rule(stage, reply="354 go" if stage != "data" else "250 fine"), DEFERRED)
    for stage in ("greeting", "ehlo", "mail", "rcpt", "body"):
        code = 220 if stage == "greeting" else 250
        add(f"bare-code-at-{stage}", rule(stage, reply=str(code)), DELIVERED)
        if stage != "ehlo":
            add(f"drip-at-{stage}", rule(stage, reply=f"{code} ok", drip=0.02), DELIVERED)
            add(f"multi-line-at-{stage}", rule(stage, reply=[f"{code}-{n}" for n in range(50)] + [f"{code} end"]), DELIVERED)
            add(f"strange-2yz-at-{stage}", rule(stage, reply="252 fine" if code == 250 else "229 fine"), DELIVERED)
            add(f"eight-bit-at-{stage}", rule(stage, reply=f"{code} \xff\xfe\x01 ok"), DELIVERED)
    add("greeting-5yz", rule("greeting", reply="554 5.7.1 not you"), DEFERRED)
    add("greeting-521", rule("greeting", reply="521 5.3.2 no mail here"), BOUNCED)
    add("rcpt-452-then-250", rule("rcpt", reply="452 4.5.3 later", times=1), DELIVERED)
    add("body-451-then-250", rule("body", reply="451 4.3.0 later", times=1), DELIVERED)
    add("data-421-then-250", rule("data", reply="421 4.3.0 later", then="close", times=1), DELIVERED)
    # All was sent and no reply came: it may have arrived, so the next attempt is a quarter of an hour off (D-15).
    add("close-for-reply", rule("body", then="close", times=1), DEFERRED)
    add("reset-for-reply", rule("body", then="reset", times=1), DEFERRED)
    # Right behind the 354: whether all was sent before is a race, so each attempt ends alike.
    add("close-in-text", rule("text", then="close"), DEFERRED)
    add("reset-in-text", rule("text", then="reset"), DEFERRED)
    add("quit-refused", rule("quit", reply="500 no"), DELIVERED)
    add("quit-stalls", rule("quit", then="stall"), DELIVERED)
    add("no-close-notify", rule("quit", then="quiet-close"), DELIVERED)
    add("keywords-in-lower-case", [], DELIVERED, ehlo=["pipelining", "starttls", "size 99999999"])
    add("keywords-of-nonsense", [], DELIVERED, ehlo=["", " ", "=", "SIZE x", "SIZE 99999999999999999999999", "\xff\xfe", "STARTTLS extra"])
    add("size-too-small", [], BOUNCED, ehlo=["SIZE 100", "STARTTLS"], ehlo_tls=["SIZE 100"])
    add("size-unlimited", [], DELIVERED, ehlo=["SIZE 0", "STARTTLS"], ehlo_tls=["SIZE"])
    add("no-extensions", [], DELIVERED, ehlo=[])
    return found


CASES = cases()


@pytest.fixture(scope="module")
def sent(lab, tmp_path_factory):
    lab.change_all(*[{"name": name, **settings} for name, (settings, _) in CASES.items()])
    every = ("greeting", "ehlo", "starttls", "mail", "rcpt", "data", "body", "final")
    relay = Relay(lab, tmp_path_factory.mktemp("hostile"), delivery={"timeouts": {name: "3s" for name in every}})
    relay.start()
    ids = {}
    for name in CASES:
        text = f"Subject: {name}\r\n\r\n" + "A line of text to be sent.\r\n" * 20
        ids[name] = relay.submit(f"{name}@home.test", f"b@{name}.test", text)
    yield relay, ids
    relay.kill()


def outcome_of(lab, relay, name: str, id: str) -> str:
    """What has become of the message by now; "" while it is not known."""
    if any(m.recipient == f"{name}@home.test" for m in lab.mail_of("home.test")):
        return BOUNCED
    entries = relay.queue(id)
    if entries and entries[0]["attempts"] >= 1 and entries[0]["state"] == "deferred":
        return DEFERRED
    if not entries and lab.mail_of(f"{name}.test"):
        return DELIVERED
    return ""


@pytest.mark.parametrize("name", sorted(CASES))
def test_T34_hostile_peers(lab, sent, name):
    relay, ids = sent
    expected = CASES[name][1]
    assert wait_for(lambda: outcome_of(lab, relay, name, ids[name]) == expected, 30, 0.1), (
        expected, outcome_of(lab, relay, name, ids[name]), relay.queue(ids[name]),
    )  # fmt: skip
    assert relay.process.poll() is None, relay.last_words()


def test_T34_there_are_enough_cases():
    assert len(CASES) >= 300


def test_T48_one_event_is_one_line(sent):
    """Whatever the peers said, the log is still lines of printable ASCII, each a JSON object."""
    relay, _ = sent
    octets = relay.log.read_bytes()
    assert all(32 <= octet < 127 or octet == 10 for octet in octets)
    assert len(relay.events("deferred")) > 50
