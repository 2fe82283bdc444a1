# SPDX-License-Identifier: Apache-2.0
"""Working on a queue of many messages: one filter for every verb, a question first, and nothing else is touched."""

import errno
import json
import os
import pty
import re
import subprocess

import pytest
from lab.world import wait_for
from relay import BINARY, Relay, expect

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
    """What is being delivered is passed over by `remove`, so it has its turn when it is back."""

    def emptied() -> bool:
        done = relay.command("queue", "remove", "--all", "--yes")
        assert done.returncode == 0, done.stderr
        return not relay.queue()

    assert wait_for(emptied, 20, 0.1), relay.queue()


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


def test_a_variable_that_is_empty_means_nothing_and_not_everything(one):
    """D= ; sealpost queue remove --all --domain "$D" --yes"""
    empty(one)
    fill(one, 2)
    for option in ("--id", "--sender", "--recipient", "--domain", "--next-hop", "--reason", "--policy", "--state", "--older"):
        assert option in refused(one, "remove", "--all", option, "", "--yes")
        assert option in refused(one, "remove", "--all", f"{option}=", "--yes")
    assert "empty" in refused(one, "remove", "--all", "--reason", "~", "--yes")
    assert len(one.queue()) == 2


def rest_of(terminal: int) -> bytes:
    """All that was written before the other side closed; one read may end at the echo of what was typed."""
    shown = b""
    try:
        while piece := os.read(terminal, 4096):
            shown += piece
    except OSError as error:
        assert error.errno == errno.EIO, error  # the other side is closed
    return shown


def at_a_terminal(one, answer, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output (which is none) and what the terminal showed; `answer()` is typed at the question."""
    ours, theirs = pty.openpty()
    command = one.lab.command([BINARY, "--config", one.config, *words])
    process = subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True)
    os.close(theirs)
    shown = b""
    try:
        while b"[y/N]" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, answer().encode())
        out = process.communicate(timeout=30)[0]
        shown += rest_of(ours)
    finally:
        process.kill()
        os.close(ours)
    return process.returncode, out, shown.decode()


def test_what_is_done_is_what_was_asked_about(one):
    empty(one)
    fill(one, 2)

    def no():
        return "n\n"

    def yes_after_more_mail():
        fill(one, 1)
        return "y\n"

    code, out, shown = at_a_terminal(one, no, "queue", "remove", "--domain", "work-a.test")
    assert code == 64 and not out and "remove 2 recipients of 2 messages" in shown and "nothing was done" in shown
    assert len(one.queue()) == 2
    code, out, shown = at_a_terminal(one, yes_after_more_mail, "--json", "queue", "remove", "--domain", "work-a.test")
    assert code == 0 and json.loads(out)["recipients"] == 2, (out, shown)
    assert len(one.queue()) == 1
    assert json.loads(refused_json(one, "remove", "--domain", "work-a.test"))["exit_code"] == 64


def refused_json(one, *words: str) -> str:
    done = one.command("--json", "queue", *words)
    assert done.returncode != 0 and not done.stdout, done
    return done.stderr


def test_ids_as_words_and_behind_the_option_are_both_meant(one):
    empty(one)
    ids = fill(one, 3)
    assert "2 recipients of 2 messages" in one.command("queue", "remove", ids[0], "--id", ids[1]).stdout
    assert [e["id"] for e in one.queue()] == [ids[2]]


def test_hold_and_release_count_whole_messages(one):
    empty(one)
    one.wait_deferred(one.submit("a@home.test", ["u0@work-a.test", "u1@work-a.test", "u2@work-b.test"], MESSAGE))
    said = " ".join(refused(one, "hold", "--recipient", "u2@work-b.test").split())
    assert "would hold 3 recipients of 1 message" in said and "1 is as asked for" in said
    assert "Held: 3 recipients of 1 message" in one.command("queue", "hold", "--recipient", "u2@work-b.test", "-y").stdout
    assert {e["state"] for e in one.queue()} == {"held"}
    assert "Released: 3 recipients of 1 message" in one.command("queue", "release", "--domain", "work-a.test", "-y").stdout


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


def test_who_said_it_is_known_after_a_restart_too(one):
    """The reply was kept, and not of which host it was."""
    empty(one)
    (id,) = fill(one, 1)

    def last_answer():
        return one.ask("queue", "show", id)["messages"][0]["recipients"][0]["last_answer"]

    said = last_answer()
    assert said["status"] == "4.7.1" and said["mx"].endswith("work-a.test") and said["ip"], said
    one.kill()
    one.start()
    assert last_answer() == said
    shown = one.command("queue", "show", id).stdout
    assert f"last answer: 4.7.1, from {said['mx']} [{said['ip']}]" in shown, shown


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


def test_the_queue_can_be_read_while_no_relay_runs(one):
    empty(one)
    ids = fill(one, 2) + fill(one, 1, "work-b", "b@home.test")
    assert one.command("queue", "hold", ids[0], "--note", "for later").returncode == 0
    before = {(e["id"], e["recipient"], e["state"], e["attempts"]) for e in one.queue()}
    one.stop()

    def files():
        return {p: (p.stat().st_mtime_ns, p.stat().st_size, p.stat().st_ino) for p in (one.data / "spool").rglob("*")}

    stopped = files()
    said = one.command("queue", "list")
    assert said.returncode == 0 and "No relay runs here" in said.stderr and "3 recipients." in said.stdout, said
    answer = one.ask("queue", "list", "--limit", "100")
    assert answer["from_journal"] and {(e["id"], e["recipient"], e["state"], e["attempts"]) for e in answer["entries"]} == before
    assert one.ask("queue", "list", "--sender", "b@home.test")["total"] == 1
    assert "is held until released: held: for later" in one.command("queue", "why", ids[0]).stdout
    assert one.ask("queue", "summary")["total"]["recipients"] == 3
    assert one.ask("queue", "show", ids[2])["messages"][0]["sender"] == "b@home.test"
    assert one.command("queue", "show", ids[0][:-1] + ("0" if ids[0][-1] != "0" else "1")).returncode == 66
    for words in (("queue", "show", "--raw", ids[0]), ("queue", "retry", "--all", "--yes"), ("queue", "remove", ids[0])):
        assert one.command(*words).returncode == 69
    assert stopped and files() == stopped  # only looked at
    one.start()
    assert {e["id"] for e in one.queue()} == set(ids)


def test_no_screen_is_wider_than_the_terminal(one, monkeypatch):
    empty(one)
    fill(one, 2, sender="a-sender-with-quite-a-long-name@department.home.test")
    monkeypatch.setenv("COLUMNS", "80")
    (id,) = fill(one, 1, "work-b")
    assert one.command("queue", "hold", id, "--note", "until somebody has had a look at all of it").returncode == 0
    one.wait_deferred(one.submit("a@home.test", ["u0@work-a.test", "u1@work-b.test"], MESSAGE))
    for words in (
        ("queue", "list"),
        ("queue", "list", "--limit", "2"),
        ("queue", "summary"),
        ("queue", "summary", "--by", "reason", "--limit", "1"),
        ("queue", "why", "--domain", "*"),
        ("queue", "show", "--domain", "*", "--limit", "2"),
        ("queue", "show", "--recipient", "u1@work-b.test"),
        ("queue", "hold", "--all"),  # asks, and says what it passes over
        ("queue", "hold", "--recipient", "u1@work-b.test"),
        ("queue", "retry", "--all", "--yes"),
        ("queue", "release", "0123456789ABCDEFGHJKMNPQRS"),
        ("policy", "explain", "u0@work-a.test"),
        ("policy", "probe", "work-a.test"),
        ("policy", "list"),
        ("policy", "history"),
        ("report", "list"),
        ("report", "alerts"),
        ("status",),
        ("status", "--check"),
        ("check",),
    ):
        done = one.command(*words)
        said = done.stdout + done.stderr
        assert said and max(map(len, said.splitlines())) <= 80, (words, said)


def next_hops(relay) -> dict[str, str]:
    return {e["recipient"].partition("@")[2]: e["next_hop"] for e in relay.queue()}


def test_mail_goes_another_way_as_far_as_it_is_meant_and_outlives_a_restart(lab, one):
    empty(one)
    lab.change("work-relay", peer="script")
    relay, dead = "[mx1.work-relay.test]:25", "[mx1.work-relay.test]:26"
    a = fill(one, 2, "work-a")
    fill(one, 1, "work-b")
    assert one.command("queue", "reroute", *a, "--to", "nowhere.work-relay.test").returncode == 0
    for id in a:
        one.wait_deferred(id, attempts=2)
    assert one.ask("status")["troubles"] == []  # of this mail alone, and its senders hear nothing
    assert "not said where" in refused(one, "reroute", "--domain", "work-a.test", "--yes")
    assert "is not a relay" in refused(one, "reroute", "--domain", "work-a.test", "--to", "a b", "--yes")
    done = one.command("queue", "reroute", "--domain", "work-a.test", "--to", dead, "--yes")
    assert done.returncode == 0 and "Sent another way: 2 recipients of 2 messages" in done.stdout, done
    assert next_hops(one) == {"work-a.test": dead, "work-b.test": "work-b.test"}
    for id in a:
        one.wait_deferred(id, attempts=3)
    assert "goes there already" in refused(one, "reroute", *a, "--to", dead)
    one.kill()
    one.start()
    assert wait_for(lambda: next_hops(one).get("work-a.test") == dead, 10, 0.2), next_hops(one)
    assert one.command("queue", "reroute", "--domain", "work-a.test", "--as-configured", "--yes").returncode == 0
    assert next_hops(one)["work-a.test"] == "work-a.test"
    assert wait_for(lambda: all(e["state"] == "deferred" for e in one.queue()), 20, 0.2), one.queue()
    assert one.command("queue", "reroute", *a, "--to", relay).returncode == 0
    assert wait_for(lambda: not set(a) & {e["id"] for e in one.queue()}, 20, 0.2), one.queue()
    assert {e["mx"] for e in one.events("delivered") if e["id"] in a} == {"mx1.work-relay.test"}
    assert next_hops(one) == {"work-b.test": "work-b.test"}


def test_T16_no_other_way_passes_a_partner_rule_or_asks_less_than_a_policy_could(lab, tmp_path):
    clear = "[mx1.work-clear.test]:25"
    lab.change("work-clear", peer="script", starttls=False)
    partners = [{"name": "Bank", "tls": "verify", "domains": ["work-a.test"], "on_failure": "defer"}]
    one = Relay(lab, tmp_path, partners=partners, delivery={"retry": ["1h"], "lifetime": "5d"})
    one.start()
    before = [len(lab.mail_of(domain)) for domain in ("work-a.test", "work-b.test")]
    try:
        ids = [*fill(one, 1, "work-a"), *fill(one, 1, "work-b")]
        assert one.command("queue", "reroute", *ids, "--to", clear).returncode == 0
        entries = {id: one.wait_deferred(id, attempts=2) for id in ids}
        assert [entries[id]["policy"] for id in ids] == ["partner:Bank", f"partner:reroute to {clear}"]
        assert {e["next_hop"] for e in entries.values()} == {clear}
        assert [len(lab.mail_of(domain)) for domain in ("work-a.test", "work-b.test")] == before
    finally:
        one.kill()
