# SPDX-License-Identifier: Apache-2.0
"""Postfix, Exim and OpenSMTPD as MX hosts under every requirement: three TLS libraries at work (OpenSSL, GnuTLS, and
stunnel in front of OpenSMTPD), three ideas of SMTP, the same outcome.

All domains at once, with one relay. Each message has lines that begin with dots, eight-bit octets and one long line.
"""

import pytest
from crowd import Crowd
from relay import Relay

PEERS = ("postfix", "exim", "opensmtpd")
ENFORCE = {"sts": {"mode": "enforce"}}
EXPIRED = {"certificate": "expired"}

# name: keys of the domain, partner level, what the delivery line says of the certificate; None: kept back
LEVELS = {
    "opportunistic": ({"certificate": "self-signed"}, None, "untrusted"),
    "opportunistic-rsa": ({"certificate": "rsa"}, None, "verified"),
    "clear": ({"starttls": False}, None, "none"),
    "sts": (ENFORCE, None, "verified"),
    "sts-wildcard": ({**ENFORCE, "certificate": "wildcard"}, None, "verified"),
    "sts-expired": ({**ENFORCE, **EXPIRED}, None, None),
    "sts-clear": ({**ENFORCE, "starttls": False}, None, None),
    "sts-testing-expired": ({"sts": {"mode": "testing"}, **EXPIRED}, None, "untrusted"),
    "encrypt": (EXPIRED, "encrypt", "untrusted"),
    "encrypt-clear": ({"starttls": False}, "encrypt", None),
    "verify": ({}, "verify", "verified"),
    "verify-unknown-ca": ({"certificate": "unknown-ca"}, "verify", None),
    "dane-3": ({"certificate": "self-signed", "tlsa": ["3 1 1"]}, None, "dane"),
    "dane-2": ({"certificate": "unknown-ca", "tlsa": ["2 0 1"]}, None, "dane"),
    "dane-wrong": ({"tlsa": ["3 1 1 wrong"]}, None, None),
    "dane-demanded": ({"certificate": "self-signed", "tlsa": ["3 1 1"]}, "dane", "dane"),
}  # fmt: skip

CASES = [(peer, level) for peer in PEERS for level in LEVELS]
BODY = b".\r\n..\r\n.dot\r\n" + "ümlaut ÿ".encode("latin-1") + b"\r\n" + b"x" * 990 + b"\r\nlast"


def domain_of(peer: str, level: str) -> str:
    return f"received-{peer}-{level}"


@pytest.fixture(scope="module")
def played(lab, tmp_path_factory):
    domains = {case: domain_of(*case) for case in CASES}
    lab.change_all(*[{"name": d, "peer": peer, **LEVELS[level][0]} for (peer, level), d in domains.items()])
    partners = []
    for tls in ("encrypt", "verify", "dane"):
        names = [f"{d}.test" for (_, level), d in domains.items() if LEVELS[level][1] == tls]
        hosts = {"mx": [f"mx1.{n}" for n in names]} if tls == "verify" else {}
        partners.append({"name": f"Must {tls}", "tls": tls, "domains": names, "on_failure": "defer", **hosts})
    relay = Relay(lab, tmp_path_factory.mktemp("receivers"), partners=partners, delivery={"hold_first_for_policy": "60s"})
    crowd = Crowd(lab, relay.start())
    try:
        assert crowd.wait_until(lambda: relay.ask("status")["dnssec"]["state"] == "proven")
        for domain in domains.values():
            text = f"Subject: {domain}\r\n\r\n".encode() + BODY + b"\r\n"
            crowd.ids[domain] = relay.submit("anna@home.test", f"bob@{domain}.test", text)
            crowd.ids[f"unknown {domain}"] = relay.submit(f"{domain}@home.test", f"unknown@{domain}.test", text)
        gone = {domain_of(*c) for c in CASES if LEVELS[c[1]][2]}
        crowd.wait_until(lambda: not gone & set(crowd.queued()))
        crowd.wait_until(lambda: all(crowd.delivered(d) for d in gone))
        crowd.wait_tried(domains.values())
        yield crowd
    finally:
        relay.kill()
        lab.remove(*domains.values())


@pytest.mark.parametrize("peer, level", CASES)
def test_real_servers_under_every_requirement(lab, played, peer, level):
    domain, verified = domain_of(peer, level), LEVELS[level][2]
    if verified is None:
        assert played.attempts([domain])[domain] > 0, played.outcome(domain)
        assert not played.delivered(domain)
        return
    assert len(played.delivered(domain)) == 1, played.outcome(domain)
    (event,) = played.relay.events("delivered", id=played.ids[domain])
    assert event["verified"] == verified
    assert (event["tls"] != "none") == (LEVELS[level][0].get("starttls") is not False)
    body = played.delivered(domain)[0].octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
    assert body.rstrip(b"\n") == BODY.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("level", [n for n, (_, _, verified) in LEVELS.items() if verified])
def test_what_they_refuse_comes_back(played, peer, level):
    domain = domain_of(peer, level)
    assert played.wait_until(lambda: played.relay.events("bounced", id=played.ids[f"unknown {domain}"]), 30)
    (event,) = played.relay.events("bounced", id=played.ids[f"unknown {domain}"])
    assert event["reply"].startswith("550")
