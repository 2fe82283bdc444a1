# SPDX-License-Identifier: Apache-2.0
"""DANE with the real relay, unbound and a signed DNS (RFC 7672): DANE-01..12, T-09, T-18; and T-10, resolvers that lie.

All cases of dane_cases.py at once, with one relay; then one relay for each way a resolver may lie, all at once too.
"""

import re

import pytest
from crowd import Crowd
from dane_cases import (
    AGILITY, COMBINED, DEMANDED, ENCRYPTED, HOST_ONLY, LINKS, MATCHING, MISMATCH, OPEN, REFUSED, UNUSABLE, VERIFIED, Case,
)  # fmt: skip
from lab.addresses import RELAY_LINK
from lab.certificates import Issued, load_pem
from lab.tlsa import record_data
from lab.world import wait_for
from relay import Relay

GROUPS = {"matching": MATCHING, "unusable": UNUSABLE, "agility": AGILITY, "links": LINKS, "both": COMBINED, "demanded": DEMANDED}
CASES = {f"{group}-{name}": case for group, cases in GROUPS.items() for name, case in cases.items()}
TARGET, WEAK = "dane-target", "dane-target.insecure"
BAD = {"peer": "script", "certificate": "self-signed"}


def issued(lab, kind: str, host: str) -> Issued:
    """The certificate that the lab gives to a host, now or later."""
    return load_pem(lab.certificate(kind, host, host.partition(".")[2]))


class Filler:
    """Puts names and TLSA data where a case has braces."""

    def __init__(self, lab, domain: str):
        self.lab = lab
        self.domain = domain
        self.words = {"own": f"{domain}.test", "target": f"{TARGET}.test", "weak": f"{WEAK}.test"}

    def data(self, found: re.Match) -> str:
        """`{WHOSE USAGE SELECTOR MATCHING [DEFECT]}`"""
        whose, description = found[1], found[2]
        if whose == "anchor":
            anchor = self.lab.authority.members["intermediate"]
            return record_data(description, Issued(anchor.key, anchor.leaf))
        host = {"self": f"mx1.{self.domain}.test", "target": f"mx1.{TARGET}.test", "third": f"mx3.{TARGET}.test", "weak": f"mx1.{WEAK}.test"}[whose]
        return record_data(description, issued(self.lab, "self-signed", host))

    def __call__(self, value):
        if isinstance(value, dict):
            return {k: self(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self(v) for v in value]
        if not isinstance(value, str):
            return value
        value = re.sub(r"\{(\w+) (\d[^}]*)\}", self.data, value)
        return re.sub(r"\{(own|target|weak)\}", lambda m: self.words[m[1]], value)


def domain_of(name: str, case: Case) -> str:
    return case.keys.get("name", "{own}").replace("{own}", name)


def targets() -> list[dict]:
    """Hosts that others point at: mx1 with right records, mx2 with wrong ones, mx3 with none; and an insecure alias."""
    mx = [{"host": "mx1", "tlsa": ["3 1 1"]}, {"host": "mx2", "tlsa": ["3 1 1 wrong"]}, "mx3"]
    return [
        {"name": TARGET, "mx": mx, **BAD},
        {"name": WEAK, "mx": mx, "records": [f"alias CNAME mx2.{TARGET}.test."], **BAD},
    ]


@pytest.fixture(scope="module")
def played(lab, tmp_path_factory):
    entries, domains = targets(), {}
    for name, case in CASES.items():
        domains[name] = domain_of(name, case)
        entries.append({"name": domains[name], **BAD, **Filler(lab, domains[name])({k: v for k, v in case.keys.items() if k != "name"})})
    lab.change_all(*entries)
    demanded = [f"{domains[n]}.test" for n in CASES if n.startswith("demanded-")]
    rule = {"name": "DANE or nothing", "tls": "dane", "domains": demanded, "on_failure": "defer"}
    relay = Relay(lab, tmp_path_factory.mktemp("dane"), partners=[rule], delivery={"hold_first_for_policy": "60s"})
    crowd = Crowd(lab, relay.start())
    try:
        assert wait_for(lambda: relay.ask("status")["dnssec"]["state"] == "proven", 30, 0.2)
        crowd.submit(domains.values())
        gone = {domains[n] for n, c in CASES.items() if c.outcome != REFUSED}
        crowd.wait_until(lambda: not gone & set(crowd.queued()))
        crowd.wait_tried(domains.values(), 2)
        crowd.final = crowd.queued()
        yield crowd, domains
    finally:
        relay.kill()
        lab.remove(*[e["name"] for e in entries])


def nothing_left(lab, domain: str) -> bool:
    sessions = [s for h in lab.table.domains[domain].hosts for s in lab.sessions(h.name)]
    return not any(s.mail_in_clear or b"secret" in s.octets("client") for s in sessions)


@pytest.mark.parametrize("name", CASES)
def test_T09_T18_DANE(lab, played, name):
    crowd, domains = played
    case, domain = CASES[name], domains[name]
    if case.outcome == REFUSED:
        assert domain in crowd.final, crowd.outcome(domain)
        assert case.says in crowd.final[domain]["reason"] and case.says
        assert nothing_left(lab, domain) and not crowd.delivered(domain)
        return
    assert len(crowd.delivered(domain)) == 1, crowd.outcome(domain)
    (event,) = crowd.relay.events("delivered", id=crowd.ids[domain])
    host = Filler(lab, domain)(case.host)
    full = host if host.endswith(".test") else f"{host}.{domain}.test".removeprefix(".")
    assert event["mx"] == full
    assert crowd.delivered(domain)[0].encrypted == (case.keys.get("starttls") is not False)
    assert (event["verified"] == "dane") == (case.outcome == VERIFIED)
    assert (event["verified"] == "dane-unsigned-mx") == (case.outcome == HOST_ONLY)
    assert event["policy"].startswith(("dane:", "partner:")) == (case.outcome in (VERIFIED, HOST_ONLY, ENCRYPTED))


@pytest.mark.parametrize("name, sni", [("links-alias", f"mx1.{TARGET}.test"), ("links-tlsa-alias", "mx1.links-tlsa-alias.test")])
def test_DANE06_DANE07_SNI_is_the_base_domain(lab, played, name, sni):
    """RFC 7672 §8.1, D19: where the records were found, and an alias of the records changes nothing."""
    host = f"mx1.{TARGET}.test" if name == "links-alias" else sni
    assert sni in {s.tls["sni"] for s in lab.sessions(host) if s.tls}


# T-10: what a resolver does, on an address of its own; what the relay makes of it; whether a wrong record keeps mail.
LIARS = {
    "truncates": ([{"do": "truncate"}], "proven", True),
    "strips-ad": ([{"do": "strip-ad"}], "no-ad", False),
    "sets-ad": ([{"do": "believe"}], "lying", False),
    "drops-do": ([{"do": "no-edns"}], "no-ad", False),
    "is-elsewhere": ([], "untrusted", False),  # DANE-08: its word counts only from loopback
    "tells-the-truth": ([], "proven", True),
}  # fmt: skip
ELSEWHERE = RELAY_LINK[0]
# An answer about TLSA that is none: that host must not be used, whatever its certificate (DANE-03). `silent` is a time-out.
NO_ANSWERS = ("notimp", "servfail", "refused", "formerr", "garbage", "silent")


@pytest.fixture(scope="module")
def lied_to(lab, tmp_path_factory):
    rules, relays, crowds, servers = [], {}, {}, {}
    domains = [f"liar-{way}-{kind}" for way in LIARS for kind in ("good", "wrong")] + [f"tlsa-{word}" for word in NO_ANSWERS] + ["tlsa-never.insecure"]
    lab.change_all(*[{"name": d, **BAD, "tlsa": ["3 1 1 wrong" if d.endswith("wrong") else "3 1 1"]} for d in domains])
    try:
        for number, (way, (deeds, _, _)) in enumerate(LIARS.items(), 2):
            server = ELSEWHERE if way == "is-elsewhere" else f"127.0.0.{number}"
            servers[way] = server
            rules += [{"server": server, **deed} for deed in deeds]
            rules += [{"server": server, "type": "TLSA", "name": f"tlsa-{w}.test$", "do": w} for w in NO_ANSWERS]
            relays[way] = Relay(lab, tmp_path_factory.mktemp("liar") / way, dns={"servers": [server]})
        lab.dns_rules(*rules)
        for way, relay in relays.items():
            crowds[way] = Crowd(lab, relay.start())
            expected = LIARS[way][1]
            wait_for(lambda r=relay, e=expected: r.ask("status")["dnssec"]["state"] == e, 20, 0.1)
            crowds[way].submit([f"liar-{way}-good", f"liar-{way}-wrong"])
        crowds["tells-the-truth"].submit([*(f"tlsa-{word}" for word in NO_ANSWERS), "tlsa-never.insecure"])
        crowds["tells-the-truth"].server = servers["tells-the-truth"]
        for way, crowd in crowds.items():
            gone = {f"liar-{way}-good"} | (set() if LIARS[way][2] else {f"liar-{way}-wrong"})
            crowd.wait_until(lambda c=crowd, g=gone: not g & set(c.queued()))
            crowd.wait_tried(list(crowd.ids))
        yield crowds
    finally:
        lab.dns_rules()
        for relay in relays.values():
            relay.kill()
        lab.remove(*domains)


@pytest.mark.parametrize("way", LIARS)
def test_T10_what_a_resolver_is_worth(lab, lied_to, way):
    _, state, holds = LIARS[way]
    crowd = lied_to[way]
    told = crowd.relay.ask("status")["dnssec"]
    assert told["state"] == state
    alarms = [e for e in crowd.relay.events("dnssec") if e["level"] == "error"]
    assert bool(alarms) == (state != "proven")
    assert all("DANE is OFF" in e["effect"] for e in alarms)
    assert crowd.delivered(f"liar-{way}-good"), crowd.outcome(f"liar-{way}-good")
    if holds:
        assert MISMATCH in crowd.queued()[f"liar-{way}-wrong"]["reason"]
        assert nothing_left(lab, f"liar-{way}-wrong")
    else:  # it is off, and mail flows
        assert crowd.delivered(f"liar-{way}-wrong"), crowd.outcome(f"liar-{way}-wrong")


@pytest.mark.parametrize("word", NO_ANSWERS)
def test_T10_DANE03_no_answer_about_TLSA_is_not_absence(lab, lied_to, word):
    crowd = lied_to["tells-the-truth"]
    assert "TLSA lookup failed" in crowd.queued()[f"tlsa-{word}"]["reason"]
    assert not lab.sessions(f"mx1.tlsa-{word}.test") and not crowd.delivered(f"tlsa-{word}")


def test_DANE05_DANE08_what_is_asked_and_in_which_order(lab, lied_to):
    """Addresses before TLSA; no TLSA of an insecure host; always with AD or DO, never with CD."""
    crowd = lied_to["tells-the-truth"]
    assert crowd.delivered("tlsa-never.insecure"), crowd.outcome("tlsa-never.insecure")
    asked = lab.dns_questions(crowd.server)
    assert all(q["ad"] or q["do"] for q in asked) and not any(q["cd"] for q in asked)
    names = [(q["name"], q["type"]) for q in asked]
    assert ("mx1.tlsa-never.insecure.test", "A") in names
    assert not any(name.endswith("tlsa-never.insecure.test") for name, kind in names if kind == "TLSA")
    host = "mx1.liar-tells-the-truth-good.test"
    assert max(names.index((host, "A")), names.index((host, "AAAA"))) < names.index((f"_25._tcp.{host}", "TLSA"))
