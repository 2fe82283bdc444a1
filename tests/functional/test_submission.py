# SPDX-License-Identifier: Apache-2.0
"""Submission on 587 and 465 (docs/submission.md): real clients log in and send, and nobody else does."""

import base64
import hashlib
import hmac
import re
import shutil
import smtplib
import subprocess

import pytest
from lab.world import wait_for
from raw import HELLO, Raw, unverified
from relay import BINARY, Relay, ports

PASSWORD = "correct horse 9 battery-staple"
WRONG = "wrong horse 9 battery-staple"
MESSAGE = "From: Anna <anna@home.test>\r\nTo: b@accounts.test\r\nBcc: hidden@accounts.test\r\nSubject: {0}\r\n\r\nhi {0}\r\n"
DOORS = ("starttls", "implicit")


def add_user(one, name: str, *words: str):
    command = one.lab.command([BINARY, "--config", one.config, "user", "add", name, "--password-stdin", *words])
    done = subprocess.run(command, input=PASSWORD + "\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def one(lab, tmp_path_factory):
    """587, 465, both behind a load balancer, and one that only another network may use; the first listener relays."""
    lab.change_all({"name": "accounts"})
    directory = tmp_path_factory.mktemp("submission")
    pem = directory / "relay.pem"
    pem.touch(0o600)
    pem.write_bytes(lab.certificate("good", "relay.home.test", "home.test"))
    doors = {name: next(ports) for name in ("starttls", "implicit", "proxied", "proxied_implicit", "elsewhere")}
    behind = {"proxy_protocol": ["127.0.0.0/8"]}
    listeners = [
        {"address": f"127.0.0.1:{doors['starttls']}", "mode": "submission"},
        {"address": f"127.0.0.1:{doors['implicit']}", "mode": "submissions"},
        {"address": f"127.0.0.1:{doors['proxied']}", "mode": "submission", **behind},
        {"address": f"127.0.0.1:{doors['proxied_implicit']}", "mode": "submissions", **behind},
        {"address": f"127.0.0.1:{doors['elsewhere']}", "mode": "submission", "allow": ["192.0.2.0/24"]},
    ]
    relay = Relay(lab, directory, listener=listeners, tls={"certificate": pem, "key": pem})
    relay.doors = doors
    add_user(relay, "anna", "--sender", "anna@home.test", "--sender", "@anna.test")
    add_user(relay, "anybody")
    add_user(relay, "once", "--messages", "1")
    yield relay.start()
    relay.kill()
    lab.remove("accounts")


def inside(one, door: str) -> Raw:
    """A client inside TLS that has said EHLO."""
    client = Raw(one.lab, one.doors[door], tls=unverified() if door == "implicit" else None)
    assert client.greeting.startswith("220")
    assert client.say(HELLO).startswith("250")
    if door == "starttls":
        client.starttls(unverified())
        assert client.say(HELLO).startswith("250")
    return client


def plain(user: str, password: str = PASSWORD) -> str:
    return "AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def arrived(lab, recipient: str):
    def found():
        return [m for m in lab.mail_of("accounts.test") if m.recipient == recipient]

    assert wait_for(lambda: bool(found()), 20, 0.1), recipient
    (mail,) = found()
    return mail


# ---- nobody without AUTH


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("line", ["MAIL FROM:<anna@home.test>", "MAIL FROM:<>", "RCPT TO:<b@accounts.test>", "RCPT TO:<postmaster>", "DATA", "BDAT 3 LAST\r\nx", "VRFY b", "HELP"])
def test_SMTP11_T30_inside_TLS_nobody_sends_without_AUTH(one, door, line):
    with inside(one, door) as client:
        assert client.say(line).startswith("530 5.7.0")
        assert client.say("NOOP").startswith("250") and client.say("RSET").startswith("250")
        assert client.say(line).startswith("530 5.7.0")


def test_T05_T12_in_clear_nothing_is_taken_and_AUTH_is_not_even_offered(one):
    with Raw(one.lab, one.doors["starttls"]) as client:
        client.send(HELLO.encode() + b"\r\n")
        offered = client.lines()
        assert "250-STARTTLS" in offered and not any("AUTH" in line for line in offered)
        assert client.say(plain("anna")).startswith("538 5.7.11")
        assert client.say("AUTH LOGIN").startswith("538 5.7.11")
        for line in ("MAIL FROM:<anna@home.test>", "RCPT TO:<b@accounts.test>", "DATA", "VRFY b"):
            assert client.say(line).startswith("530 5.7.0")
    assert PASSWORD not in one.log.read_text()


def test_T04_nothing_said_in_clear_counts_inside_TLS(one):
    with Raw(one.lab, one.doors["starttls"]) as client:
        client.say(HELLO)
        client.starttls(unverified())
        assert client.say(plain("anna")).startswith("503 5.5.1")
        assert client.say("MAIL FROM:<anna@home.test>").startswith("530 5.7.0")


def test_T21_on_465_TLS_comes_first_and_STARTTLS_never(one):
    with Raw(one.lab, one.doors["implicit"], tls=unverified()) as client:
        client.send(HELLO.encode() + b"\r\n")
        offered = client.lines()
        assert not any("STARTTLS" in line for line in offered)
        assert any(line.startswith("250-AUTH ") and " PLAIN" in line and " SCRAM-SHA-256" in line for line in offered)
        assert client.say("STARTTLS").startswith("503")


@pytest.mark.parametrize("door", DOORS)
def test_T04_what_lies_behind_AUTH_ends_the_session(one, door):
    with inside(one, door) as client:
        client.send(f"{plain('anna')}\r\nMAIL FROM:<anna@home.test>\r\n".encode())
        assert client.answer().startswith("421 4.7.0")
        assert client.answer() == ""


def test_T05_T30_relaying_goes_by_network_as_ever_and_knows_no_AUTH(one):
    with Raw(one.lab, one.port) as client:
        client.say(HELLO)
        client.starttls(unverified())
        client.send(HELLO.encode() + b"\r\n")
        assert not any("AUTH" in line for line in client.lines())
        assert client.say(plain("anna")).startswith("503 5.5.1")
        assert client.say("MAIL FROM:<anna@home.test> AUTH=<>").startswith("555 5.5.4")
        assert client.say("MAIL FROM:<anyone@home.test>").startswith("250")


def test_T30_who_may_not_connect_is_turned_away(one):
    with Raw(one.lab, one.doors["elsewhere"]) as client:
        assert client.greeting.startswith("554 5.7.1")


def test_T16_submission_takes_AEAD_with_ephemeral_keys_only(one):
    for ciphers, taken in (("ECDHE+AESGCM", True), ("ECDHE+AES:!AESGCM:!AESCCM", False), ("kRSA+AES:@SECLEVEL=0", False)):
        for door in DOORS:
            try:
                client = Raw(one.lab, one.doors[door], tls=unverified(ciphers) if door == "implicit" else None)
                if door == "starttls":
                    client.say(HELLO)
                    client.starttls(unverified(ciphers))
                assert client.say(HELLO).startswith("250") and taken, ciphers
                client.socket.close()
            except OSError:
                assert not taken, ciphers


# ---- with AUTH


@pytest.mark.parametrize("door", DOORS)
def test_T31_three_wrong_passwords_end_the_session_and_are_written_nowhere(one, door):
    with inside(one, door) as client:
        for _ in range(2):
            assert client.say(plain(f"guessed-{door}", WRONG)).startswith("535 5.7.8")
        assert client.say(plain(f"guessed-{door}", WRONG)).startswith("535 5.7.8")
        assert client.answer().startswith("421 4.7.0")
    encoded = base64.b64encode(WRONG.encode()).decode()[8:24]
    assert wait_for(lambda: len(one.events("auth_failed", user=f"guessed-{door}")) == 3, 10, 0.1)
    for text in (one.log.read_text(), (one.directory / "sealpost.out").read_text()):
        assert WRONG not in text and encoded not in text


def test_T60_an_account_sends_as_itself_and_nobody_else(one):
    with inside(one, "implicit") as client:
        assert client.say(plain("anna")).startswith("235 2.7.0")
        assert client.say(plain("anna")).startswith("503 5.5.1")
        assert client.say("MAIL FROM:<ceo@home.test>").startswith("550 5.7.1")
        assert client.say("MAIL FROM:<>").startswith("550 5.7.1")
        for author, answer in (("ceo@home.test", "550 5.7.1"), ("anna@home.test, ceo@home.test", "550 5.7.1"), ("Anna", "554 5.6.0"), ("x@anna.test", "250")):
            assert client.say("MAIL FROM:<anna@home.test> AUTH=<>").startswith("250")
            assert client.say("RCPT TO:<rights@accounts.test>").startswith("250")
            assert client.say("DATA").startswith("354")
            assert client.say(f"From: {author}\r\nSubject: x\r\n\r\nx\r\n.").startswith(answer), author
    assert arrived(one.lab, "rights@accounts.test").message["From"] == "x@anna.test"


def test_T60_an_account_sends_as_much_as_it_may_and_no_more(one):
    with inside(one, "starttls") as client:
        assert client.say(plain("once")).startswith("235")
        for answer in ("354", "451 4.7.0"):
            assert client.say("MAIL FROM:<anyone@home.test>").startswith("250")
            assert client.say("RCPT TO:<once@accounts.test>").startswith("250")
            assert client.say("DATA").startswith(answer)
            if answer == "354":
                assert client.say("Subject: x\r\n\r\nx\r\n.").startswith("250")


def test_X3_REQUIRETLS_DSN_and_chunks_are_there_for_accounts_too(one):
    with inside(one, "implicit") as client:
        client.send(HELLO.encode() + b"\r\n")
        offered = " ".join(client.lines())
        assert "REQUIRETLS" in offered and "DSN" in offered and "CHUNKING" in offered
        assert client.say(plain("anna")).startswith("235")
        assert client.say("MAIL FROM:<anna@home.test> RET=HDRS ENVID=x").startswith("250")
        assert client.say("RCPT TO:<chunks@accounts.test> NOTIFY=FAILURE").startswith("250")
        text = MESSAGE.format("chunks").encode()
        client.send(b"BDAT %d LAST\r\n%b" % (len(text), text))
        assert "queued as" in client.answer()
    assert arrived(one.lab, "chunks@accounts.test").message["Bcc"] is None


@pytest.mark.parametrize("door", ["proxied", "proxied_implicit"])
def test_T30_behind_a_load_balancer_the_header_comes_before_TLS(one, door):
    header = b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 587\r\n"
    with Raw(one.lab, one.doors[door], header, tls=unverified() if door == "proxied_implicit" else None) as client:
        client.say(HELLO)
        if door == "proxied":
            client.starttls(unverified())
            client.say(HELLO)
        assert client.say(plain("anna")).startswith("235")
        assert client.say("MAIL FROM:<anna@home.test>").startswith("250")
        assert client.say(f"RCPT TO:<{door}@accounts.test>").startswith("250")
        assert client.say("DATA").startswith("354")
        assert client.say(MESSAGE.format("x") + ".").startswith("250")
    assert "([198.51.100.7])" in arrived(one.lab, f"{door}@accounts.test").message.get_all("Received")[-1]
    # A health check speaks for nobody: it is greeted, and nobody can be anybody through it.
    with Raw(one.lab, one.doors[door], b"PROXY UNKNOWN\r\n", tls=unverified() if door == "proxied_implicit" else None) as client:
        assert client.greeting.startswith("220")
        client.say(HELLO)
        if door == "proxied_implicit":
            assert client.say(plain("anna")).startswith("503")


def test_programs_of_this_machine_use_the_listener_that_relays(one):
    command = one.lab.command([BINARY, "--config", one.config, "sendmail", "-f", "anna@home.test", "local@accounts.test"])
    done = subprocess.run(command, input=b"Subject: x\n\nx\n", capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    arrived(one.lab, "local@accounts.test")


def scram_plus(client: Raw, password: str, binding: bytes) -> str:
    """The last reply to SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), bound to the certificate."""
    header, bare = "p=tls-server-end-point,,", "n=anna,r=a-nonce-of-ours"
    answer = client.say("AUTH SCRAM-SHA-256-PLUS " + base64.b64encode((header + bare).encode()).decode())
    assert answer.startswith("334 "), answer
    first = base64.b64decode(answer[4:]).decode()
    fields = dict(field.split("=", 1) for field in first.split(","))
    final = "c=" + base64.b64encode(header.encode() + binding).decode() + ",r=" + fields["r"]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), f"{bare},{first},{final}".encode(), "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
    answer = client.say(base64.b64encode(f"{final},p={proof}".encode()).decode())
    return client.say("") if answer.startswith("334 ") else answer


@pytest.mark.parametrize("door", DOORS)
def test_SMTP09_SCRAM_PLUS_is_bound_to_the_certificate_that_the_client_saw(one, door):
    with inside(one, door) as client:
        seen = hashlib.sha256(client.socket.getpeercert(binary_form=True)).digest()
        assert scram_plus(client, PASSWORD, bytes(32)).startswith("535 5.7.8")  # somebody between shows another one
        assert scram_plus(client, PASSWORD, seen).startswith("235 2.7.0")


# ---- real clients


def run(one, command: list[str], text: bytes = b"", wrong: bool = False) -> str:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(one.lab.command(command), input=text, capture_output=True, timeout=60)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert (done.returncode == 0) != wrong, said
    return said


def word(wrong: bool) -> str:
    return WRONG if wrong else PASSWORD


def swaks(one, door, mechanism, recipient, user="anna", wrong=False):
    tls = "--tls" if door == "starttls" else "--tls-on-connect"
    run(one, ["swaks", "--server", "127.0.0.1", "--port", str(one.doors[door]), tls, "--auth", mechanism, "--auth-user", user, "--auth-password", word(wrong),
              "--helo", "Annas-PC's", "--from", "anna@home.test", "--to", recipient, "--data", MESSAGE.format("swaks").replace("\r\n", "\\n")], wrong=wrong)  # fmt: skip


def msmtp(one, door, mechanism, recipient, user="anna", wrong=False):
    starttls = "on" if door == "starttls" else "off"
    run(one, ["msmtp", "--host=127.0.0.1", f"--port={one.doors[door]}", "--file=/dev/null", "--from=anna@home.test", f"--auth={mechanism.lower()}", f"--user={user}",
              f"--passwordeval=echo '{word(wrong)}'", "--tls=on", f"--tls-starttls={starttls}", "--tls-certcheck=off", recipient], MESSAGE.format("msmtp").replace("\r\n", "\n").encode(), wrong)  # fmt: skip


def curl(one, door, mechanism, recipient, user="anna", wrong=False):
    scheme = "smtp" if door == "starttls" else "smtps"
    run(one, ["curl", "-sS", "--insecure", "--ssl-reqd", f"{scheme}://127.0.0.1:{one.doors[door]}/client.home.test", "--user", f"{user}:{word(wrong)}", "--login-options",
              f"AUTH={mechanism}", "--mail-from", "anna@home.test", "--mail-rcpt", recipient, "--upload-file", "-"], MESSAGE.format("curl").encode(), wrong)  # fmt: skip


def smtp_library(one, door, mechanism, recipient, user="anna", wrong=False):
    with one.lab.entered():
        if door == "starttls":
            client = smtplib.SMTP("127.0.0.1", one.doors[door], "client.home.test", timeout=30)
            client.starttls(context=unverified())
        else:
            client = smtplib.SMTP_SSL("127.0.0.1", one.doors[door], "client.home.test", timeout=30, context=unverified())
    with client:
        client.ehlo()
        client.user, client.password = user, word(wrong)
        if wrong:
            with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                client.auth(mechanism, client.auth_plain if mechanism == "PLAIN" else client.auth_login)
            assert refused.value.smtp_code == 535
            return
        client.auth(mechanism, client.auth_plain if mechanism == "PLAIN" else client.auth_login)
        client.sendmail("anna@home.test", [recipient], MESSAGE.format("smtplib"))


CLIENTS = [(swaks, "PLAIN"), (swaks, "LOGIN"), (msmtp, "PLAIN"), (msmtp, "LOGIN"), (msmtp, "SCRAM-SHA-256"), (curl, "PLAIN"), (curl, "LOGIN"), (smtp_library, "PLAIN"), (smtp_library, "LOGIN")]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("client, mechanism", CLIENTS, ids=[f"{c.__name__} {m}" for c, m in CLIENTS])
def test_SMTP09_a_real_client_logs_in_and_sends(lab, one, client, mechanism, door):
    recipient = f"{client.__name__}-{mechanism}-{door}@accounts.test".lower()
    client(one, door, mechanism, recipient)
    mail = arrived(lab, recipient).message
    received = " ".join(mail.get_all("Received")[-1].split())
    assert "with ESMTPSA id" in received and not re.search(r"\banna\b", received)
    assert mail["Date"] and mail["Message-ID"] and mail["Bcc"] is None and mail["From"] == "Anna <anna@home.test>"
    assert wait_for(lambda: bool(one.events("accepted", rcpt=recipient, user="anna")), 10, 0.1)
    assert one.events("authenticated", user="anna", mechanism=mechanism)
    assert PASSWORD not in one.log.read_text()


@pytest.mark.parametrize("client, mechanism", CLIENTS, ids=[f"{c.__name__} {m}" for c, m in CLIENTS])
def test_SMTP09_a_real_client_with_a_wrong_password_sends_nothing(one, client, mechanism):
    user = f"guess-{client.__name__}-{mechanism}".lower()  # not anna: brakes hold for a name and a network together
    client(one, "implicit", mechanism, "wrong@accounts.test", user, wrong=True)
    assert WRONG not in one.log.read_text()
    assert not one.events("accepted", rcpt="wrong@accounts.test")
