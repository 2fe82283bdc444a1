# SPDX-License-Identifier: Apache-2.0
"""`[dkim] sign_relayed`: what passes through the relay is signed for its author, and python3-dkim verifies what arrives."""

import random
import re

import pytest
from dkimkeys import as_sent, lookup, make_key, publish
from lab.world import wait_for
from relay import Relay, expect

dkim = pytest.importorskip("dkim", reason="python3-dkim is not installed")

SINK = "dkim-sink.test"  # a Postfix
BOUNDARY = "=_part"
MIME = (
    f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary="{BOUNDARY}"\r\n\r\nPreamble\r\n'
    f"--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\nHello.\r\n--{BOUNDARY}\r\n"
    f"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQ=\r\n--{BOUNDARY}--\r\n"
)
RECIPIENTS = "To: " + ",\r\n ".join(f"Number {i} <number{i}@{SINK}>" for i in range(60)) + "\r\n"

# After "From: ...\r\nMessage-ID: ...\r\n": rest of the header, empty line, body.
TEXTS = {
    "plain": b"Subject: plain\r\n\r\nHello.\r\n",
    "mime": b"Subject: mime\r\n" + MIME.encode(),
    "8bit": "Subject: Zürich\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße — ¡olé!\r\n".encode(),
    "long-header": b"Subject: " + b"word " * 150 + b"\r\n" + RECIPIENTS.encode() + b"X-Long: " + b"x" * 900 + b"\r\n\r\nx\r\n",
    "long-line": b"Subject: long line\r\n\r\n" + b"y" * 990 + b"\r\n",
    "dots": b"Subject: dots\r\n\r\n.\r\n..\r\n.hidden\r\n...\r\nend\r\n",
    "trailing": b"Subject: trailing\r\n\r\nx  \t\r\n \r\n\r\n\t\r\n\r\n",
    "blanks": b"Subject:  many\t\tblanks \r\nReply-To : a@home.test\r\n\r\n\ta  \t b\r\n  \r\nc\r\n",
    "no-body": b"Subject: no body\r\n\r\n",
    "large": b"Subject: large\r\n\r\n" + b"".join(b"%06d  text of a line \r\n" % i for i in range(60_000)) + b"\r\n\r\n",
}  # fmt: skip
AUTHORS = {
    "Anna <anna@home.test>": "home.test",
    "anna@mail.home.test": "home.test",
    '"anna@home.test" (x@y.test) <b@dkim-second.test>': "dkim-second.test",
}
UNSIGNED = {
    "stranger": b"From: a@elsewhere.test\r\n",
    "two": b"From: a@home.test\r\nFrom: b@home.test\r\n",
    "none": b"",
    "mixed": b"From: a@home.test, b@dkim-second.test\r\n",
    "broken": b"From: Anna <anna@home.test\r\n",
}


class Signing(Relay):
    """Signs for home.test with two keys and for dkim-second.test with one; dkim-third.test has keys that do not verify."""

    def __init__(self, lab, directory):
        directory.mkdir(parents=True, exist_ok=True)
        rsa, ed = (make_key(directory, "home.test", kind) for kind in ("rsa", "ed25519"))
        second = make_key(directory, "dkim-second.test", "rsa")
        self.missing, self.other = (make_key(directory, "dkim-third.test", "ed25519") for _ in range(2))
        publish(lab, "home", rsa.record, ed.record)
        stolen = ed.record.replace(ed.selector, self.other.selector)  # another key than the relay signs with
        lab.change_all({"name": "dkim-second", "records": [second.record]}, {"name": "dkim-third", "records": [stolen]})
        also = [key.setting() for key in (ed, second, self.missing, self.other)]
        super().__init__(lab, directory, dkim={**rsa.setting(), "sign_relayed": True, "also": also})

    def pass_on(self, octets: bytes) -> bytes:
        """Send it through the relay as it is, dots doubled; what Postfix has then, as octets."""
        recipient = f"bob-{random.getrandbits(32):08x}@{SINK}"
        with self.client() as connection:
            connection.ehlo()
            expect(250, connection.mail("anna@home.test", ["BODY=8BITMIME"]))
            expect(250, connection.rcpt(recipient))
            expect(250, connection.data(octets))
        found: list = []

        def arrived() -> bool:
            found[:] = [m for m in self.lab.mail_of(SINK) if m.recipient == recipient]
            return bool(found)

        assert wait_for(arrived, 30, 0.05), self.queue()
        return as_sent(found[0].octets)


@pytest.fixture(scope="module")
def signing(lab, tmp_path_factory):
    lab.change("dkim-sink")
    one = Signing(lab, tmp_path_factory.mktemp("dkim"))
    one.start()
    yield one
    one.kill()


def signatures(octets: bytes) -> list[dict[bytes, bytes]]:
    headers, _ = dkim.rfc822_parse(octets)
    return [dkim.util.parse_tag_value(v) for k, v in headers if k.lower() == b"dkim-signature"]


def verified(lab, octets: bytes) -> list[bool]:
    def one(index: int) -> bool:
        try:
            return bool(dkim.DKIM(octets).verify(idx=index, dnsfunc=lookup(lab)))
        except dkim.ValidationError:
            return False

    return [one(i) for i in range(len(signatures(octets)))]


@pytest.mark.parametrize("text", TEXTS)
def test_relayed_mail_verifies_elsewhere(lab, signing, text):
    """K1-K6, both algorithms, whatever the message looks like."""
    octets = signing.pass_on(b"From: Anna <anna@home.test>\r\nMessage-ID: <%s@home.test>\r\n" % text.encode() + TEXTS[text])
    tags = signatures(octets)
    assert sorted(t[b"a"] for t in tags) == [b"ed25519-sha256", b"rsa-sha256"]
    assert {t[b"d"] for t in tags} == {b"home.test"} and all(b"l" not in t for t in tags)
    assert verified(lab, octets) == [True, True]
    body = TEXTS[text].partition(b"\r\n\r\n")[2]
    assert octets.endswith(b"\r\n\r\n" + body)  # and nothing else has changed
    forged = octets.replace(b"\r\nFrom: Anna", b"\r\nFrom: Eve <eve@home.test>\r\nFrom: Anna")
    assert forged != octets and True not in verified(lab, forged)


@pytest.mark.parametrize("author", AUTHORS)
def test_each_author_has_the_key_of_their_domain(lab, signing, author):
    octets = signing.pass_on(f"From: {author}\r\nSubject: x\r\n\r\nx\r\n".encode())
    tags = signatures(octets)
    assert {t[b"d"].decode() for t in tags} == {AUTHORS[author]}
    assert verified(lab, octets) == [True] * (2 if AUTHORS[author] == "home.test" else 1)


@pytest.mark.parametrize("row", UNSIGNED)
def test_what_cannot_be_signed_is_relayed_as_it_is(signing, row):
    before = len(signing.events("dkim_unsigned"))
    octets = signing.pass_on(UNSIGNED[row] + b"Subject: x\r\n\r\nx\r\n")
    assert not signatures(octets)
    lines = signing.events("dkim_unsigned")[before:]
    assert len(lines) == (0 if row == "stranger" else 1)  # no key for an author is no trouble
    assert all("From field" in line["why"] for line in lines)
    assert signing.events("accepted")[-1]["dkim"] == ("no-key" if row == "stranger" else "unsigned")


def test_a_message_that_comes_by_again_is_not_signed_again(lab, signing):
    once = signing.pass_on(b"From: anna@home.test\r\nSubject: once\r\n\r\nHello.\r\n")
    twice = signing.pass_on(once)
    assert len(signatures(twice)) == 2 and verified(lab, twice) == [True, True]
    changed = signing.pass_on(once.replace(b"Hello.", b"Changed."))
    assert verified(lab, changed) == [True, True, False, False]


def test_keys_are_compared_with_what_is_published_and_nothing_waits_for_it(signing):
    """The relay runs; two keys have a line that says what is wrong and what to publish."""
    third = [f"{key.selector}._domainkey.dkim-third.test" for key in (signing.missing, signing.other)]

    def problems() -> dict[str, dict]:
        return {e["name"]: e for e in signing.events("dkim_key_problem")}

    assert wait_for(lambda: len(problems()) == 2, 15, 0.1), problems()
    found = problems()
    assert set(found) == set(third)
    assert found[third[0]]["why"] == "no key record is published"
    assert found[third[1]]["why"] == "the published key is another one than ours"
    assert all(re.fullmatch(r"publish: v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=", e["do"]) for e in found.values())
    assert len({e["name"] for e in signing.events("dkim_key_checked")}) == 3


def test_keys_change_with_a_reload_and_a_broken_one_changes_nothing(lab, signing):
    text = signing.config.read_text()
    key = signing.settings["dkim"]["key"]
    good = key.read_bytes()
    key.write_text("no key")
    signing.reload()
    assert wait_for(lambda: signing.events("reload_refused"), 10, 0.05)
    assert "no private key in it" in signing.events("reload_refused")[-1]["why"]
    key.write_bytes(good)
    checked = len(signing.events("dkim_key_checked"))
    signing.config.write_text(text.replace("sign_relayed = true", "sign_relayed = false"))
    signing.reload()
    assert wait_for(lambda: signing.events("reloaded"), 10, 0.05)
    octets = signing.pass_on(b"From: anna@home.test\r\n\r\nx\r\n")
    assert not signatures(octets) and signing.events("accepted")[-1]["dkim"] == "off"
    assert wait_for(lambda: len(signing.events("dkim_key_checked")) > checked, 15, 0.1)
