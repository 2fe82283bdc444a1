# SPDX-License-Identifier: Apache-2.0
"""T-03, TLS-02, TLS-04, TLS-08: whatever an attacker does to STARTTLS, nothing leaves in clear where TLS is required.

Each way of stripping meets each level of requirement, every pair in a domain of its own. Where nothing
is required the mail must arrive all the same, but never on a connection whose TLS had failed (3207 §4).
"""

import json

import pytest
from lab.world import wait_for
from relay import Relay

ALERT = "\x15\x03\x03\x00\x02\x02\x28"  # a TLS record: fatal, handshake_failure

# name: settings of the scripted host, and the result type of RFC 8460 §4.3
VARIANTS = {
    "no-keyword": ({"starttls": False}, "starttls-not-supported"),
    "mangled-keyword": ({"ehlo": ["PIPELINING", "XXXXXXXA", "SIZE 52428800"]}, "starttls-not-supported"),
    "no-ehlo": ({"script": [{"at": "ehlo", "reply": "502 5.5.1 no"}]}, "starttls-not-supported"),
    "refused-454": ({"script": [{"at": "starttls", "reply": "454 4.7.0 not now"}]}, "starttls-not-supported"),
    "refused-500": ({"script": [{"at": "starttls", "reply": "500 5.5.1 what"}]}, "starttls-not-supported"),
    "refused-502": ({"script": [{"at": "starttls", "reply": "502 5.5.1 no"}]}, "starttls-not-supported"),
    "refused-421": ({"script": [{"at": "starttls", "reply": "421 4.3.2 going down", "then": "close"}]}, "starttls-not-supported"),
    "answered-250": ({"script": [{"at": "starttls", "reply": "250 2.0.0 fine"}]}, "validation-failure"),
    "reset-on-command": ({"script": [{"at": "starttls", "then": "reset"}]}, None),
    "closed-after-220": ({"script": [{"at": "starttls", "reply": "220 go", "then": "close"}]}, "validation-failure"),
    "clear-after-220": ({"script": [{"at": "starttls", "reply": "220 go", "then": "clear"}]}, "validation-failure"),
    "reply-for-hello": ({"script": [{"at": "handshake", "raw": "250 2.0.0 ok\r\n"}]}, "validation-failure"),
    "alert": ({"script": [{"at": "handshake", "raw": ALERT, "then": "close"}]}, "validation-failure"),
    "stalled": ({"script": [{"at": "handshake", "then": "stall"}]}, "validation-failure"),
    "reset-in-handshake": ({"script": [{"at": "handshake", "then": "reset"}]}, "validation-failure"),
    "old-version": ({"tls_maximum": "1.1"}, "validation-failure"),
    "injected-reply": ({"script": [{"at": "starttls", "raw": "220 go\r\n250-STARTTLS\r\n250 SIZE 1\r\n"}]}, "validation-failure"),
}  # fmt: skip

LEVELS = {
    "opportunistic": ({}, "no-policy-found", False),
    "sts-testing": ({"sts": {"mode": "testing"}}, "sts", False),
    "sts-enforce": ({"sts": {"mode": "enforce"}}, "sts", True),
    "dane": ({"tlsa": ["3 1 1"]}, "tlsa", True),
    "encrypt": ({}, "no-policy-found", True),
}

PAIRS = [(v, level) for v in VARIANTS for level in LEVELS]


def domain_of(variant: str, level: str) -> str:
    return f"{variant}-{level}"


@pytest.fixture(scope="module")
def sent(lab, tmp_path_factory):
    lab.change_all(
        *[
            {"name": domain_of(v, level), "peer": "script", **LEVELS[level][0], **VARIANTS[v][0]}
            for v, level in PAIRS
        ]
    )
    covered = [f"{domain_of(v, 'encrypt')}.test" for v in VARIANTS]
    rule = {"name": "Must encrypt", "tls": "encrypt", "domains": covered, "on_failure": "defer"}
    timeouts = {"starttls": "2s"}
    relay = Relay(lab, tmp_path_factory.mktemp("stripping"), partners=[rule], delivery={"timeouts": timeouts})
    relay.start()
    ids = {}
    for variant, level in PAIRS:
        domain = domain_of(variant, level)
        ids[domain] = relay.submit("a@home.test", f"b@{domain}.test", f"Subject: {domain}\r\n\r\nsecret\r\n")
    yield relay, ids
    relay.kill()


@pytest.mark.parametrize("variant, level", PAIRS)
def test_T03_stripping(lab, sent, variant, level):
    relay, ids = sent
    domain = domain_of(variant, level)
    host = f"mx1.{domain}.test"
    if LEVELS[level][2]:
        relay.wait_deferred(ids[domain], attempts=2, seconds=40)
        assert not lab.mail_of(f"{domain}.test")
        assert not any(s.mail_in_clear or b"secret" in s.octets("client") for s in lab.sessions(host))
    else:
        assert wait_for(lambda: lab.mail_of(f"{domain}.test"), 40), relay.queue(ids[domain])
        for session in lab.sessions(host):
            tried = b"STARTTLS" in session.octets("client", clear=True)
            refused = VARIANTS[variant][1] == "starttls-not-supported"
            assert not (tried and not refused and session.mail_in_clear)


@pytest.mark.parametrize("variant, level", [p for p in PAIRS if VARIANTS[p[0]][1]])
def test_T03_stripping_is_counted(sent, variant, level):
    relay, _ = sent
    _, kind, _ = LEVELS[level]
    good, bad, failures = relay.wait_counts(f"{domain_of(variant, level)}.test", kind, lambda g, b, f: b > 0)
    assert bad > 0 and good == 0
    assert set(failures) == {VARIANTS[variant][1]}


def test_T02_injected_replies_are_not_believed(lab, sent):
    """Octets behind the 220 came in clear: the session that got them says nothing more."""
    relay, ids = sent
    domain = domain_of("injected-reply", "encrypt")
    relay.wait_deferred(ids[domain], attempts=1, seconds=40)
    for session in lab.sessions(f"mx1.{domain}.test"):
        after = session.octets("client").partition(b"STARTTLS\r\n")[2]
        assert after == b""


@pytest.mark.parametrize("variant", [v for v in VARIANTS if VARIANTS[v][1]])
def test_a_probe_tells_of_a_stripped_session_what_delivery_told(sent, variant):
    relay, ids = sent
    domain = f"{domain_of(variant, 'encrypt')}.test"
    relay.wait_deferred(ids[domain_of(variant, "encrypt")], attempts=1, seconds=40)
    (host,) = json.loads(relay.command("--json", "policy", "probe", domain).stdout)["hosts"]
    told = {e["why"] for e in relay.events("host_refused", domain=domain)}
    if VARIANTS[variant][1] == "validation-failure":  # how it failed depends on how the peer's octets arrive
        told = {why.partition(" failed: ")[0] for why in told}
        assert host["verdict"] == "refuse" and {host["why"].partition(" failed: ")[0]} == told
    else:
        assert host["verdict"] == "refuse" and {host["why"]} == told
