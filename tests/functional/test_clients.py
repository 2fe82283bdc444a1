# SPDX-License-Identifier: Apache-2.0
"""Those who hand in mail: real clients, and raw dialogues of clients that know SMTP by ear (docs/intake.md).

What a client meant arrives at the next hop, in a form that is valid there; what a stranger says is taken to the letter.
"""

import re
import shutil
import socket
import subprocess

import pytest
from lab.world import wait_for
from raw import HELLO, MAIL, Raw
from relay import Relay, expect, ports

HEARS = "clients-hears"  # its server writes down every command, and believes every wrong end of data there is
SIZE = 1_000_000  # octets of a message
LONG = "gmuser+fwd_=site_01234567-89ab-cdef-0123-456789abcdef=mail.rcpt.example"


@pytest.fixture(scope="module")
def one(lab, tmp_path_factory):
    """Listeners on loopback: for who may relay, for the same with bare LF refused, for strangers, for a load balancer, for a filter."""
    lab.change_all(
        {"name": "clients"},
        {"name": "clients_under"},
        {"name": HEARS, "peer": "script", "lenient": True},
    )
    strict, stranger, proxied, filtered = (next(ports) for _ in range(4))
    listeners = [
        {"address": f"127.0.0.1:{strict}", "allow": ["127.0.0.0/8"], "bare_newline": "reject"},
        {"address": f"127.0.0.1:{stranger}", "allow": ["192.0.2.0/24"]},
        {"address": f"127.0.0.1:{proxied}", "allow": ["192.0.2.0/24"], "proxy_protocol": ["127.0.0.0/8"]},
        {"address": f"127.0.0.1:{filtered}", "allow": ["192.0.2.0/24"], "xclient": ["127.0.0.0/8"]},
    ]
    relay = Relay(lab, tmp_path_factory.mktemp("clients"), listener=listeners, postmaster="ops@clients.test", limits={"message_size": SIZE})
    relay.strict, relay.stranger, relay.proxied, relay.filtered = strict, stranger, proxied, filtered
    yield relay.start()
    relay.kill()
    lab.remove("clients", "clients_under", HEARS)


def chunk(octets: bytes, last: bool = False) -> bytes:
    return b"BDAT %d%s\r\n%b" % (len(octets), b" LAST" if last else b"", octets)


def body_of(lab, domain: str, recipient: str) -> bytes:
    """The body of the only message to the recipient, with LF as maildirs have it."""
    found = [m for m in lab.mail_of(domain) if m.recipient == recipient]
    assert len(found) == 1, recipient
    return found[0].octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2]


def arrived(lab, domain: str, recipient: str) -> bytes:
    assert wait_for(lambda: any(m.recipient == recipient for m in lab.mail_of(domain)), 20, 0.1), recipient
    return body_of(lab, domain, recipient)


# ---- dialogues

DIALOGUES = {
    "two blanks after MAIL FROM:": ([HELLO, "MAIL FROM:  <anna@home.test>"], 501),
    "a tab after MAIL FROM:": ([HELLO, "MAIL FROM:\t<anna@home.test>"], 501),
    "two blanks after RCPT TO:": ([HELLO, MAIL, "RCPT TO:  <bob@clients.test>"], 501),
    "no brackets, MAIL": ([HELLO, "MAIL FROM:anna@home.test"], 501),
    "no brackets, RCPT": ([HELLO, MAIL, "RCPT TO: bob@clients.test"], 501),
    "a long local part, MAIL": ([HELLO, f"MAIL FROM:<{LONG}@freemail.example>"], 501),
    "a long local part, RCPT": ([HELLO, MAIL, f"RCPT TO:<{LONG}@clients.test>"], 501),
    "a blank before the verb, a tab behind it": ([HELLO, " MAIL\tFROM:<anna@home.test>"], 500),
    "dots, MAIL": ([HELLO, "MAIL FROM:<try..this@home.test>"], 501),
    "dots, RCPT": ([HELLO, MAIL, "RCPT TO:<.try.this.@clients.test>"], 501),
    "EHLO in UTF-8": (["EHLO MÜLLER-PC"], 501),
    "EHLO in Latin-1": (["EHLO MÜLLER-PC".encode("latin-1")], 501),
    "HELO in UTF-8": (["HELO MÜLLER-PC"], 501),
    "EHLO with an apostrophe": (["EHLO Annas-PC's"], 501),
    "EHLO (none)": (["EHLO (none)"], 501),
    "EHLO with a blank": (["EHLO Annas PC"], 501),
    "EHLO with an underscore": (["EHLO annas_pc"], 250),
    "a last dot": ([HELLO, MAIL, "RCPT TO:<bob@clients.test.>"], 501),
    "an underscore": ([HELLO, MAIL, "RCPT TO:<bob@clients_under.test>"], 501),
    "percent": ([HELLO, MAIL, "RCPT TO:<bob%home.test@clients.test>"], 554),
    "bang": ([HELLO, MAIL, "RCPT TO:<home.test!bob@clients.test>"], 554),
}


@pytest.mark.parametrize("name", DIALOGUES)
def test_SMTP08_T30_sloppy_clients_are_understood_where_they_may_relay_and_nowhere_else(lab, one, name):
    lines, stranger = DIALOGUES[name]
    for port, wanted in ((one.port, "250"), (one.strict, "250"), (one.stranger, str(stranger))):
        with Raw(lab, port) as client:
            answers = [client.say(line) for line in lines]
        assert answers[-1].startswith(wanted), (port, answers)


def test_SMTP08_what_goes_on_to_the_next_hop_is_valid_there(lab, one):
    domain = f"{HEARS}.test"
    said = {
        f"  try..this@{domain}": f'<"try..this"@{domain}>',
        f"<bob@{domain.upper()}.>": f"<bob@{domain.upper()}>",
        f"{LONG}@{domain}": f"<{LONG}@{domain}>",
        f"<bob%home.test@{domain}>": f"<bob%home.test@{domain}>",
        f"< home.test!bob@{domain} >": f"<home.test!bob@{domain}>",
    }
    with Raw(lab, one.port) as client:
        assert client.say("EHLO (none)").startswith("250")
        assert client.say("MAIL FROM: anna..@home.test SIZE=100").startswith("250")
        for path in said:
            assert client.say(f"RCPT TO:{path}").startswith("250"), path
        assert client.say("DATA").startswith("354")
        id = re.search(r"queued as (\w+)", client.say("Subject: sloppy\r\n\r\nx\r\n."))[1]
    one.kill()  # what is kept must be read again
    one.start()
    one.wait_gone(id)
    commands = [c for s in lab.sessions(f"mx1.{HEARS}.test") for c in s.commands]
    assert any(c.startswith('MAIL FROM:<"anna.."@home.test>') for c in commands)
    for valid in said.values():
        assert any(c.startswith(f"RCPT TO:{valid}") for c in commands), valid
    (mail, *_) = [m for m in lab.mail_of(domain) if m.message["Subject"] == "sloppy"]
    assert "from [127.0.0.1]" in " ".join(mail.message.get_all("Received")[-1].split())
    one.wait_gone(one.submit("anna@home.test", "bob@clients.test", "Subject: x\r\n\r\nx\r\n"))


def test_SMTP08_a_domain_with_an_underscore_gets_its_mail(lab, one):
    with Raw(lab, one.port) as client:
        client.begin("bob@clients_under.test")
        assert client.say("DATA").startswith("354")
        assert client.say("Subject: x\r\n\r\nunder\r\n.").startswith("250")
    assert arrived(lab, "clients_under.test", "bob@clients_under.test") == b"under\n"


# ---- line ends, and what else a message may not be made of

WRONG_ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\n.\r\n", b"\r\n\x00.\r\n", b"\r\n.\x00\r\n"]
TRUE_END = b"\r\n.\r\n"  # content in a chunk, and an end everywhere else
SMUGGLED = b"MAIL FROM:<ceo@home.test>\r\nRCPT TO:<smuggled@%b>\r\nDATA\r\nsmuggled\r\n.\r\n"
FRAMINGS = {"DATA": None, "one chunk": 0, "two chunks, cut behind 2": 2, "two chunks, cut behind 3": 3}
SMUGGLING = [(f, e) for f in FRAMINGS for e in (*WRONG_ENDS, TRUE_END) if f != "DATA" or e != TRUE_END]


@pytest.mark.parametrize("framing, end", SMUGGLING, ids=[f"{f} {e!r}" for f, e in SMUGGLING])
@pytest.mark.parametrize("listener", ["port", "strict"])
def test_T21_T22_SMTP01_nothing_can_be_smuggled_past_us_to_a_lax_server(lab, one, framing, end, listener):
    domain = f"{HEARS}.test"
    before = len(lab.mail_of(domain))
    outer = b"Subject: outer\r\n\r\nouter"
    octets = outer + end + SMUGGLED % domain.encode()
    with Raw(lab, getattr(one, listener)) as client:
        client.begin(f"outer@{domain}")
        if framing == "DATA":
            assert client.say("DATA").startswith("354")
            client.send(octets)
        else:
            cut = len(outer) + FRAMINGS[framing] if FRAMINGS[framing] else 0
            client.send((chunk(octets[:cut]) if cut else b"") + chunk(octets[cut:], last=True))
        client.send(b"QUIT\r\n")
        answers = list(iter(client.answer, ""))  # up to the end
    queued = [a for a in answers if "queued as" in a]
    refused = b"\x00" in end or re.search(rb"\r(?!\n)", end) or (listener == "strict" and re.search(rb"(?<!\r)\n", end))
    if refused:
        assert not queued and any(a.startswith("550 5.") for a in answers), answers
    else:
        assert len(queued) == 1 and answers[-1].startswith("221"), answers
        one.wait_gone(re.search(r"queued as (\w+)", queued[0])[1])
    assert not [a for a in answers if a.startswith(("354", "500", "503"))], answers  # none was taken for a command
    one.wait_gone(one.submit("anna@home.test", f"sentinel@{domain}", "Subject: x\r\n\r\nx\r\n"))
    wanted = [] if refused else [f"outer@{domain}"]
    assert [m.recipient for m in lab.mail_of(domain)[before:]] == [*wanted, f"sentinel@{domain}"]


CONTENT = {  # octets of the message; replies to who may relay, and to a stranger
    "bare CR": (b"Subject: x\r\n\r\na\rb\r\n", "550 5.5.2", "550 5.5.2"),
    "bare LF": (b"Subject: x\n\na\nb\r\n", "250", "550 5.5.2"),
    "NUL": (b"Subject: x\r\n\r\na\x00b\r\n", "550 5.6.0", "550 5.6.0"),
    "a long line": (b"Subject: x\r\n\r\n" + b"y" * 2000 + b"\r\n", "250", "550 5.6.0"),
    "an 8-bit header": ("Subject: ümlaut\r\n\r\nx\r\n".encode(), "250", "550 5.6.0"),
    "an 8-bit body": ("Subject: x\r\n\r\nümlaut\r\n".encode(), "250", "250"),
}


@pytest.mark.parametrize("framing", ["DATA", "BDAT"])
@pytest.mark.parametrize("name", CONTENT)
def test_SMTP02_each_rule_on_content_names_its_reply(lab, one, name, framing):
    octets, trusted, stranger = CONTENT[name]
    for port, recipient, wanted in ((one.port, "bob@clients.test", trusted), (one.stranger, "postmaster", stranger)):
        with Raw(lab, port) as client:
            client.begin(recipient)
            if framing == "DATA":
                assert client.say("DATA").startswith("354")
                client.send(octets + b".\r\n")
            else:
                client.send(chunk(octets, last=True))
            assert client.answer().startswith(wanted)


# ---- CHUNKING


def test_X3_a_message_in_chunks_arrives_as_it_was(lab, one):
    body = b".\r\n..\r\nQUIT\r\n" + "ümlaut\r\n".encode() + b"z" * 990 + b"\r\n" + b"last line without an end"
    text = b"Subject: chunks\r\n\r\n" + body
    commands = "MAIL FROM:<anna@home.test> BODY=8BITMIME\r\nRCPT TO:<chunks@clients.test>\r\n".encode()
    with Raw(lab, one.port) as client:
        client.send(HELLO.encode() + b"\r\n")
        assert b"CHUNKING" in b"".join(iter(client.file.readline, b"250 ENHANCEDSTATUSCODES\r\n"))
        parts = [text[i : i + 7] for i in range(0, len(text), 7)]
        client.send(commands + b"".join(chunk(p) for p in parts) + b"BDAT 0 LAST\r\n")  # all of it pipelined
        answers = [client.answer() for _ in range(len(parts) + 3)]
        assert all(a.startswith("250") for a in answers) and "queued as" in answers[-1]
        assert client.say("QUIT").startswith("221")
    assert arrived(lab, "clients.test", "chunks@clients.test") == body.replace(b"\r\n", b"\n") + b"\n"


def test_X3_T29_who_sends_a_chunk_that_is_too_large_hears_so(lab, one):
    with Raw(lab, one.port) as client:
        client.begin("bob@clients.test")
        client.send(chunk(b"y" * (SIZE + 1), last=True))  # all of it, before anything is heard
        assert client.answer().startswith("552 5.3.4")
        assert client.say("NOOP").startswith("250")
        client.begin("bob@clients.test")
        assert client.say(f"BDAT {2 * SIZE + 1} LAST").startswith("552 5.3.4")
        assert client.answer() == ""  # closed: so much is not read for nothing


@pytest.mark.parametrize("line", ["BDAT ten LAST", "BDAT60 LAST", "BDAT:60"])
def test_T21_X3_a_chunk_that_cannot_be_counted_ends_the_session(lab, one, line):
    for port in (one.port, one.stranger):
        with Raw(lab, port) as client:
            assert client.say(HELLO).startswith("250")
            assert client.say(line).startswith("501 5.5.4")
            assert client.answer() == ""


@pytest.mark.parametrize("door, offered", [("port", True), ("stranger", False)])
def test_X4_BINARYMIME_is_for_clients_that_may_relay(lab, one, door, offered):
    with Raw(lab, getattr(one, door)) as client:
        client.send(HELLO.encode() + b"\r\n")
        words = b"".join(iter(client.file.readline, b"250 ENHANCEDSTATUSCODES\r\n"))
        assert b"250-CHUNKING\r\n" in words and (b"250-BINARYMIME\r\n" in words) == offered
        assert client.say(f"{MAIL} BODY=BINARYMIME").startswith("250" if offered else "501 5.5.4")
        if offered:
            assert client.say("RCPT TO:<bob@clients.test>").startswith("250")
            assert client.say("DATA").startswith("503 5.5.1")


# ---- behind a load balancer

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
INSIDE, OUTSIDE = socket.inet_aton("192.0.2.7"), socket.inet_aton("198.51.100.7")


def version_2(client: bytes) -> bytes:
    return SIGNATURE + b"\x21\x11\x00\x0c" + client + socket.inet_aton("127.0.0.1") + b"\x9c\x40\x00\x19"


@pytest.mark.parametrize(
    "header, relays",
    [
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 40000 25\r\n", True),
        (b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 25\r\n", False),
        (b"PROXY UNKNOWN\r\n", False),
        (version_2(INSIDE), True),
        (version_2(OUTSIDE), False),
        (SIGNATURE + b"\x20\x00\x00\x00", False),
        (b"", None),
        (b"EHLO client.home.test\r\n", None),
    ],
)
def test_T30_who_may_relay_is_decided_by_the_client_that_the_proxy_names(lab, one, header, relays):
    with Raw(lab, one.proxied, header) as client:
        if relays is None:
            assert client.greeting == ""  # closed without a word
            return
        assert client.greeting.startswith("220")
        assert client.say(HELLO).startswith("250") and client.say(MAIL).startswith("250")
        if not relays:
            assert client.say("RCPT TO:<bob@clients.test>").startswith("554 5.7.1")
            return
        recipient = f"proxied-{len(header)}@clients.test"
        assert client.say(f"RCPT TO:<{recipient}>").startswith("250")
        assert client.say("DATA").startswith("354")
        assert client.say("Subject: x\r\n\r\nx\r\n.").startswith("250")
    assert arrived(lab, "clients.test", recipient) == b"x\n"
    (mail,) = [m for m in lab.mail_of("clients.test") if m.recipient == recipient]
    assert "([192.0.2.7])" in mail.message.get_all("Received")[-1]


# ---- real clients

LINES = ["first", "", ".", "..", ".dot", "last"]


def message(name: str, end: str = "\n") -> bytes:
    head = ["From: Anna <anna@home.test>", f"To: {name}@clients.test", f"Subject: {name}", ""]
    return (end.join([*head, *LINES]) + end).encode()


WHOLE = ("\n".join(LINES) + "\n").encode()


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("kind", ["text", "bytes"])
def test_smtplib_sends_a_file_as_it_is(lab, one, kind, end):
    name = f"smtplib-{kind}-{len(end)}"
    octets = message(name, end)
    with one.client() as client:
        client.ehlo()
        client.sendmail("anna@home.test", [f"{name}@clients.test"], octets if kind == "bytes" else octets.decode())
        client.quit()
    body = arrived(lab, "clients.test", f"{name}@clients.test")
    assert body.rstrip(b"\n") == WHOLE.rstrip(b"\n")  # smtplib adds a line end to LF of its own


def test_smtplib_with_bare_LF_where_it_is_refused(lab, one):
    with Raw(lab, one.strict) as client:
        client.begin("bob@clients.test")
        assert client.say("DATA").startswith("354")
        client.send(message("strict") + b"\r\n.\r\n")
        assert client.answer().startswith("550 5.5.2")
        assert client.answer() == ""


def run(one, command: list[str], text: bytes = b"") -> subprocess.CompletedProcess:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(one.lab.command(command), input=text, capture_output=True, timeout=60)
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
    return done


def test_swaks(lab, one, tmp_path):
    file = tmp_path / "swaks.eml"
    file.write_bytes(message("swaks"))
    base = ["swaks", "--server", "127.0.0.1", "--port", str(one.port), "--from", "anna@home.test", "--data", f"@{file}"]
    run(one, [*base, "--to", "swaks@clients.test", "--helo", "Annas-PC's"])
    assert arrived(lab, "clients.test", "swaks@clients.test").rstrip(b"\n") == WHOLE.rstrip(b"\n")
    run(one, [*base, "--to", "swaks-pipe@clients.test", "--pipeline"])
    assert arrived(lab, "clients.test", "swaks-pipe@clients.test").rstrip(b"\n") == WHOLE.rstrip(b"\n")


@pytest.mark.parametrize("client, relays", [("192.0.2.7", True), ("IPV6:2001:db8::7", False), ("[UNAVAILABLE]", False)])
def test_T30_a_filter_says_whose_mail_it_passes_on(lab, one, client, relays):
    recipient = f"filtered-{len(client)}@clients.test"
    command = ["swaks", "--server", "127.0.0.1", "--port", str(one.filtered), "--from", "anna@home.test", "--to", recipient]
    command += ["--xclient-addr", client, "--xclient-helo", "inner.home.test"]
    done = subprocess.run(lab.command(command), capture_output=True, text=True, timeout=30)
    assert (done.returncode == 0) == relays, done.stdout
    if not relays:
        assert "554 5.7.1" in done.stdout
        return
    arrived(lab, "clients.test", recipient)
    (mail,) = [m for m in lab.mail_of("clients.test") if m.recipient == recipient]
    assert "([192.0.2.7])" in mail.message.get_all("Received")[-1]


def test_msmtp(lab, one):
    settings = ["--host=127.0.0.1", f"--port={one.port}", "--from=anna@home.test", "--auth=off", "--tls=off", "--file=/dev/null"]
    run(one, ["msmtp", *settings, "msmtp@clients.test"], message("msmtp"))
    assert arrived(lab, "clients.test", "msmtp@clients.test") == WHOLE


def test_curl(lab, one, tmp_path):
    file = tmp_path / "curl.eml"
    base = ["curl", "-sS", f"smtp://127.0.0.1:{one.port}/client.home.test", "--mail-from", "anna@home.test", "--upload-file", str(file)]
    file.write_bytes(message("curl", "\r\n"))
    run(one, [*base, "--mail-rcpt", "curl@clients.test"])
    assert arrived(lab, "clients.test", "curl@clients.test") == WHOLE
    # A file with LF goes out as it is; curl stuffs no dot there, so one at the beginning of a line comes off.
    file.write_bytes(message("curl-lf"))
    run(one, [*base, "--mail-rcpt", "curl-lf@clients.test"])
    body = arrived(lab, "clients.test", "curl-lf@clients.test").rstrip(b"\n")
    assert body == b"\n".join(line.encode().removeprefix(b".") for line in LINES)
