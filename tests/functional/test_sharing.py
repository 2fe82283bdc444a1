# SPDX-License-Identifier: Apache-2.0
"""T-07: two domains on one MX host. What one of them may do, the other may not borrow, in either order."""

import itertools

import pytest
from lab.world import wait_for

LEVELS = {
    "partner": ({}, [{"name": "Verified", "tls": "verify", "mx": ["mx1.shared-{n}.test"], "domains": ["strict-{n}.test"], "on_failure": "defer"}]),
    "sts": ({"sts": {"mode": "enforce"}}, []),
}  # fmt: skip
numbers = itertools.count()


def shared_host(lab, level: str) -> tuple[int, list[dict]]:
    """A host with a certificate nobody should trust; `loose-N` has no policy, `strict-N` has one."""
    n = next(numbers)
    settings, partners = LEVELS[level]
    lab.change_all(
        {"name": f"shared-{n}", "peer": "script", "certificate": "self-signed"},
        {"name": f"loose-{n}", "mx": [f"mx1.shared-{n}.test."]},
        {"name": f"strict-{n}", "mx": [f"mx1.shared-{n}.test."], **settings},
    )
    filled = [{k: [x.format(n=n) for x in v] if isinstance(v, list) else v for k, v in p.items()} for p in partners]
    return n, filled


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("first", ["loose", "strict"])
def test_T07_a_connection_is_not_borrowed(lab, relay, level, first):
    n, partners = shared_host(lab, level)
    one = relay(partners=partners)
    order = [f"{first}-{n}", f"{'strict' if first == 'loose' else 'loose'}-{n}"]
    ids = {}
    for _ in range(3):  # so that there is an idle connection and a session ticket to be tempted by
        for domain in order:
            ids[domain] = one.submit("a@home.test", f"b@{domain}.test", f"Subject: {domain}\r\n\r\nsecret-{domain}\r\n")
            if domain.startswith("loose"):
                one.wait_gone(ids[domain], 15)
            else:
                one.wait_deferred(ids[domain], seconds=15)
    assert len(lab.mail_of(f"loose-{n}.test")) == 3
    assert lab.mail_of(f"strict-{n}.test") == []
    everything = b"".join(s.octets("client") for s in lab.sessions(f"mx1.shared-{n}.test"))
    assert b"secret-loose" in everything and b"secret-strict" not in everything


@pytest.mark.parametrize("level", LEVELS)
def test_T07_when_the_certificate_is_mended_both_flow(lab, relay, level):
    n, partners = shared_host(lab, level)
    one = relay(partners=partners)
    id = one.submit("a@home.test", f"b@strict-{n}.test", "Subject: x\r\n\r\nx\r\n")
    one.wait_deferred(id, seconds=15)
    lab.change(f"shared-{n}", certificate="good")
    one.wait_gone(id, 30)
    assert lab.mail_of(f"strict-{n}.test")


WEAK = {"tls_maximum": "1.2", "ciphers": "AES128-SHA"}  # TLS_RSA_WITH_AES_128_CBC_SHA and nothing else


@pytest.mark.parametrize("first", ["loose", "strict"])
def test_T07_weak_TLS_is_not_borrowed(lab, relay, first):
    """A host that only knows static RSA key exchange: good enough for who asks nothing, for `tls = "encrypt"` never."""
    n = next(numbers)
    lab.change_all(
        {"name": f"weak-{n}", "peer": "script", "certificate": "rsa", **WEAK},
        {"name": f"loose-{n}", "mx": [f"mx1.weak-{n}.test."]},
        {"name": f"strict-{n}", "mx": [f"mx1.weak-{n}.test."]},
    )
    one = relay(partners=[{"name": "Encrypted", "tls": "encrypt", "domains": [f"strict-{n}.test"], "on_failure": "defer"}])
    order = [f"{first}-{n}", f"{'strict' if first == 'loose' else 'loose'}-{n}"]
    for _ in range(3):
        for domain in order:
            id = one.submit("a@home.test", f"b@{domain}.test", f"Subject: {domain}\r\n\r\nsecret-{domain}\r\n")
            if domain.startswith("loose"):
                one.wait_gone(id, 15)
            else:
                one.wait_deferred(id, seconds=15)
    assert len(lab.mail_of(f"loose-{n}.test")) == 3
    assert lab.mail_of(f"strict-{n}.test") == []
    assert {s.tls["cipher"] for s in lab.sessions(f"mx1.weak-{n}.test") if s.tls} == {"AES128-SHA"}


def test_connections_are_reused_where_nothing_forbids_it(lab, relay):
    lab.change("busy", peer="script")
    one = relay()
    for n in range(20):
        one.submit("a@home.test", f"b{n}@busy.test", f"Subject: {n}\r\n\r\nx\r\n")
    assert wait_for(lambda: len(lab.mail_of("busy.test")) == 20, 20)
    assert len(lab.sessions("mx1.busy.test")) < 20
