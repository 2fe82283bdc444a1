# SPDX-License-Identifier: Apache-2.0
"""Where the relay goes and where it does not: T-20, T-39, T-41 and the order of hosts."""

import socket

import pytest
from lab.world import wait_for
from relay import to_toml

PRIVATE = {
    "ten": "10.99.0.25", "shared": "100.64.0.25", "link-local": "169.254.169.254", "class-b": "172.16.0.25",
    "class-c": "192.168.0.25", "documentation": "192.0.2.25", "benchmark": "198.18.0.25", "unique-local": "fd00::25",
    "nat64": "64:ff9b::2c80:100", "six-to-four": "2002:2c80:100::25", "documentation-v6": "2001:db8::25",
}  # fmt: skip
# Nobody could listen there in the world; the relay must not even try its own loopback.
UNREACHABLE = {"loopback": "127.0.0.1", "loopback-v6": "::1", "mapped": "::ffff:127.0.0.1", "any": "0.0.0.0", "multicast": "224.0.0.25"}  # fmt: skip


@pytest.fixture(scope="module")
def private_domains(lab):
    entries = [{"name": f"at-{n}", "peer": "script", "mx": [{"host": "mx1", "address": [a]}]} for n, a in PRIVATE.items()]
    lab.change_all(*entries)
    # Declared as records: the lab opens no listener for these.
    lab.change_all(
        *[
            {"name": f"at-{n}", "mx": ["mx1.nothing.test."], "records": [f"@ MX 5 mx.at-{n}.test.", f"mx {'AAAA' if ':' in a else 'A'} {a}"]}
            for n, a in UNREACHABLE.items()
        ]
    )  # fmt: skip
    yield
    for name in [*PRIVATE, *UNREACHABLE]:
        lab.table.remove(f"at-{name}")
    lab.apply()


def bounce_of(lab, sender: str):
    found = [m for m in lab.mail_of("home.test") if m.recipient == sender]
    return found[0] if found else None


@pytest.fixture
def own_port_25(lab):
    """Whoever connects to port 25 of the relay's own machine, whatever name the address has, is seen here."""
    with lab.entered():
        sockets = [socket.create_server(("0.0.0.0", 25)), socket.create_server(("::", 25), family=socket.AF_INET6)]
    for one in sockets:
        one.setblocking(False)
    yield sockets
    for one in sockets:
        one.close()


def nobody_came(listening: socket.socket) -> bool:
    try:
        listening.accept()[0].close()
    except BlockingIOError:
        return True
    return False


def test_T20_not_one_connection_to_forbidden_addresses(lab, relay, private_domains, own_port_25):
    """Each of them ends for good and at once; every address where a connection could be seen saw none."""
    one = relay()
    names = [*PRIVATE, *UNREACHABLE]
    for name in names:
        one.submit(f"t20-{name}@home.test", f"b@at-{name}.test", "Subject: x\r\n\r\nx\r\n")
    for name in names:
        assert wait_for(lambda: bounce_of(lab, f"t20-{name}@home.test"), 20), (name, one.queue())
        assert "Status: 5.4.4" in bounce_of(lab, f"t20-{name}@home.test").octets.decode()
    for name in PRIVATE:
        assert lab.sessions(f"mx1.at-{name}.test") == [], name
    assert all(nobody_came(listening) for listening in own_port_25)
    with lab.entered():  # the ears hear
        socket.create_connection(("127.0.0.1", 25)).close()
    assert not nobody_came(own_port_25[0])


def test_T20_unless_the_operator_allows_it(lab, relay, private_domains):
    one = relay(delivery={"allow_destinations": ["10.99.0.0/16", "fd00::/8"]})
    for name in ("ten", "unique-local"):
        id = one.submit("a@home.test", f"b@at-{name}.test", "Subject: allowed\r\n\r\nx\r\n")
        one.wait_gone(id)
        assert lab.mail_of(f"at-{name}.test")


def test_T20_policy_host_on_a_private_address(lab, relay):
    """The policy cannot be had, so there is none (RFC 8461 §3.3); nobody was asked for it."""
    lab.change("private-policy", sts={"address": "private"})
    one = relay()
    one.wait_gone(one.submit("a@home.test", "b@private-policy.test", "Subject: x\r\n\r\nx\r\n"))
    assert lab.mail_of("private-policy.test")


def test_T39_mx_that_is_the_relay_itself(lab, relay):
    """Every MX at or behind ourselves is dropped; with none left the mail loops, so it bounces (5.4.6)."""
    lab.change("at-self", mx=["relay.home.test."])
    lab.change("home", records=["relay A 44.128.254.2"])
    one = relay()
    one.submit("t39@home.test", "b@at-self.test", "Subject: x\r\n\r\nx\r\n")
    assert wait_for(lambda: bounce_of(lab, "t39@home.test"), 15)
    assert "5.4.6" in bounce_of(lab, "t39@home.test").octets.decode()


def test_T41_a_resolver_that_denies_everything_bounces_nothing(lab, relay):
    lab.change_all(*[{"name": f"denied{n}", "peer": "script"} for n in range(40)])
    one = relay(dns={"servers": ["127.0.0.2"]})
    try:
        for n in range(20):  # the resolver is known to work
            one.wait_gone(one.submit("t41@home.test", f"a@denied{n}.test", "Subject: before\r\n\r\nx\r\n"))
        lab.dns_rules({"do": "nxdomain"})
        ids = [one.submit("t41@home.test", f"b@denied{n}.test", "Subject: during\r\n\r\nx\r\n") for n in range(20, 40)]
        assert wait_for(lambda: all(e["attempts"] >= 1 for id in ids for e in one.queue(id)), 30)
    finally:
        lab.dns_rules()
    for id in ids:
        one.wait_gone(id, 60)
    bounced = [m for m in lab.mail_of("home.test") if m.recipient == "t41@home.test"]
    delivered = [n for n in range(20, 40) if lab.mail_of(f"denied{n}.test")]
    assert len(delivered) == 20 and not bounced


def test_a_host_that_is_silent_does_not_hold_up_the_next(lab, relay):
    lab.change("slow-first", mx=[{"host": "mx1", "address": "silent"}, "mx2"])
    one = relay(delivery={"timeouts": {"connect": "2s"}})
    one.wait_gone(one.submit("a@home.test", "b@slow-first.test", "Subject: x\r\n\r\nx\r\n"), 15)
    assert lab.mail_of("slow-first.test")


@pytest.mark.parametrize("name, status", [("lame", "4.4.3"), ("bogus", "4.4.3")])
def test_a_zone_that_fails_defers(relay, name, status):
    one = relay()
    entry = one.wait_deferred(one.submit("a@home.test", f"b@x.{name}.test", "Subject: x\r\n\r\nx\r\n"))
    assert entry["state"] == "deferred" and f"x.{name}.test" in entry["reason"]


def test_a_rate_holds_mail_back_and_says_so_and_a_reload_lets_it_go(lab, relay):
    one = relay(limit=[{"domain": "clear.test", "rate": "1/d"}])
    one.wait_gone(one.submit("a@home.test", "b@clear.test", "Subject: first\r\n\r\nx\r\n"))
    second = one.submit("a@home.test", "b@clear.test", "Subject: second\r\n\r\nx\r\n")
    why = 'limit domain = "clear.test" lets 1/d leave'
    assert wait_for(lambda: why in one.command("queue", "why", second).stdout, 20), one.command("queue", "why", second).stdout
    assert [entry["attempts"] for entry in one.queue(second)] == [0]
    other = one.submit("a@home.test", "b@plain.test", "Subject: other\r\n\r\nx\r\n")
    one.wait_gone(other)
    assert one.queue(second)
    one.settings["limit"] = [{"domain": "clear.test", "rate": "1000/s"}]
    one.config.write_text(to_toml(one.settings))
    one.reload()
    one.wait_gone(second)
