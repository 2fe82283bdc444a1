# SPDX-License-Identifier: Apache-2.0
"""CHUNKING and BINARYMIME on the way out (RFC 3030; docs/destinations.md): to Postfix and Exim, and to hosts that offer what they do not
know, refuse, or go away. Two relays: one that sends in chunks only what has to go so, as is the default, and one that always does."""

import base64
import email
import os
import re

import pytest
from lab.world import wait_for
from raw import HELLO, Raw
from relay import Relay

REAL = ("postfix", "exim")
CHUNKS = ["PIPELINING", "8BITMIME", "CHUNKING"]
BINARY = [*CHUNKS, "BINARYMIME"]
SCRIPTED = {
    "takes": {"ehlo": BINARY},
    "text": {"ehlo": ["8BITMIME"]},
    "seven": {"ehlo": ["PIPELINING"]},
    "lax": {"ehlo": CHUNKS, "lenient": True},
    "slow": {"ehlo": ["CHUNKING"]},
    "late": {"ehlo": CHUNKS, "script": [{"at": "chunk", "skip": 1, "times": 1, "reply": "452 4.3.1 no room now"}]},
    "no": {"ehlo": CHUNKS, "script": [{"at": "chunk", "skip": 1, "reply": "552 5.3.4 too big"}]},
    "last": {"ehlo": CHUNKS, "script": [{"at": "body", "reply": "550 5.7.1 not this"}]},
    "none": {"ehlo": CHUNKS, "script": [{"at": "bdat", "reply": "500 5.5.1 unknown command"}]},
    "gone": {"ehlo": CHUNKS, "script": [{"at": "body", "times": 1, "then": "reset"}]},
    "early": {"ehlo": CHUNKS, "script": [{"at": "chunk", "times": 1, "then": "reset"}]},
    "talks": {"ehlo": CHUNKS, "script": [{"at": "chunk", "times": 1, "reply": ["250 2.0.0 ok"] * 30}]},
}
LARGE = b"".join(b"%06d " % i + b"x" * 60 + b"\r\n" for i in range(10_000))  # ten chunks
WRONG_END = b"\n.\r\n"


@pytest.fixture(scope="module")
def two(lab, tmp_path_factory):
    entries = [{"name": f"chunk-{p}", "peer": p} for p in REAL]
    lab.change_all(*entries, *[{"name": f"chunk-{n}", "peer": "script", **more} for n, more in SCRIPTED.items()])
    delivery = {"retry": ["2s", "5s"], "hold_first_for_policy": "1s"}
    needed = Relay(lab, tmp_path_factory.mktemp("needed"), delivery=delivery).start()
    offered = Relay(lab, tmp_path_factory.mktemp("offered"), delivery={**delivery, "chunking": "offered"}).start()
    yield needed, offered
    needed.kill()
    offered.kill()
    lab.remove(*[e["name"] for e in entries], *[f"chunk-{n}" for n in SCRIPTED])


def host(name: str) -> str:
    return f"mx1.chunk-{name}.test"


def arrived(lab, name: str, subject: str):
    mine = lambda: [m for m in lab.mail_of(f"chunk-{name}.test") if m.message["Subject"] == subject]
    assert wait_for(lambda: bool(mine()), 25, 0.1), (name, subject)
    (mail,) = mine()
    return mail


def sent(lab, name: str) -> str:
    """All that clients said there."""
    return b"\n".join(s.octets("client") for s in lab.sessions(host(name))).decode("latin-1")


def text(subject: str, body: bytes = LARGE) -> bytes:
    return b"From: <anna@home.test>\r\nSubject: %b\r\n\r\n" % subject.encode() + body


def binary(subject: str, octets: bytes) -> bytes:
    head = (
        f"From: <anna@home.test>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nfür\r\n'
        "--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    )
    return head.encode() + octets + b"\r\n--b--\r\n"


def submit_binary(lab, relay, recipient: str, message: bytes, sender: str = "anna@home.test") -> str:
    with Raw(lab, relay.port) as client:
        client.send(HELLO.encode() + b"\r\n")
        assert b"250-BINARYMIME\r\n" in b"".join(iter(client.file.readline, b"250 ENHANCEDSTATUSCODES\r\n"))
        assert client.say(f"MAIL FROM:<{sender}> BODY=BINARYMIME RET=FULL").startswith("250")
        assert client.say(f"RCPT TO:<{recipient}>").startswith("250")
        client.send(b"BDAT 100\r\n" + message[:100] + b"BDAT %d LAST\r\n" % (len(message) - 100) + message[100:])
        assert client.answer().startswith("250")
        return re.search(r"queued as (\w+)", client.answer())[1]


def octets_of(mail) -> bytes:
    """The content of the second part, whatever its encoding."""
    parsed = email.message_from_bytes(mail.octets)
    return parsed.get_payload()[1].get_payload(decode=True)


@pytest.mark.parametrize("peer", REAL)
def test_X3_real_servers_take_chunks_and_data_alike(lab, two, peer):
    log = lab.directory / "log"
    for relay in two:
        chunked = relay is two[1]
        for size, body in (("small", b".\r\n..\r\nfin\r\n"), ("large", LARGE)):
            subject = f"{size} {chunked}"
            relay.submit("anna@home.test", [f"bob@chunk-{peer}.test", f"eve@chunk-{peer}.test"], text(subject, body))
            wanted = lambda: [m for m in lab.mail_of(f"chunk-{peer}.test") if m.message["Subject"] == subject]
            assert wait_for(lambda: len(wanted()) == 2, 25, 0.1)
            for mail in wanted():
                assert mail.octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2] == body.replace(b"\r\n", b"\n")
        if peer == "postfix":
            ends = lambda: [line for line in (log / "postfix.log").read_text().splitlines() if "disconnect from" in line and " bdat=" in line]
            assert wait_for(lambda: bool(ends()) == chunked, 10, 0.2)
        else:
            lines = "".join(f.read_text(errors="replace") for f in lab.directory.rglob("main") if f.parent.name == "log")
            assert any(" K" in line and "<= anna@" in line for line in lines.splitlines()) == chunked


def test_X4_binary_mail_stays_so_to_a_host_that_takes_it_and_is_base64_elsewhere(lab, two):
    octets = os.urandom(100_000) + b"\0\r\n\n.\r\n.\r\n\r"
    for name in ("takes", "text", "seven", *REAL):
        id = submit_binary(lab, two[0], f"bob@chunk-{name}.test", binary("binary", octets))
        two[0].wait_gone(id)
        mail = arrived(lab, name, "binary")
        assert octets_of(mail) == octets, name
        head = mail.octets.partition(b"--b")[0]
        assert (b"Content-Transfer-Encoding: binary" in head) == (name == "takes")
        if name in REAL:
            continue
        said = sent(lab, name)
        assert ("BODY=BINARYMIME" in said) == (name == "takes") == ("BDAT" in said)
        assert ("BODY=8BITMIME" in said) == (name == "text")
        assert (b"f=C3=BCr" in mail.octets) == (name == "seven")


def test_X4_binary_mail_that_is_returned_comes_back_as_its_header(lab, two):
    sender = "anna@chunk-text.test"
    id = submit_binary(lab, two[0], "bob@chunk-last.test", binary("returned", b"\0" * 100), sender)
    assert wait_for(lambda: two[0].events("bounced", id=id), 20, 0.1)
    notice = lambda: [m for m in lab.mail_of("chunk-text.test") if m.recipient == sender]
    assert wait_for(lambda: bool(notice()), 20, 0.1)
    (mail,) = notice()
    assert b"Content-Type: text/rfc822-headers" in mail.octets and b"Subject: returned" in mail.octets
    assert b"\0" not in mail.octets


@pytest.mark.parametrize("ends", [WRONG_END, b"\r\n.\r\n", b"\r.\r", b"\n.\n"])
def test_T22_SMTP01_chunks_carry_no_second_message(lab, two, ends):
    """What a client that may relay brings is mended at intake; a lax host sees one message."""
    relay, subject = two[1], f"outer {ends!r}"
    smuggled = b"MAIL FROM:<ceo@home.test>\r\nRCPT TO:<smuggled@chunk-lax.test>\r\nDATA\r\nsmuggled\r\n.\r\n"
    octets = text(subject, b"x" + ends + smuggled)
    with Raw(lab, relay.port) as client:
        client.begin("bob@chunk-lax.test")
        client.send(b"BDAT %d LAST\r\n" % len(octets) + octets)
        if not client.answer().startswith("250"):
            return  # a bare CR
    arrived(lab, "lax", subject)
    assert not [m for m in lab.mail_of("chunk-lax.test") if m.recipient.startswith("smuggled")]


def test_X3_without_PIPELINING_each_chunk_waits(lab, two):
    id = two[1].submit("anna@home.test", "bob@chunk-slow.test", text("slow"))
    two[1].wait_gone(id)
    assert arrived(lab, "slow", "slow").octets.endswith(LARGE)
    said = sent(lab, "slow")
    assert "DATA\r\n" not in said and len(re.findall(r"BDAT \d+\r\n", said)) >= 9
    assert len(re.findall(r"BDAT [1-9]\d* LAST\r\n", said)) == 1


@pytest.mark.parametrize("name, reply", [("no", "552 5.3.4"), ("last", "550 5.7.1")])
def test_X3_a_refused_chunk_is_that_hosts_word_about_the_mail(lab, two, name, reply):
    id = two[1].submit("anna@home.test", f"bob@chunk-{name}.test", text(name))
    assert wait_for(lambda: two[1].events("bounced", id=id), 20, 0.1)
    (event,) = two[1].events("bounced", id=id)
    assert event["reply"].startswith(reply)
    assert not lab.mail_of(f"chunk-{name}.test")


@pytest.mark.parametrize("name", ["late", "early", "talks"])
def test_X3_what_ends_before_the_last_chunk_is_tried_again_and_arrives_once(lab, two, name):
    id = two[1].submit("anna@home.test", f"bob@chunk-{name}.test", text(name))
    two[1].wait_gone(id)
    assert arrived(lab, name, name).octets.endswith(LARGE)
    assert two[1].events("deferred", id=id)


def test_X3_a_host_that_knows_no_BDAT_gets_DATA_and_no_octet_of_mail_as_command(lab, two):
    id = two[1].submit("anna@home.test", "bob@chunk-none.test", text("none", b"RSET\r\nVRFY x\r\n"))
    two[1].wait_gone(id)
    arrived(lab, "none", "none")
    id = two[1].submit("anna@home.test", "bob@chunk-none.test", text("again", b"x\r\n"))
    two[1].wait_gone(id)
    assert sent(lab, "none").count("BDAT") == 1
    assert not two[1].events("bounced", id=id)


def test_D15_a_connection_lost_behind_the_last_chunk_is_ambiguous(lab, two):
    id = two[1].submit("anna@home.test", "bob@chunk-gone.test", text("gone", b"x\r\n"))
    assert wait_for(lambda: two[1].events("deferred", id=id), 20, 0.1)
    (event,) = two[1].events("deferred", id=id)
    assert "final dot" in event["reply"] and event["status"] == "4.4.2"
    assert wait_for(lambda: two[1].queue(id)[0]["state"] == "deferred", 5, 0.1)
    (entry,) = two[1].queue(id)  # the next attempt is far away, and no other host has it
    assert entry["attempts"] == 1 and entry["next_attempt"] > entry["expires"]
