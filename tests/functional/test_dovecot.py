# SPDX-License-Identifier: Apache-2.0
"""Accounts whose passwords a real Dovecot looks at (docs/submission.md#a-dovecot): it answers, it does not, and it does again."""

import base64
import smtplib
import socket
import sqlite3
import subprocess
import time

import pytest
from lab.servers.dovecot import ACCOUNTS, ADDRESS
from lab.world import wait_for
from raw import HELLO, Raw, unverified
from relay import BINARY, Relay, ports

PASSWORD = "correct horse 9 battery-staple"
ANNA = "anna@home.test"


def plain(user: str, password: str = PASSWORD) -> str:
    return "AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def inside(one) -> Raw:
    client = Raw(one.lab, one.door, tls=unverified())
    assert client.say(HELLO).startswith("250")
    return client


def log_in(one, user: str, password: str = PASSWORD) -> str:
    with inside(one) as client:
        return client.say(plain(user, password))


def user_command(relay, *words: str):
    done = relay.command("user", *words)
    assert done.returncode == 0, done.stderr


def relay_with(lab, directory, socket_name: str, timeout: str) -> Relay:
    pem = directory / "relay.pem"
    pem.touch(0o600)
    pem.write_bytes(lab.certificate("good", "relay.home.test", "home.test"))
    door, clear_door, proxied = next(ports), next(ports), next(ports)
    listeners = [
        {"address": f"127.0.0.1:{door}", "mode": "submissions"},
        {"address": f"127.0.0.1:{clear_door}", "mode": "submission"},
        {"address": f"127.0.0.1:{proxied}", "mode": "submissions", "proxy_protocol": ["127.0.0.0/8"]},
    ]
    dovecot = {"socket": socket_name, "timeout": timeout}
    relay = Relay(lab, directory, listener=listeners, tls={"certificate": pem, "key": pem}, auth={"messages": 3, "dovecot": dovecot})
    relay.door, relay.clear_door, relay.proxied = door, clear_door, proxied
    user_command(relay, "add", "post", "--no-password", "--sender", "post@home.test", "--messages", "1")
    user_command(relay, "add", "closed@home.test", "--no-password")
    user_command(relay, "disable", "closed@home.test")
    return relay


@pytest.fixture(scope="module")
def one(lab, tmp_path_factory):
    lab.change_all({"name": "accounts"})
    relay = relay_with(lab, tmp_path_factory.mktemp("dovecot"), str(lab.servers["dovecot"].socket), "5s")
    yield relay.start()
    relay.kill()
    lab.remove("accounts")


def test_T05_PLAIN_and_LOGIN_are_offered_inside_TLS_and_nothing_else(one):
    with inside(one) as client:
        client.send(HELLO.encode() + b"\r\n")
        assert "250-AUTH PLAIN LOGIN" in client.lines()
        assert client.say("AUTH SCRAM-SHA-256").startswith("504")
    with Raw(one.lab, one.clear_door) as client:
        client.send(HELLO.encode() + b"\r\n")
        assert not any("AUTH" in line for line in client.lines())
        assert client.say(plain(ANNA)).startswith("538 5.7.11")


def test_who_Dovecot_knows_is_let_in_as_whom_it_names_and_nobody_else(one):
    for user in (ANNA, "Anna@home.test", "alias", "post"):
        assert log_in(one, user).startswith("235"), user
    names = {e["user"] for e in one.events("authenticated")}
    assert wait_for(lambda: {e["user"] for e in one.events("authenticated")} == {ANNA, "post"}, 10, 0.1), names
    for user, password in ((ANNA, "wrong"), ("nobody@home.test", PASSWORD), ("closed@home.test", PASSWORD), ("locked@home.test", PASSWORD)):
        assert log_in(one, user, password).startswith("535 5.7.8"), user
    assert ACCOUNTS["locked@home.test"][0] == PASSWORD


def test_T60_an_account_without_a_row_sends_as_itself_and_one_with_a_row_as_it_says(one):
    with one.lab.entered():
        client = smtplib.SMTP("127.0.0.1", one.clear_door, "client.home.test", timeout=30)
    client.starttls(context=unverified())
    client.login(ANNA, PASSWORD)
    assert client.mail("ceo@home.test")[0] == 550
    for number, code in ((1, 250), (2, 250), (3, 250), (4, 451)):
        assert client.mail(ANNA)[0] == 250
        assert client.rcpt("b@accounts.test")[0] == 250
        assert client.docmd("DATA")[0] == (354 if code == 250 else 451), number
        if code == 250:
            client.send(f"From: {ANNA}\r\nSubject: {number}\r\n\r\nhi\r\n.\r\n")
            assert client.getreply()[0] == 250
    client.quit()
    assert wait_for(lambda: len(one.lab.mail_of("accounts.test")) >= 3, 20, 0.1)
    with inside(one) as post:
        assert post.say(plain("post")).startswith("235")
        assert post.say(f"MAIL FROM:<{ANNA}>").startswith("550")
        assert post.say("MAIL FROM:<post@home.test>").startswith("250")


def test_clients_of_others_log_in(one):
    swaks = ["swaks", "--server", "127.0.0.1", "--port", str(one.door), "--tls-on-connect", "--auth", "LOGIN", "--auth-user", "post",
             "--auth-password", PASSWORD, "--from", "post@home.test", "--to", "swaks@accounts.test", "--quit-after", "AUTH"]  # fmt: skip
    done = subprocess.run(one.lab.command(swaks), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "235" in done.stdout, done.stdout
    message = one.directory / "curl.eml"
    message.write_text("From: post@home.test\r\nTo: curl@accounts.test\r\nSubject: curl\r\n\r\nhi\r\n")
    curl = ["curl", "-sS", "-k", f"smtps://127.0.0.1:{one.door}", "--mail-from", "post@home.test", "--mail-rcpt", "curl@accounts.test",
            "--user", f"post:{PASSWORD}", "--login-options", "AUTH=PLAIN", "-T", str(message)]  # fmt: skip
    done = subprocess.run(one.lab.command(curl), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert wait_for(lambda: any(m.recipient == "curl@accounts.test" for m in one.lab.mail_of("accounts.test")), 20, 0.1)


def test_T33_passwords_stand_in_no_log_and_no_file(one):
    wrong = "wrong canary 4711"
    assert log_in(one, "post", wrong).startswith("535")
    assert wait_for(lambda: bool(one.events("auth_failed", user="post")), 10, 0.1)
    written = [one.log, one.directory / "sealpost.out", one.lab.log_of("dovecot")]
    for path in [*written, *one.data.rglob("*")]:
        if path.is_file():
            octets = path.read_bytes()
            for secret in (wrong, PASSWORD):
                assert secret.encode() not in octets, path
                assert base64.b64encode(secret.encode())[4:20] not in octets, path
    with sqlite3.connect(one.data / "users.db") as file:
        assert file.execute("SELECT count(*) FROM user WHERE hash NOT LIKE '$y$%'").fetchone() == (0,)


def test_a_Dovecot_that_is_stopped_puts_logins_off_and_started_again_takes_them(one):
    init = one.lab
    with inside(one) as client:  # the connection to Dovecot is there before it goes
        assert log_in(one, "post").startswith("235")
        init.signal("dovecot", 15)
        assert wait_for(lambda: init.status()["dovecot"] != "running", 10, 0.1)
        # It goes on for who is connected, which we are for ten seconds.
        assert wait_for(lambda: log_in(one, "post").startswith("454 4.7.0"), 30, 0.5)
        before = time.monotonic()
        assert client.say(plain("post")).startswith("454 4.7.0")
        assert client.say(plain("post", "wrong")).startswith("454 4.7.0")  # nor is anybody refused
        assert time.monotonic() - before < 5
        assert any(t["cause"] == "accounts in Dovecot" for t in one.ask("status")["troubles"])
        init.restart("dovecot")
        init.wait_until_listening()
        assert client.say(plain("post")).startswith("235")
        assert client.say("MAIL FROM:<post@home.test>").startswith("250")
    assert not any(t["cause"] == "accounts in Dovecot" for t in one.ask("status")["troubles"])


def test_one_that_takes_the_connection_and_says_nothing_is_waited_for_as_long_as_was_said(lab, tmp_path):
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(str(tmp_path / "auth"))
    silent.listen(8)
    relay = relay_with(lab, tmp_path, str(tmp_path / "auth"), "2s")
    relay.start()
    try:
        with inside(relay) as client:
            before = time.monotonic()
            assert client.say(plain("post")).startswith("454 4.7.0")
            assert 1.9 < time.monotonic() - before < 5
    finally:
        relay.kill()
        silent.close()


def test_over_loopback_and_no_further(lab, tmp_path):
    relay = relay_with(lab, tmp_path, f"inet:{ADDRESS[0]}:{ADDRESS[1]}", "5s")
    relay.start()
    try:
        assert log_in(relay, "post").startswith("235")
    finally:
        relay.kill()
    relay.change(auth={"dovecot": {"socket": "inet:192.0.2.1:12345"}})
    done = subprocess.run([BINARY, "--config", relay.config, "check"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0 and "never go there in clear" in " ".join((done.stdout + done.stderr).split())


def test_T32_a_name_that_nobody_has_takes_as_long_as_a_wrong_password_and_a_closed_account(one):
    """Dovecot keeps its no back for up to a second; from another network each time, so that our own brakes stay out of it."""
    took: dict[str, list[float]] = {"post": [], "nobody@home.test": [], "closed@home.test": []}
    for number in range(8):
        for place, (name, times) in enumerate(took.items()):
            header = f"PROXY TCP4 198.{18 + place}.{number}.1 127.0.0.1 40000 465\r\n"
            with Raw(one.lab, one.proxied, first=header.encode(), tls=unverified()) as client:
                assert client.say(HELLO).startswith("250")
                before = time.monotonic()
                assert client.say(plain(name, PASSWORD if name.startswith("closed") else "wrong")).startswith("535 5.7.8")
                times.append(time.monotonic() - before)
    means = {name: sum(times) / len(times) for name, times in took.items()}
    assert max(means.values()) - min(means.values()) < 0.4, took
