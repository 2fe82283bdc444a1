# SPDX-License-Identifier: Apache-2.0
"""A partner that wants to know who sends: client_certificate and client_key of its rule, shown to its hosts alone."""

import pytest

ASKS = {"peer": "script", "asks_certificate": True}


@pytest.fixture(scope="module")
def world(lab):
    lab.change_all(
        {"name": "asks", **ASKS},
        {"name": "asks-too", **ASKS},
        {"name": "asks-beside", "mx": ["mx1.asks.test."]},  # another domain on the partner's host
    )


def identity(lab, directory, host: str) -> dict:
    pem = directory / f"{host}.pem"
    pem.touch(0o600)
    pem.write_bytes(lab.certificate("wrong-usage", host, "home.test"))
    return {"client_certificate": pem, "client_key": pem}


def shown(lab, host: str) -> list[list[str]]:
    return [s.tls["shown"] for s in lab.sessions(host) if s.tls]


def test_T07_it_is_shown_to_the_partner_alone(lab, relay, world, tmp_path):
    rule = {"name": "Asks", "domains": ["asks.test"], "tls": "encrypt", **identity(lab, tmp_path, "relay.home.test")}
    one = relay(partners=[rule])
    for domain in ("asks", "asks-beside", "asks-too", "asks", "asks-beside"):  # same host, idle connections and tickets about
        one.wait_gone(one.submit("a@home.test", f"b@{domain}.test", f"Subject: to {domain}\r\n\r\nx\r\n"))
    for session in lab.sessions("mx1.asks.test"):
        text = session.octets("client", clear=False)
        if b"RCPT TO:<b@asks.test>" in text:
            assert session.tls["shown"] == ["relay.home.test"] and b"asks-beside" not in text
        else:
            assert session.tls["shown"] == []
    assert ["relay.home.test"] in shown(lab, "mx1.asks.test") and [] in shown(lab, "mx1.asks.test")
    assert shown(lab, "mx1.asks-too.test") == [[]]
    assert any("client certificate" in line for line in one.explain("b@asks.test")["trace"])


def test_T52_a_reload_changes_it_or_is_refused(lab, relay, world, tmp_path):
    first, second = (identity(lab, tmp_path, host) for host in ("relay1.home.test", "relay2.home.test"))
    rule = {"name": "Asks too", "domains": ["asks-too.test"], "tls": "verify"}
    one = relay(partners=[{**rule, **first}])
    one.wait_gone(one.submit("a@home.test", "b@asks-too.test", "Subject: 1\r\n\r\nx\r\n"))
    one.write_partners([{**rule, "client_certificate": first["client_certificate"], "client_key": second["client_key"]}])
    one.reload()
    assert_event(one, "reload_refused")
    one.wait_gone(one.submit("a@home.test", "b@asks-too.test", "Subject: 2\r\n\r\nx\r\n"))
    one.write_partners([{**rule, **second}])
    one.reload()
    assert_event(one, "reloaded")
    one.wait_gone(one.submit("a@home.test", "b@asks-too.test", "Subject: 3\r\n\r\nx\r\n"))
    assert [s for s in shown(lab, "mx1.asks-too.test") if s][-1] == ["relay2.home.test"]
    assert ["relay1.home.test"] in shown(lab, "mx1.asks-too.test")


def assert_event(one, name: str):
    from lab.world import wait_for

    assert wait_for(lambda: bool(one.events(name)), 10, 0.1), one.events()


def test_T51_what_is_wrong_with_it_is_said_and_nothing_starts(lab, relay, tmp_path):
    good = identity(lab, tmp_path, "relay.home.test")
    other = identity(lab, tmp_path, "other.home.test")
    rule = {"name": "Asks", "domains": ["asks.test"], "tls": "encrypt"}
    one = relay(partners=[rule])
    for keys, word in [
        ({**good, "client_key": other["client_key"]}, "does not belong"),
        ({"client_certificate": good["client_certificate"]}, "belong together"),
        ({**good, "client_key": "/nowhere.pem"}, "cannot be read"),
    ]:
        one.write_partners([{**rule, **keys}])
        checked = one.command("check")
        assert checked.returncode == 78 and word in checked.stdout + checked.stderr, (keys, checked)
    good["client_key"].chmod(0o644)
    one.write_partners([{**rule, **good}])
    checked = one.command("check")
    assert checked.returncode == 78 and "open to others" in checked.stdout + checked.stderr
