# SPDX-License-Identifier: Apache-2.0
"""on_failure = "reroute:HOST:PORT": after its grace, mail a partner cannot take as it must goes to the gateway."""

import pytest
from lab.world import wait_for


@pytest.fixture(scope="module")
def world(lab):
    lab.change_all(
        {"name": "gw-partner", "peer": "script", "starttls": False},
        {"name": "gw-good", "peer": "script"},
        {"name": "gw-untrusted", "peer": "script", "certificate": "self-signed"},
        {"name": "gw-clear", "peer": "script", "starttls": False},
        {"name": "gw-no-mail", "peer": "script", "script": [{"at": "greeting", "reply": "521 5.3.2 no mail", "then": "close"}]},
    )


def rule(gateway: str, grace: str = "1s", **more) -> dict:
    return {"name": "Noord", "domains": ["gw-partner.test"], "tls": "encrypt", "grace": grace, "on_failure": f"reroute:{gateway}", **more}


def at_gateway(lab, name: str) -> list[bytes]:
    """What has been said there once it was TLS."""
    return [s.octets("client", clear=False) for s in lab.sessions(f"mx1.{name}.test")]


def test_mail_goes_to_the_gateway_encrypted_and_verified(lab, relay, world):
    one = relay(partners=[rule("mx1.gw-good.test:25")])
    id = one.submit("a@home.test", ["b@gw-partner.test", "c@gw-partner.test"], "Subject: x\r\n\r\nfor the gateway\r\n")
    one.wait_gone(id)
    said = b"".join(at_gateway(lab, "gw-good"))
    assert b"RCPT TO:<b@gw-partner.test>" in said and b"RCPT TO:<c@gw-partner.test>" in said and b"for the gateway" in said
    for name in ("gw-good", "gw-partner"):
        assert not any(s.mail_in_clear for s in lab.sessions(f"mx1.{name}.test")), name
    assert {m.recipient for m in lab.mail_of("gw-partner.test")} == {"b@gw-partner.test", "c@gw-partner.test"}
    assert len(one.events("rerouted", id=id, rule="Noord", gateway="[mx1.gw-good.test]:25")) == 1
    delivered = one.events("delivered", id=id)
    assert {(e["mx"], e["verified"]) for e in delivered} == {("mx1.gw-good.test", "verified")}
    assert all("partner:Noord (gateway)" in e["policy"] for e in delivered)


def test_not_before_the_grace_is_over_and_explained(lab, relay, world):
    one = relay(partners=[rule("mx1.gw-good.test:25", grace="1h")])
    before = len(lab.sessions("mx1.gw-good.test"))
    id = one.submit("a@home.test", "b@gw-partner.test", "Subject: x\r\n\r\nx\r\n")
    one.wait_deferred(id, attempts=2)
    assert len(lab.sessions("mx1.gw-good.test")) == before and not one.events("rerouted")
    told = one.explain("b@gw-partner.test")["hosts"][0]["on_failure"]
    assert "retried for 1h, then handed to the gateway mx1.gw-good.test:25" in told and "verified as mx1.gw-good.test" in told


@pytest.mark.parametrize("name", ["gw-untrusted", "gw-clear", "gw-no-mail", "gw-nowhere"])
def test_a_gateway_that_fails_defers_and_gets_nothing(lab, relay, world, name):
    one = relay(partners=[rule(f"mx1.{name}.test:25")])
    id = one.submit("a@home.test", "b@gw-partner.test", "Subject: x\r\n\r\nsecret\r\n")
    assert wait_for(lambda: any(name in e["next_hop"] and e["attempts"] >= 4 for e in one.queue(id)), 20, 0.2), one.queue(id)
    entry = one.queue(id)[0]
    assert entry["state"] in ("deferred", "active", "waiting") and entry["next_hop"] == f"[mx1.{name}.test]:25"
    why = one.command("queue", "why", id).stdout
    assert f"mx1.{name}.test" in why
    assert not any(b"MAIL FROM" in s.octets("client") for s in lab.sessions(f"mx1.{name}.test"))


def test_a_rule_of_its_own_may_ask_otherwise_and_a_reload_takes_it_home(lab, relay, world):
    own = {"name": "Gateway", "domains": ["mx1.gw-untrusted.test"], "tls": "encrypt", "on_failure": "bounce"}
    one = relay(partners=[rule("mx1.gw-clear.test:25"), own])
    id = one.submit("a@home.test", "b@gw-partner.test", "Subject: x\r\n\r\ntaken along\r\n")
    assert wait_for(lambda: any("gw-clear" in e["next_hop"] for e in one.queue(id)), 20, 0.2)
    one.write_partners([rule("mx1.gw-untrusted.test:25"), own])
    one.reload()
    one.wait_gone(id)
    assert b"taken along" in b"".join(at_gateway(lab, "gw-untrusted"))
    assert one.events("delivered", id=id)[0]["policy"].startswith("partner:Gateway")
