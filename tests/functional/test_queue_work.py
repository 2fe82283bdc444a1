# SPDX-License-Identifier: Apache-2.0
"""Working on a queue of many messages: one filter for every verb, a question first, and nothing else is touched."""

import json
import re

import pytest
from lab.world import wait_for
from relay import Relay, expect

DOMAINS = [
    {"name": name, "peer": "script", "script": [{"at": "rcpt", "reply": "451 4.7.1 come back later"}]}
    for name in ("work-a", "work-b")
]
MESSAGE = "From: a@home.test\r\nTo: you@work.test\r\nSubject: stays as it is\r\n\r\nThe first line\r\n.. and dots\r\n"


@pytest.fixture(scope="module")
def one(lab, tmp_path_factory):
    lab.change_all(*DOMAINS)
    relay = Relay(lab, tmp_path_factory.mktemp("queue"), delivery={"retry": ["1h"], "lifetime": "5d"})
    with_end = relay.start()
    yield with_end
    with_end.kill()


def fill(relay, count: int, domain: str = "work-a", sender: str = "a@home.test") -> list[str]:
    ids = []
    with relay.client() as connection:
        connection.ehlo()
        for number in range(count):
            expect(250, connection.mail(sender))
            expect(250, connection.rcpt(f"u{number}@{domain}.test"))
            ids.append(re.search(rb"queued as (\w+)", expect(250, connection.data(MESSAGE)))[1].decode())
    assert wait_for(lambda: not [e for e in relay.queue() if e["id"] in ids and e["state"] != "deferred"], 30, 0.2)
    return ids


def empty(relay):
    done = relay.command("queue", "remove", "--all", "--yes")
    assert done.returncode == 0, done.stderr
    assert wait_for(lambda: not relay.queue(), 10, 0.1), relay.queue()


def mail_to(lab, address: str):
    return [m for m in lab.mail_of("home.test") if m.recipient == address]


def refused(relay, *words: str) -> str:
    done = relay.command("queue", *words)
    assert done.returncode != 0, done.stdout
    return done.stderr


def test_a_retry_of_one_domain_touches_no_other(one):
    """`queue retry --all --domain D` tried everything."""
    empty(one)
    a, b = fill(one, 2, "work-a"), fill(one, 2, "work-b")
    done = one.command("queue", "retry", "--all", "--domain", "work-b.test", "--yes")
    assert "2 recipients of 2 messages" in done.stdout, done
    assert wait_for(lambda: all(e["attempts"] == 2 for e in one.queue() if e["id"] in b), 15, 0.2), one.queue()
    assert {e["attempts"] for e in one.queue() if e["id"] in a} == {1}


def test_much_is_asked_about_and_little_is_not(one):
    empty(one)
    ids = fill(one, 3)
    said = refused(one, "remove", "--domain", "work-a.test")
    assert "would remove 3 recipients of 3 messages" in said and "--yes" in said
    assert len(one.queue()) == 3
    assert one.command("queue", "remove", ids[0]).returncode == 0
    assert wait_for(lambda: len(one.queue()) == 2, 10, 0.1)
    assert "Removed: 2 recipients" in one.command("queue", "remove", "--domain", "work-a.test", "-y").stdout
    assert one.queue() == []
    assert "Nothing in the queue" in one.command("queue", "remove", "--domain", "work-a.test").stdout


def test_what_cannot_be_done_says_why(one):
    empty(one)
    (id,) = fill(one, 1)
    assert "which mail is meant" in refused(one, "retry")
    assert "is not held" in refused(one, "release", id)
    assert one.command("queue", "hold", id, "--note", "to look at").returncode == 0
    assert "is held already" in refused(one, "hold", id)
    assert "release" in refused(one, "retry", id)
    assert "to look at" in one.command("queue", "why", id).stdout
    assert one.command("queue", "release", "--state", "held", "--yes").returncode == 0
    assert "is not a queue id" in refused(one, "show", "xyz")
    gone = id[:-1] + ("0" if id[-1] != "0" else "1")
    assert "no message" in refused(one, "release", gone)
    assert "is not how long" in refused(one, "list", "--older", "soon")
    error = json.loads(one.command("--json", "queue", "release", gone).stderr)
    assert error["exit_code"] == 66 and error["remedy"]


def test_a_listing_that_is_cut_says_so(one):
    empty(one)
    fill(one, 5)
    listed = one.command("queue", "list", "--limit", "2").stdout.splitlines()
    assert len(listed) == 4 and listed[-1].startswith("2 of 5 recipients are listed")
    assert "0 of 5 recipients" in one.command("queue", "list", "--limit", "0").stdout
    assert one.command("queue", "list").stdout.splitlines()[-1] == "5 recipients."
    answer = one.ask("queue", "list", "--limit", "2")
    assert answer["total"] == 5 and len(answer["entries"]) == 2


def test_every_filter_finds_its_mail(one):
    empty(one)
    a = fill(one, 2, "work-a", "boss@home.test")
    b = fill(one, 1, "work-b", "a@other.test")
    for words, expected in {
        ("--sender", "BOSS@home.test"): a,
        ("--sender", "other.test"): b,
        ("--recipient", "u1@*"): a[1:],
        ("--domain", "work-b.test"): b,
        ("--next-hop", "work-a*"): a,
        ("--reason", "~come back"): a + b,
        ("--reason", "no such words"): [],
        ("--older", "1h"): [],
        ("--state", "deferred"): a + b,
        ("--policy", "mta-sts"): [],
        ("--id", b[0]): b,
        ("--domain", "work-a.test", "--recipient", "u0@work-a.test"): a[:1],
    }.items():
        assert {e["id"] for e in one.ask("queue", "list", *words)["entries"]} == set(expected), words
    rows = {row["name"]: row for row in one.ask("queue", "summary")["rows"]}
    assert rows["work-a.test"]["ages"][0] == 2 and rows["work-b.test"]["recipients"] == 1
    shown = one.command("queue", "summary").stdout
    assert re.search(r"^work-a\.test +2 +2 ", shown, re.MULTILINE), shown


def test_a_message_can_be_read(one):
    empty(one)
    (id,) = fill(one, 1)
    raw = one.command("queue", "show", "--raw", id).stdout
    assert "The first line" in raw and ". and dots" in raw and raw.startswith("Received:")
    header = one.command("queue", "show", "--headers", id).stdout
    assert "Subject: stays as it is" in header and "The first line" not in header
    message = one.ask("queue", "show", id)["messages"][0]
    assert message["sender"] == "a@home.test" and message["recipients"][0]["attempts"] == 1


@pytest.mark.parametrize(("verb", "status", "words"), [("bounce", "5.0.0", "returned by the operator"), ("expire", "4.4.7", "delivery time ended")])
def test_mail_is_given_back_with_the_operators_words(lab, one, verb, status, words):
    empty(one)
    sender = f"{verb}@home.test"
    fill(one, 1, sender=sender)
    kept = fill(one, 1)
    done = one.command("queue", verb, "--sender", sender, "--note", "the firm has closed", "--yes")
    assert "1 recipient of 1 message" in done.stdout, done
    assert wait_for(lambda: mail_to(lab, sender), 20), one.queue()
    text = mail_to(lab, sender)[0].octets.decode()
    assert f"Status: {status}" in text and words in text and "the firm has closed" in text
    assert {e["id"] for e in one.queue() if e["state"] != "active"} >= set(kept)


def test_an_end_and_a_hold_outlive_a_restart(one):
    empty(one)
    ids = fill(one, 4)
    assert one.command("queue", "hold", *ids[:2]).returncode == 0
    assert one.command("queue", "remove", ids[0], ids[3]).returncode == 0
    one.kill()
    one.start()
    states = {e["id"]: e["state"] for e in one.queue()}
    assert set(states) == {ids[1], ids[2]} and states[ids[1]] == "held" and states[ids[2]] != "held"


def test_no_screen_is_wider_than_the_terminal(one, monkeypatch):
    empty(one)
    fill(one, 2, sender="a-sender-with-quite-a-long-name@department.home.test")
    monkeypatch.setenv("COLUMNS", "80")
    for words in (("list",), ("summary",), ("why", "--domain", "*"), ("show", "--domain", "*")):
        done = one.command("queue", *words)
        assert done.stdout and max(map(len, done.stdout.splitlines())) <= 80, done.stdout
