# SPDX-License-Identifier: Apache-2.0
"""MTA-STS as it is published (RFC 8461 §3): every defect of record, policy host and policy text, with nginx and the
scripted HTTPS peer as policy hosts. Conditions: policy_cases.py.

A refused policy is met twice: by a domain never seen before, whose mail then goes as if there were none (S24), and by
one whose good policy is cached, which goes on ruling (S7, S29). Times of hours and days - refreshing daily, the five
minutes' back-off, the hourly fetch under an unchanged id, a failure that alerts the third time - are proven in virtual
time, in tests/unit/sts/service_test.cpp.
"""

import time

import pytest
from crowd import Crowd
from policy_cases import NO_RECORD, REFUSED, TAKEN
from relay import Relay

UNTRUSTED = {"certificate": "self-signed", "peer": "script"}  # what a taken policy keeps mail from
ENFORCE = {"mode": "enforce"}

# A cached policy, then `changes`; what becomes of the mail that waited for a host the policy can accept (T-15, T-16).
MOVES = {
    "id-and-none": {"sts": {"id": "2", "mode": "none"}},
    "id-and-testing": {"sts": {"id": "2", "mode": "testing"}},
    "id-and-new-host": {"sts": {"id": "2"}, "mx": [{"host": "new", "certificate": "good"}]},
    "id-and-no-mx-key": {"sts": {"id": "2", "mode": "none", "mx": []}},
    "host-mended": {"certificate": "good"},
    "second-host-added": {"mx": ["mx1", {"host": "mx2", "certificate": "good"}], "sts": {"id": "2"}},
}  # fmt: skip

ROUTED = {"routed-to-bad": "smart", "routed-to-plain": "plain-smart"}  # domains and the smart hosts their mail goes to
SHARED = ("shared-loose", "shared-strict")

# What a policy in mode enforce makes of a domain's hosts (§4.1, §4.2): domain, delivered or not, word of the reason.
APPLIED = {
    "listed": ({}, True, ""),
    "listed-in-capitals": ({"sts": {"mx": ["MX1.applied-listed-in-capitals.TEST"]}}, True, ""),
    "wildcard": ({"sts": {"mx": ["*.applied-wildcard.test"]}}, True, ""),
    "wildcard-two-labels": ({"mx": ["a.mx1"], "sts": {"mx": ["*.applied-wildcard-two-labels.test"]}}, False, "is not among those the MTA-STS policy"),
    "wildcard-no-label": ({"sts": {"mx": ["*.mx1.applied-wildcard-no-label.test"]}}, False, "is not among those the MTA-STS policy"),
    "not-listed": ({"sts": {"mx": ["other.test"]}}, False, "is not among those the MTA-STS policy"),
    "other-listed-host": ({"certificate": "other-name", "sts": {"mx": ["mx.elsewhere.test", "*.applied-other-listed-host.test"]}}, False, "it does not name mx1."),
    "second-listed": ({"mx": ["mx1", "mx2"], "sts": {"mx": ["mx2.applied-second-listed.test"]}}, True, ""),
    "second-good": ({"mx": [{"host": "mx1", "certificate": "expired"}, "mx2"]}, True, ""),
    "second-offers-tls": ({"mx": [{"host": "mx1", "starttls": False}, "mx2"]}, True, ""),
    "none-good": ({"mx": [{"host": "mx1", "certificate": "expired"}, {"host": "mx2", "starttls": False}]}, False, ""),
    "alias": ({"mx": [{"host": "mx1", "cname": "mx1.applied-listed.test."}]}, False, "it does not name mx1."),
    "no-mx-record": ({"mx": [], "sts": {"mx": ["applied-no-mx-record.test"]}}, True, ""),
    "clear": ({"starttls": False}, False, "TLS"),
}  # fmt: skip


def filled(domain: str, text):
    return text.replace("{domain}", f"{domain}.test") if isinstance(text, str) else text


def published(domain: str, case) -> dict:
    """Keys of the lab's table that publish what a case says."""
    if hasattr(case, "txt"):
        return {"sts": {**ENFORCE, "txt": case.txt}, "records": list(case.records)}
    return {
        "sts": {**ENFORCE, **{k: filled(domain, v) for k, v in case.sts.items()}},
        "records": [filled(domain, r) for r in case.records],
    }


class World:
    """All cases at once, in two acts: what is published at first, and what is published when mail waits for it."""

    def __init__(self, lab, relay):
        self.lab = lab
        self.crowd = Crowd(lab, relay)
        self.relay = relay
        self.bad = {**REFUSED, **NO_RECORD}
        self.fresh = [f"fresh-{name}" for name in self.bad]
        self.kept = [f"kept-{name}" for name in self.bad]
        self.taken = [f"taken-{name}" for name in TAKEN]
        self.moves = [f"moves-{name}" for name in MOVES]
        self.applied = [f"applied-{name}" for name in APPLIED]
        self.special = ["expires", "vanishes", "sub.has-policy", "xn--bcher-kva", *ROUTED, *SHARED]

    def first_act(self):
        lab, crowd = self.lab, self.crowd
        good = {**UNTRUSTED, "sts": ENFORCE}
        entries = [{"name": f"fresh-{n}", **UNTRUSTED, **published(f"fresh-{n}", c)} for n, c in self.bad.items()]
        entries += [{"name": f"taken-{n}", **UNTRUSTED, **published(f"taken-{n}", c)} for n, c in TAKEN.items()]
        entries += [{"name": n, **good} for n in (*self.kept, *self.moves, "vanishes", "has-policy")]
        entries += [{"name": "expires", **UNTRUSTED, "sts": {**ENFORCE, "max_age": 12}}]
        entries += [{"name": "sub.has-policy", **UNTRUSTED}]
        # S25: a smart host's own policy counts, not that of the mail's domain; S42: names as A-labels
        entries += [{"name": "smart", **good}, {"name": "routed-to-bad", "sts": {"mode": "testing"}}, {"name": "xn--bcher-kva", **good}]
        entries += [{"name": "plain-smart", **UNTRUSTED}, {"name": "routed-to-plain", "sts": ENFORCE}]
        # S25: two domains on one host, of which one forbids it
        entries += [{"name": "shared-host", **UNTRUSTED}]
        entries += [{"name": n, "mx": ["mx1.shared-host.test."], **({"sts": ENFORCE} if n == "shared-strict" else {})} for n in SHARED]
        for name, (keys, _, _) in APPLIED.items():
            domain = {"name": f"applied-{name}", "peer": "script", "sts": dict(ENFORCE), **keys}
            domain["sts"] = {**ENFORCE, **domain["sts"]}
            entries.append(domain)
        lab.change_all(*entries)
        self.relay.start()
        crowd.submit([*self.kept, *self.moves, *[d for d in self.special if d not in SHARED], *self.fresh, *self.taken, *self.applied])
        both = self.relay.submit("anna@home.test", [f"bob@{d}.test" for d in SHARED], "Subject: shared\r\n\r\nsecret-shared\r\n")
        crowd.ids.update(dict.fromkeys(SHARED, both))
        crowd.wait_until(lambda: not set(self.fresh) & set(crowd.queued()))
        crowd.wait_tried([*self.kept, *self.moves, *self.taken, *self.applied, *ROUTED, *SHARED, "vanishes", "xn--bcher-kva"])
        self.cached_first = {e["domain"]: e for e in self.relay.ask("sts", "show")["policies"]}
        self.log_first = self.relay.events()

    def second_act(self):
        lab, crowd = self.lab, self.crowd
        gone = {"txt": False, "address": "none", "id": "2"}
        entries = []
        for name, case in self.bad.items():
            entry = published(f"kept-{name}", case)
            entry["sts"].setdefault("txt", "v=STSv1; id=second;")
            entries.append({"name": f"kept-{name}", **entry})
        entries += [{"name": f"moves-{n}", **changes} for n, changes in MOVES.items()]
        entries += [{"name": n, "sts": gone} for n in ("expires", "vanishes")]
        lab.change_all(*entries)
        refused = {f"kept-{n}.test" for n in REFUSED}
        crowd.wait_until(lambda: refused <= {e["domain"] for e in self.relay.events("sts_fetch_failed", cached="yes")})
        before = crowd.attempts([*self.kept, "vanishes"])
        crowd.wait_tried([*self.kept, "vanishes"], {d: n + 2 for d, n in before.items()})
        crowd.wait_until(lambda: not {*self.moves, "expires"} & set(crowd.queued()))
        self.cached_second = {e["domain"]: e for e in self.relay.ask("sts", "show")["policies"]}
        self.log_second = self.relay.events()

    def said(self, log: list[dict], event: str, domain: str) -> list[dict]:
        return [e for e in log if e.get("event") == event and e.get("domain") == f"{domain}.test"]


@pytest.fixture(scope="module")
def world(lab, tmp_path_factory):
    relay = Relay(
        lab,
        tmp_path_factory.mktemp("policy-hosts"),
        delivery={"hold_first_for_policy": "60s"},  # this is not about who waits how long
        mta_sts={"fetch_limit": "4s"},
        route=[{"domain": f"{domain}.test", "relay": f"{smart}.test:25"} for domain, smart in ROUTED.items()],
    )
    world = World(lab, relay)
    try:
        world.first_act()
        world.second_act()
        yield world
    finally:
        relay.kill()
        helpers = ("has-policy", "smart", "plain-smart", "shared-host")
        names = [*world.fresh, *world.kept, *world.taken, *world.moves, *world.applied, *world.special, *helpers]
        lab.remove(*[n for n in names if n in lab.table.raw])


def in_clear_or_read(lab, domain: str) -> bool:
    """Did any host of the domain see the message?"""
    hosts = lab.table.domains[domain].hosts
    return any(s.mail_in_clear or b"secret" in s.octets("client") for h in hosts for s in lab.sessions(h.name))


@pytest.mark.parametrize("name", REFUSED)
def test_STS10_T14_T19_a_refused_policy_delays_no_mail(world, name):
    case, domain = REFUSED[name], f"fresh-{name}"
    assert len(world.crowd.delivered(domain)) == 1, world.crowd.outcome(domain)
    assert world.crowd.delivered(domain)[0].encrypted
    said = world.said(world.log_first, "sts_fetch_failed", domain)
    assert {(e["type"], e["reason"], e["cached"]) for e in said} == {(case.kind, case.reason, "no")}
    assert case.says in said[0]["detail"] and said[0]["detail"]
    # STS-12: not asked for again within five minutes, whatever comes
    assert len(said) == 1
    assert world.cached_first[f"{domain}.test"]["mode"] == ""


@pytest.mark.parametrize("name", REFUSED)
def test_STS11_T12_T13_a_refused_policy_replaces_none(world, name):
    case, domain = REFUSED[name], f"kept-{name}"
    before, after = (c[f"{domain}.test"] for c in (world.cached_first, world.cached_second))
    said = world.said(world.log_second, "sts_fetch_failed", domain)
    assert {(e["type"], e["reason"], e["id"], e["cached"]) for e in said} == {(case.kind, case.reason, "second", "yes")}
    assert (after["mode"], after["id"], after["mx"]) == ("enforce", "1", [f"mx1.{domain}.test"])
    assert after["expires"] == before["expires"]
    assert (after["failure_streak"], after["last_failure"]) == (1, case.reason)
    assert world.crowd.attempts([domain])[domain] > 1, world.crowd.outcome(domain)
    assert not world.crowd.delivered(domain) and not in_clear_or_read(world.lab, domain)


@pytest.mark.parametrize("name", NO_RECORD)
def test_STS01_STS02_a_record_that_announces_nothing(world, name):
    case, domain = NO_RECORD[name], f"fresh-{name}"
    assert len(world.crowd.delivered(domain)) == 1, world.crowd.outcome(domain)
    assert not world.lab.fetches(f"mta-sts.{domain}.test")
    said = world.said(world.log_first, "sts_record_invalid", domain)
    assert bool(said) == bool(case.says)
    assert all(case.says in e["why"] for e in said)


@pytest.mark.parametrize("name", NO_RECORD)
def test_S7_T12_a_record_that_is_gone_or_broken_weakens_no_cached_policy(world, name):
    domain = f"kept-{name}"
    assert world.crowd.attempts([domain])[domain] > 1, world.crowd.outcome(domain)
    assert world.cached_second[f"{domain}.test"]["expires"] == world.cached_first[f"{domain}.test"]["expires"]
    assert not world.crowd.delivered(domain) and not in_clear_or_read(world.lab, domain)


@pytest.mark.parametrize("name", TAKEN)
def test_STS03_STS04_STS05_unusual_and_right(world, name):
    case, domain = TAKEN[name], f"taken-{name}"
    assert world.crowd.attempts([domain])[domain] > 0, world.crowd.outcome(domain)
    assert not world.crowd.delivered(domain) and not in_clear_or_read(world.lab, domain)
    entry = world.cached_first[f"{domain}.test"]
    assert entry["mode"] == "enforce" and entry["failure_streak"] == 0
    assert {k: entry[k] for k in case.shown} == case.shown


def test_STS06_a_life_beyond_a_year_is_a_year(world):
    entry = world.cached_first["taken-age-beyond-a-year.test"]
    fetched, expires = (time.strptime(entry[k][:19], "%Y-%m-%dT%H:%M:%S") for k in ("fetched", "expires"))
    assert abs(time.mktime(expires) - time.mktime(fetched) - 31557600) <= 3600  # an hour for a zone with summer time


@pytest.mark.parametrize("name", MOVES)
def test_T15_T16_mail_flows_when_its_domain_moves(world, name):
    domain = f"moves-{name}"
    assert world.crowd.ids[domain] and len(world.crowd.delivered(domain)) == 1, world.crowd.outcome(domain)
    tried = [e for e in world.log_second if e.get("id") == world.crowd.ids[domain] and e["event"] in ("deferred", "bounced")]
    assert tried and {e["event"] for e in tried} == {"deferred"}
    if "sts" in MOVES[name]:
        assert world.cached_second[f"{domain}.test"]["id"] == "2"


def test_T12_record_and_policy_host_gone(world):
    assert world.crowd.attempts(["vanishes"])["vanishes"] > 1, world.crowd.outcome("vanishes")
    assert world.cached_second["vanishes.test"]["mode"] == "enforce"
    assert not world.crowd.delivered("vanishes") and not in_clear_or_read(world.lab, "vanishes")


def test_T12_a_policy_rules_to_its_last_second_and_not_longer(world):
    """Its policy host went away; the policy ruled until it expired, which is said, and then the mail went."""
    assert len(world.crowd.delivered("expires")) == 1, world.crowd.outcome("expires")
    expires = world.cached_second["expires.test"]["expires"]  # of the last fetch there was, however slow this machine
    log = [e for e in world.log_second if e.get("id") == world.crowd.ids["expires"]]
    deferred = [e["time"] for e in log if e["event"] == "deferred"]
    delivered = [e["time"] for e in log if e["event"] == "delivered"]
    assert deferred and len(delivered) == 1
    assert delivered[0][:19] >= expires[:19] > deferred[0][:19]
    assert world.said(world.log_second, "sts_policy_expired", "expires")


def test_STS16_a_subdomain_does_not_inherit(world):
    assert len(world.crowd.delivered("sub.has-policy")) == 1, world.crowd.outcome("sub.has-policy")
    assert "sub.has-policy.test" not in world.cached_second


def test_STS16_S25_a_smart_host_has_its_own_policy(world):
    """routed-to-bad: the smart host's policy forbids its own host. routed-to-plain: the smart host has none, and that the
    mail's domain has one is no matter of this hop."""
    assert world.crowd.attempts(["routed-to-bad"])["routed-to-bad"] > 0, world.crowd.outcome("routed-to-bad")
    assert "the MTA-STS policy of smart.test" in world.crowd.queued()["routed-to-bad"]["reason"]
    assert not in_clear_or_read(world.lab, "smart")
    assert len(world.crowd.delivered("routed-to-plain")) == 1, world.crowd.outcome("routed-to-plain")
    assert not world.lab.fetches("mta-sts.routed-to-plain.test")


def test_STS16_S25_two_domains_on_one_host_are_two_transactions(world):
    """One message to both: the domain without a policy gets it, the other's copy stays, whoever's turn was first."""
    assert len(world.crowd.delivered("shared-loose")) == 1, world.crowd.outcome("shared-loose")
    assert world.crowd.attempts(["shared-strict"])["shared-strict"] > 0, world.crowd.outcome("shared-strict")
    assert not world.crowd.delivered("shared-strict")
    commands = [c for s in world.lab.sessions("mx1.shared-host.test") for c in s.commands]
    assert [c for c in commands if c.startswith("RCPT TO")] == ["RCPT TO:<bob@shared-loose.test>"]


def test_S42_an_internationalized_domain(world):
    assert world.crowd.attempts(["xn--bcher-kva"])["xn--bcher-kva"] > 0, world.crowd.outcome("xn--bcher-kva")
    assert {f["host"] for f in world.lab.fetches("mta-sts.xn--bcher-kva.test")} == {"mta-sts.xn--bcher-kva.test"}
    assert world.cached_first["xn--bcher-kva.test"]["mode"] == "enforce"


@pytest.mark.parametrize("name", APPLIED)
def test_STS08_STS13_STS15_T17_which_hosts_a_policy_accepts(world, name):
    _, accepted, reason = APPLIED[name]
    domain = f"applied-{name}"
    if accepted:
        assert len(world.crowd.delivered(domain)) == 1, world.crowd.outcome(domain)
        assert world.crowd.delivered(domain)[0].encrypted
    else:
        assert world.crowd.attempts([domain])[domain] > 0, world.crowd.outcome(domain)
        assert reason in world.crowd.queued()[domain]["reason"]
        assert not world.crowd.delivered(domain) and not in_clear_or_read(world.lab, domain)


def test_S20_S22_how_a_policy_is_asked_for(world):
    """One GET without conditions, cookies or encodings, with the host's name in SNI and Host, by TLS 1.2 or later."""
    asked = world.lab.fetches("mta-sts.taken-plain.test")
    assert [(f["method"], f["uri"], f["http_host"]) for f in asked] == [
        ("GET", "/.well-known/mta-sts.txt", "mta-sts.taken-plain.test")
    ]
    assert asked[0]["tls"] in ("TLSv1.2", "TLSv1.3")
    assert (asked[0]["accept_encoding"], asked[0]["cookie"]) == ("identity", "")
