# SPDX-License-Identifier: Apache-2.0
"""T-08: every kind of certificate the lab can issue, shown by an MX that a policy covers.

Each kind has two domains: one under an MTA-STS policy in mode enforce, one under a partner rule
`verify`. Mail arrives if the certificate is right, and else no address and no text leaves at all.
"""

import pytest
from lab.certificates import KINDS
from lab.world import wait_for
from relay import Relay

LEVELS = ("sts", "verify")


def domain_of(level: str, kind: str) -> str:
    return f"{level}-{kind}"


@pytest.fixture(scope="module")
def sent(lab, tmp_path_factory):
    """One message to every domain, all on their way at the same time: (relay, ids by domain)."""
    entries = []
    for kind in KINDS:
        common = {"peer": "script", "certificate": kind}
        entries.append({"name": domain_of("sts", kind), "sts": {"mode": "enforce"}, **common})
        entries.append({"name": domain_of("verify", kind), **common})
    lab.change_all(*entries)
    hosts = [f"mx1.{domain_of('verify', k)}.test" for k in KINDS]
    rule = {"name": "All", "tls": "verify", "domains": [f"{domain_of('verify', k)}.test" for k in KINDS], "mx": hosts}
    relay = Relay(lab, tmp_path_factory.mktemp("certificates"), partners=[{**rule, "on_failure": "defer"}])
    relay.start()
    ids = {}
    for entry in entries:
        domain = entry["name"]
        ids[domain] = relay.submit("a@home.test", f"b@{domain}.test", f"Subject: {domain}\r\n\r\nsecret\r\n")
    yield relay, ids
    relay.kill()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_T08_certificates(lab, sent, level, kind):
    relay, ids = sent
    domain = domain_of(level, kind)
    host = f"mx1.{domain}.test"
    if KINDS[kind].valid:
        assert wait_for(lambda: lab.mail_of(f"{domain}.test"), 20), relay.queue(ids[domain])
        assert lab.mail_of(f"{domain}.test")[0].encrypted
    else:
        entry = relay.wait_deferred(ids[domain], seconds=20)
        assert host in entry["reason"]
        sessions = lab.sessions(host)
        assert sessions and not any(s.mail_in_clear or b"secret" in s.octets("client") for s in sessions)
        assert not lab.mail_of(f"{domain}.test")


@pytest.mark.parametrize("kind", sorted(k for k in KINDS if KINDS[k].result))
def test_RPT04_result_type_of_certificates(sent, kind):
    relay, _ = sent
    domain = f"{domain_of('sts', kind)}.test"
    good, bad, failures = relay.wait_counts(domain, "sts", lambda g, b, f: b > 0)
    assert good == 0 and bad > 0
    assert set(failures) == {KINDS[kind].result}


def test_SNI_is_the_host_name(lab, sent):
    """RFC 8461 §7.1: STS-15."""
    host = f"mx1.{domain_of('sts', 'good')}.test"
    assert wait_for(lambda: any(s.tls for s in lab.sessions(host)), 10)
    assert {s.tls["sni"] for s in lab.sessions(host) if s.tls} == {host}
