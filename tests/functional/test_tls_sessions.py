# SPDX-License-Identifier: Apache-2.0
"""STARTTLS as both sides of a session have it (RFC 3207): what came in clear is forgotten, and never run.

TLS-01 and TLS-03 at our own listener; TLS-03 and TLS-04 towards hosts. TLS-02, TLS-08 and the other ways of
stripping are in test_stripping.py, TLS-05 to TLS-07 in test_requiretls.py.
"""

import socket
import ssl

import pytest
from crowd import Crowd
from relay import Relay

VERSIONS = {
    # name: the host's settings, the partner's minimum (none: no rule), is mail delivered
    "1.1-opportunistic": ({"tls_maximum": "1.1"}, "", True),
    "1.1-enforce": ({"tls_maximum": "1.1", "sts": {"mode": "enforce"}}, "", False),
    "1.1-dane": ({"tls_maximum": "1.1", "tlsa": ["3 1 1"]}, "", False),
    "1.2-opportunistic": ({"tls_maximum": "1.2"}, "", True),
    "1.2-minimum-1.2": ({"tls_maximum": "1.2"}, "1.2", True),
    "1.2-minimum-1.3": ({"tls_maximum": "1.2"}, "1.3", False),
    "1.3-minimum-1.3": ({"tls_minimum": "1.3"}, "1.3", True),
}  # fmt: skip
# What a host says in clear must not count once TLS is up, and what it says inside must.
FORGOTTEN = {
    "size-in-clear": {"ehlo": ["STARTTLS", "SIZE 10"], "ehlo_tls": ["SIZE 1000000"]},
    "pipelining-in-clear": {"ehlo": ["STARTTLS", "PIPELINING"], "ehlo_tls": ["SIZE 1000000"]},
    "8bitmime-in-clear": {"ehlo": ["STARTTLS", "8BITMIME"], "ehlo_tls": []},
    "starttls-inside-too": {"ehlo": ["STARTTLS"], "ehlo_tls": ["STARTTLS", "SIZE 1000000"]},
}  # fmt: skip


def label(name: str) -> str:
    return f"session-{name.replace('.', '-')}"


@pytest.fixture(scope="module")
def played(lab, tmp_path_factory):
    pem = tmp_path_factory.mktemp("identity") / "relay.pem"
    pem.touch(0o600)
    pem.write_bytes(lab.certificate("good", "relay.home.test", "home.test"))
    entries = [{"name": label(n), "peer": "script", **keys} for n, (keys, _, _) in VERSIONS.items()]
    entries += [{"name": label(n), "peer": "script", **keys} for n, keys in FORGOTTEN.items()]
    lab.change_all(*entries)
    partners = [
        {"name": f"At least {least}", "tls": "encrypt", "minimum": least, "on_failure": "defer",
         "domains": [f"{label(n)}.test" for n, (_, minimum, _) in VERSIONS.items() if minimum == least]}
        for least in ("1.2", "1.3")
    ]  # fmt: skip
    relay = Relay(lab, tmp_path_factory.mktemp("sessions"), partners=partners, tls={"certificate": pem, "key": pem})
    crowd = Crowd(lab, relay.start())
    try:
        crowd.submit(e["name"] for e in entries)
        kept = {label(n) for n, (_, _, delivered) in VERSIONS.items() if not delivered}
        crowd.wait_until(lambda: set(crowd.queued()) <= kept)
        crowd.wait_tried(kept, 2)
        yield crowd
    finally:
        relay.kill()
        lab.remove(*[e["name"] for e in entries])


@pytest.mark.parametrize("name", VERSIONS)
def test_TLS04_versions(lab, played, name):
    keys, _, delivered = VERSIONS[name]
    domain = label(name)
    sessions = lab.sessions(f"mx1.{domain}.test")
    if not delivered:
        assert played.attempts([domain])[domain] > 1, played.outcome(domain)
        assert not any(s.mail_in_clear or b"secret" in s.octets("client") for s in sessions)
        return
    assert len(played.delivered(domain)) == 1, played.outcome(domain)
    if keys.get("tls_maximum") == "1.1":  # in clear then, but on a connection of its own (RFC 3207 §4)
        assert not played.delivered(domain)[0].encrypted and len(sessions) > 1
        assert not any(b"STARTTLS" in s.octets("client") and s.mail_in_clear for s in sessions)
    else:
        wanted = f"TLSv{keys.get('tls_maximum') or keys.get('tls_minimum')}"
        assert {s.tls["tls"] for s in sessions if s.tls} == {wanted}


@pytest.mark.parametrize("name", FORGOTTEN)
def test_TLS03_T04_what_a_host_said_in_clear_is_forgotten(lab, played, name):
    domain = label(name)
    assert len(played.delivered(domain)) == 1, played.outcome(domain)
    assert played.delivered(domain)[0].encrypted
    (session,) = [s for s in lab.sessions(f"mx1.{domain}.test") if s.tls]
    inside = session.octets("client", clear=False)
    assert inside.startswith(b"EHLO ") and inside.count(b"EHLO ") == 1
    assert b"STARTTLS" not in inside
    assert (b" SIZE=" in inside) == ("SIZE 1000000" in FORGOTTEN[name]["ehlo_tls"])
    assert b"BODY=" not in inside
    pieces = [e["octets"] for e in session.events if e.get("from") == "client" and not e["clear"]]
    assert not any("MAIL FROM" in p and "RCPT TO" in p for p in pieces)  # nobody offered PIPELINING inside


class Client:
    """A client that does what none should."""

    def __init__(self, lab, relay):
        self.socket = lab.connect("127.0.0.1", relay.port)
        self.file = self.socket.makefile("rb")
        self.reply()

    def reply(self) -> bytes:
        text = b""
        while line := self.file.readline():
            text += line
            if line[3:4] != b"-":
                break
        return text

    def say(self, octets: bytes) -> bytes:
        self.socket.sendall(octets)
        return self.reply()

    def starttls(self):
        assert self.say(b"STARTTLS\r\n").startswith(b"220")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname="relay.home.test")
        self.file = self.socket.makefile("rb")


@pytest.mark.parametrize("behind", [b"MAIL FROM:<a@home.test>\r\n", b"NOOP\r\n", b"x", b"\r\n"])
def test_TLS01_what_is_sent_behind_STARTTLS_is_never_run(lab, played, behind):
    client = Client(lab, played.relay)
    client.say(b"EHLO client.home.test\r\n")
    client.socket.sendall(b"STARTTLS\r\n" + behind)
    client.socket.settimeout(10)
    left = b""
    try:
        while piece := client.socket.recv(4096):
            left += piece
    except ConnectionResetError:
        pass
    except socket.timeout:
        pytest.fail("the connection is still open")
    assert b"250" not in left  # nothing of it was answered


def test_TLS03_T04_our_listener_forgets_what_came_in_clear(lab, played):
    client = Client(lab, played.relay)
    assert b"STARTTLS" in client.say(b"EHLO client.home.test\r\n")
    assert client.say(b"MAIL FROM:<a@home.test>\r\n").startswith(b"250")
    assert client.say(b"RCPT TO:<b@home.test>\r\n").startswith(b"250")
    assert client.say(b"STARTTLS now\r\n").startswith(b"501")
    client.starttls()
    assert client.say(b"RCPT TO:<b@home.test>\r\n").startswith(b"503")
    assert client.say(b"DATA\r\n").startswith(b"503")
    assert client.say(b"MAIL FROM:<a@home.test>\r\n").startswith(b"503")  # a new EHLO first
    offered = client.say(b"EHLO client.home.test\r\n")
    assert offered.startswith(b"250") and b"STARTTLS" not in offered
    assert client.say(b"STARTTLS\r\n").startswith(b"503")
    assert client.say(b"MAIL FROM:<a@home.test>\r\n").startswith(b"250")
