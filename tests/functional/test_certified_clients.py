# SPDX-License-Identifier: Apache-2.0
"""Clients that show a certificate (docs/client-certificates.md): curl logs in with one, swaks relays with one, openssl shows one."""

import re
import subprocess

import pytest
from lab.world import wait_for
from raw import HELLO, Raw, unverified
from relay import BINARY, Relay, ports

DOORS = ("starttls", "implicit")
MESSAGE = "From: Printer <printer@home.test>\r\nTo: b@certified.test\r\nSubject: {0}\r\n\r\nhi {0}\r\n"
OTHERS = "MAIL FROM:<boss@home.test>"


def certificate(lab, directory, file: str, kind: str, name: str):
    pem = directory / f"{file}.pem"
    pem.touch(0o600)
    pem.write_bytes(lab.certificate(kind, name, "home.test"))
    return pem


def fingerprint(pem, what: str = "certificate") -> str:
    if what == "certificate":
        said = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", pem], capture_output=True, text=True, check=True)
        return said.stdout.strip().partition("=")[2]
    key = subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout
    return subprocess.run(["sha256sum"], input=key, capture_output=True, check=True).stdout.decode().split()[0]


@pytest.fixture(scope="module")
def one(lab, tmp_path_factory):
    """587 and 465, and two that relay, for networks that nobody comes from; the last asks without an authority."""
    lab.change_all({"name": "certified"})
    directory = tmp_path_factory.mktemp("certified")
    pem = certificate(lab, directory, "relay", "good", "relay.home.test")
    shown = {
        "printer": certificate(lab, directory, "printer", "wrong-usage", "printer.home.test"),  # "wrong" is for servers
        "anna": certificate(lab, directory, "anna", "wrong-usage", "email:Anna@home.test"),
        "server": certificate(lab, directory, "server", "good", "printer.home.test"),  # made for servers alone
        "stranger": certificate(lab, directory, "stranger", "self-signed", "printer.home.test"),
        "pinned": certificate(lab, directory, "pinned", "self-signed", "nobody.home.test"),
        "key": certificate(lab, directory, "key", "expired", "nobody.home.test"),
        "branch": certificate(lab, directory, "branch", "wrong-usage", "mail.branches.home.test"),
    }
    doors = {name: next(ports) for name in (*DOORS, "relay", "unnamed")}
    chain = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", shown["branch"].read_text(), re.DOTALL)
    between = directory / "between.pem"
    between.write_text(chain[-1] + "\n")  # the intermediate, which swaks does not send
    asks = {"client_ca": [lab.trust_file, between]}
    listeners = [
        {"address": f"127.0.0.1:{doors['starttls']}", "mode": "submission", **asks},
        {"address": f"127.0.0.1:{doors['implicit']}", "mode": "submissions", **asks},
        {"address": f"127.0.0.1:{doors['relay']}", "allow": ["192.0.2.0/24"], **asks},
        {"address": f"127.0.0.1:{doors['unnamed']}", "allow": ["192.0.2.0/24"], "ask_certificate": True},
    ]
    clients = [
        {"name": "printer.home.test", "user": "printer"},
        {"name": "@home.test"},
        {"name": ["*.branches.home.test", "*.offices.home.test"], "relay": True},
        {"fingerprint": [fingerprint(shown["pinned"]), fingerprint(shown["key"], "key")], "user": "printer", "relay": True},
    ]
    relay = Relay(lab, directory, listener=listeners, tls={"certificate": pem, "key": pem}, client=clients)
    relay.doors, relay.shown = doors, shown
    for user, sender in (("printer", "printer@home.test"), ("anna@home.test", "anna@home.test")):
        add = [BINARY, "--config", relay.config, "user", "add", user, "--generate", "--sender", sender]
        subprocess.run(lab.command(add), capture_output=True, check=True, timeout=60)
    yield relay.start()
    relay.kill()
    lab.remove("certified")


def inside(one, door: str, shows: str = "") -> tuple[Raw, list[str]]:
    """A client inside TLS, and what EHLO offers it."""
    context = unverified()
    if shows:
        context.load_cert_chain(one.shown[shows])
    client = Raw(one.lab, one.doors[door], tls=context if door == "implicit" else None)
    if door != "implicit":
        assert client.say(HELLO).startswith("250")
        client.starttls(context)
    client.send(HELLO.encode() + b"\r\n")
    return client, client.lines()


def mechanisms(offered: list[str]) -> list[str]:
    return next((line.split()[1:] for line in offered if line[4:].startswith("AUTH ")), [])


def arrived(lab, recipient: str) -> bytes:
    found = lambda: [m for m in lab.mail_of("certified.test") if m.recipient == recipient]
    assert wait_for(lambda: bool(found()), 20, 0.1), recipient
    return found()[0].octets


def run(one, command, text: str = "", code: int = 0):
    done = subprocess.run(one.lab.command(command), input=text.encode(), capture_output=True, timeout=60)
    assert (done.returncode == 0) == (code == 0), done
    return done


@pytest.mark.parametrize("door", DOORS)
def test_curl_logs_in_with_a_certificate(one, door):
    scheme = "smtps" if door == "implicit" else "smtp"
    for shows, user, sender in (("printer", "printer", "printer@home.test"), ("anna", "anna@home.test", "anna@home.test")):
        recipient = f"{shows}-{door}@certified.test"
        command = ["curl", "-sS", "--insecure", "--ssl-reqd", f"{scheme}://127.0.0.1:{one.doors[door]}/client.home.test", "--cert", one.shown[shows],
                   "--user", f"{user}:", "--login-options", "AUTH=EXTERNAL", "--mail-from", sender, "--mail-rcpt", recipient, "--upload-file", "-"]  # fmt: skip
        run(one, command, MESSAGE.format(shows).replace("printer@home.test", sender))
        assert b"with ESMTPSA id" in arrived(one.lab, recipient)
        (event,) = [e for e in one.events("authenticated", user=user) if e["mechanism"] == "EXTERNAL"][-1:]
        assert event["tls"] == "TLSv1.3"


@pytest.mark.parametrize("door", DOORS)
def test_EXTERNAL_is_for_who_has_shown_one_that_stands_for_an_account(one, door):
    for shows, user in (("printer", True), ("anna", True), ("pinned", True), ("key", True), ("branch", False), ("server", False), ("stranger", False), ("", False)):
        client, offered = inside(one, door, shows)
        with client:
            assert (mechanisms(offered)[:1] == ["EXTERNAL"]) == user, (shows, offered)
            assert "PLAIN" in mechanisms(offered)
            assert client.say(OTHERS).startswith("530")  # a certificate alone lets nobody send
            assert client.say("AUTH EXTERNAL =").startswith("235" if user else "504"), shows


def test_T60_an_account_has_the_same_rights_by_certificate(one):
    client, _ = inside(one, "starttls", "printer")
    with client:
        assert client.say("AUTH EXTERNAL Ym9zcw==").startswith("535 5.7.8")  # boss
        assert client.say("AUTH EXTERNAL").startswith("334")
        assert client.say("cHJpbnRlcg==").startswith("235")  # printer
        assert client.say(OTHERS).startswith("550 5.7.1")
        assert client.say("MAIL FROM:<printer@home.test>").startswith("250")
    assert one.command("user", "disable", "printer").returncode == 0
    client, _ = inside(one, "implicit", "printer")
    with client:
        assert client.say("AUTH EXTERNAL =").startswith("535 5.7.8")
    assert one.command("user", "enable", "printer").returncode == 0


def swaks(one, door: str, shows: str, recipient: str, relays: bool):
    shown = ["--tls-cert", one.shown[shows], "--tls-key", one.shown[shows]] if shows else []
    command = ["swaks", "--server", "127.0.0.1", "--port", str(one.doors[door]), "--helo", "mail.branches.home.test", "--tls", *shown,
               "--from", "anna@home.test", "--to", recipient]  # fmt: skip
    done = run(one, command, code=0 if relays else 1)
    assert relays or b"550" in done.stdout or b"554" in done.stdout, done.stdout


def test_T30_swaks_relays_with_a_certificate_and_not_without(one):
    for shows in ("branch", "pinned", "key"):
        swaks(one, "relay", shows, f"{shows}@certified.test", relays=True)
        arrived(one.lab, f"{shows}@certified.test")
    for shows in ("", "printer", "anna", "server", "stranger"):
        swaks(one, "relay", shows, "nobody@certified.test", relays=False)
    swaks(one, "unnamed", "pinned", "unnamed@certified.test", relays=True)
    swaks(one, "unnamed", "branch", "nobody@certified.test", relays=False)  # no authority there: no names
    assert not [m for m in one.lab.mail_of("certified.test") if m.recipient.startswith("nobody@")]


def test_T30_in_clear_it_is_a_stranger(one):
    with Raw(one.lab, one.doors["relay"]) as client:
        assert client.say(HELLO).startswith("250")
        assert client.say("MAIL FROM:<anna@home.test>").startswith("250")
        assert client.say("RCPT TO:<b@certified.test>").startswith("55")


def test_openssl_sees_whom_the_listener_trusts(one):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{one.doors['relay']}", "-starttls", "smtp"]
    assert b"Sealpost lab root" in run(one, command, "QUIT\r\n").stdout
    command[3] = f"127.0.0.1:{one.port}"
    assert b"No client certificate CA names sent" in run(one, command, "QUIT\r\n").stdout


def test_T52_a_reload_takes_it_back(one):
    clients = one.settings["client"]
    held, _ = inside(one, "relay", "branch")
    with held:
        assert one.reload_with(client=[clients[0]])["event"] == "reloaded"
        swaks(one, "relay", "branch", "nobody@certified.test", relays=False)
        client, offered = inside(one, "starttls", "anna")
        with client:
            assert "EXTERNAL" not in mechanisms(offered)
        assert held.say("MAIL FROM:<anna@home.test>").startswith("250")  # begun under the former
        assert held.say("RCPT TO:<b@certified.test>").startswith("250")
    one.config.write_text(one.config.read_text() + '\n[[client]]\nname = "a.home.test"\nfingerprint = "abc"\n')
    checked = one.command("check")
    said = checked.stdout + checked.stderr
    assert checked.returncode == 78 and "client.fingerprint" in said and "client.user" in said
    assert one.reload_with(client=clients)["event"] == "reloaded"
    swaks(one, "relay", "branch", "again@certified.test", relays=True)
