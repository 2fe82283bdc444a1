# SPDX-License-Identifier: Apache-2.0
"""Every real client in each way it knows (drivers.py), and docs/compatibility.md, which says so."""

import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
from drivers import CASES, CLIENTS, PAGE, Way, page
from lab.world import wait_for
from relay import BINARY, Relay, ports

PASSWORD = "correct horse battery staple"
BODY = "first\n\n.\n..\n.dot\nlast\n"
TAKES_UTF8 = "compatible-utf8"


@pytest.fixture(scope="module")
def one(lab):
    """587, 465, and a listener that relays for who shows a certificate; the first relays for this machine."""
    lab.change_all(
        {"name": "compatible"},
        {"name": TAKES_UTF8, "peer": "script", "ehlo": ["8BITMIME", "SMTPUTF8"], "ehlo_tls": ["8BITMIME", "SMTPUTF8"]},
    )
    # Exim and Postfix give up root and read what is theirs below; nobody but root comes into a directory of pytest's.
    with tempfile.TemporaryDirectory(prefix="sealpost-compatible-") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        yield from served(lab, directory)


def served(lab, directory):
    pem, client = directory / "relay.pem", directory / "client.pem"
    for file, kind, name in ((pem, "good", "relay.home.test"), (client, "wrong-usage", "client.home.test")):
        file.touch(0o600)
        file.write_bytes(lab.certificate(kind, name, "home.test"))
    between = directory / "between.pem"
    between.write_text(re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", client.read_text(), re.DOTALL)[-1] + "\n")
    doors = {name: next(ports) for name in ("starttls", "implicit", "certificate")}
    asks = {"client_ca": [lab.trust_file, between]}
    listeners = [
        {"address": f"127.0.0.1:{doors['starttls']}", "mode": "submission", **asks},
        {"address": f"127.0.0.1:{doors['implicit']}", "mode": "submissions", **asks},
        {"address": f"127.0.0.1:{doors['certificate']}", "allow": ["192.0.2.0/24"], **asks},
    ]
    clients = [{"name": "client.home.test", "user": "anna", "relay": True}]
    relay = Relay(lab, directory, listener=listeners, tls={"certificate": pem, "key": pem}, client=clients)
    relay.doors, relay.certificate = {**doors, "clear": relay.port, "relay-starttls": relay.port}, client
    add = lab.command([BINARY, "--config", relay.config, "user", "add", "anna", "--password-stdin", "--sender", "anna@home.test"])
    subprocess.run(add, input=PASSWORD.encode(), capture_output=True, check=True, timeout=60)
    yield relay.start()
    relay.kill()
    lab.remove("compatible", TAKES_UTF8)


@pytest.fixture
def place(one):
    """A directory for one of them."""
    path = pathlib.Path(tempfile.mkdtemp(dir=one.directory))
    path.chmod(0o755)
    return path


def body_for(client: str, way: str) -> str:
    """Jakarta Mail 2.0 doubles dots in chunks, too, which nobody who takes them can undo."""
    if way != "bdat":
        return BODY
    return (BODY.replace(".", "") if client == "Jakarta Mail" else BODY) + ("x" * 60 + "\n") * 300


def told(one, client: str, way: str) -> Way:
    """What the column asks for."""
    serial = f"{list(CLIENTS).index(client)}-{way}"
    mechanism = {"starttls": "PLAIN", "implicit": "PLAIN", "plain": "PLAIN", "login": "LOGIN", "scram": "SCRAM-SHA-256", "external": "EXTERNAL"}.get(way, "")
    door = way if way in one.doors else "implicit" if mechanism else "clear"
    tls = {"clear": "", "relay-starttls": "starttls", "certificate": "starttls"}.get(door, door)
    domain, local = ("compatible", "bob") if way != "utf8" else (TAKES_UTF8, "bøb")
    return Way(one.doors[door], tls, mechanism, "anna" if mechanism else "", PASSWORD if mechanism and way != "external" else "",
               str(one.certificate) if way in ("certificate", "external") else "", way == "utf8", way == "bdat",
               recipient=f"{local}-{serial}@{domain}.test", subject=serial, body=body_for(client, way))  # fmt: skip


@pytest.mark.parametrize("client, way", CASES, ids=[f"{c} {w}" for c, w in CASES])
def test_SMTP09_a_real_client_hands_in_mail_in_each_way_it_knows(lab, one, place, client, way):
    needs = CLIENTS[client].needs
    if needs and not shutil.which(needs):
        pytest.skip(f"{needs} is not installed")
    asked = told(one, client, way)
    CLIENTS[client].send(lab, asked, place)
    domain = asked.recipient.partition("@")[2]
    found = lambda: [m for m in lab.mail_of(domain) if m.message["Subject"] == asked.subject]
    assert wait_for(lambda: bool(found()), 25, 0.1)
    (mail,) = found()
    assert mail.octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2].rstrip(b"\n").decode() == asked.body.rstrip("\n")
    received = " ".join(" ".join(mail.message.get_all("Received")).split())
    if asked.auth:
        assert f"with {'UTF8' if asked.utf8 else ''}ESMTPSA id" in received
        assert one.events("authenticated", user="anna", mechanism=asked.auth)
    elif asked.tls:
        assert "with ESMTPS id" in received
    if asked.utf8:
        said = lab.sessions(f"mx1.{TAKES_UTF8}.test")
        assert any(f"RCPT TO:<{asked.recipient}>".encode() in s.octets("client") for s in said)


def test_the_page_says_what_was_proven():
    assert PAGE.read_text() == page(), "run python3 tests/functional/drivers.py"
