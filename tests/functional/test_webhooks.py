# SPDX-License-Identifier: Apache-2.0
"""Webhooks of a running relay: what became of mail is told to whoever asked for it, signed, in order, through crashes of the relay
and whatever the endpoint does; nothing twice by name, nothing never."""

import collections
import json
import os
import random
import time

import pytest
from answers import Answers
from collector import Collector
from relay import ROOT, Relay
from webhook_receiver import DROP, HANG, OK, RESET, WebhookReceiver, asked, closed_port, new_secret, soon, standing, verify_webhook

MESSAGE = "From: a@home.test\r\nSubject: x\r\n\r\nx\r\n"
FINAL = ("delivered", "failed", "removed")
KILLS = int(os.environ.get("SEALPOST_WEBHOOK_KILLS", "6"))
ENDPOINT = "44.128.0.97"


@pytest.fixture(scope="module")
def world(lab):
    lab.change_all(
        {"name": "hook-good", "peer": "script"},
        {"name": "hook-later", "peer": "script", "script": [{"at": "rcpt", "per": "argument", "times": 1, "reply": "451 4.7.1 come back later"}]},
        {"name": "hook-waits", "peer": "script", "script": [{"at": "rcpt", "reply": "451 4.7.1 come back later"}]},
        {"name": "hook-no", "peer": "script", "script": [{"at": "rcpt", "reply": "550 5.1.1 <bob@hook-no.test> is nobody"}]},
        {"name": "hook-hosts", "peer": "script", "records": [f"in 5 A {ENDPOINT}", "private 5 A 10.99.0.97"]},
    )


@pytest.fixture
def receiver(lab, world, tmp_path):
    with WebhookReceiver(lab, tmp_path) as receiver:
        yield receiver
        assert not receiver.wrong, receiver.wrong[:3]


@pytest.fixture
def start(lab, tmp_path):
    started = []

    def start(*webhooks: dict, **settings) -> Relay:
        started.append(Relay(lab, tmp_path, webhook=list(webhooks), **settings))
        return started[-1].start()

    yield start
    for relay in started:
        relay.kill()


def finals(events: list[dict]) -> collections.Counter:
    return collections.Counter((event["queue_id"], event["recipient_number"]) for event in events if event["kind"] in FINAL)


def test_what_became_of_mail_is_told(receiver, start):
    relay = start(receiver.setting())
    id = relay.submit("alice@home.test", ["b@hook-good.test", "bob@hook-no.test", "c@hook-later.test"], MESSAGE)
    assert soon(lambda: len(finals(receiver.first_arrivals())) >= 4), receiver.events  # that of the notification too
    own = [event for event in receiver.first_arrivals() if event["queue_id"] == id]
    assert own[0]["kind"] == "accepted" and own[0]["recipients"] == 3 and own[0]["sender"] == "alice@home.test"
    by_recipient = {n: [event for event in own if event.get("recipient_number") == n] for n in range(3)}
    assert [event["kind"] for event in by_recipient[0]] == ["delivered"]
    assert [event["kind"] for event in by_recipient[2]] == ["deferred", "delivered"]
    failed = by_recipient[1][-1]
    assert failed["kind"] == "failed" and failed["recipient"] == "bob@hook-no.test" and failed["status"] == "5.1.1"
    assert "550 5.1.1" in failed["reply"] and failed["mx_host"] == "mx1.hook-no.test" and failed["proof_digest"]
    (notice,) = [event for event in receiver.of_kind("accepted") if event.get("message_class") == "notification"]
    assert notice["sender"] == "" and notice["queue_id"] != id
    # The ledger says the same in the same words.
    rows = [row["kind"] for row in relay.ask("trace", id)["messages"][0]["rows"] if row["id"] == id]
    assert collections.Counter(rows) == collections.Counter(event["kind"] for event in own)
    relay.ask("webhook", "test", "hook")
    assert receiver.events[-1]["kind"] == "test"
    well = standing(relay, "hook")
    assert well["state"] == "well" and well["waiting"] == 0 and well["answer"] == "204" and well["sent"] == len(own) + 2


def test_operators_words_are_told(receiver, start):
    relay = start(receiver.setting(events=["hold", "release", "removed"]))
    with_later = relay.submit("a@home.test", "x@hook-waits.test", MESSAGE)
    relay.wait_deferred(with_later)
    for verb in ("hold", "release", "remove"):
        assert relay.command("queue", verb, with_later, "--yes", "--note", "asked").returncode == 0
        time.sleep(0.3)
    assert soon(lambda: len(receiver.events) == 3), receiver.events
    assert [event["kind"] for event in receiver.events] == ["hold", "release", "removed"]
    assert "asked" in receiver.events[0]["why"]


def test_nothing_twice_and_nothing_never_through_crashes_and_an_endpoint_of_many_moods(lab, receiver, start):
    """kill -9 at any moment, an endpoint that answers 500, hangs, and leaves after reading: the events that arrive are the outcomes that
    there were, each under one name, and each comes first in the order of the journal."""
    relay = start(receiver.setting(batch=7, timeout="1s"))
    receiver.mood = [OK, OK, OK, 500, 503, DROP, RESET, HANG, 302]
    sent = {}
    for round in range(KILLS):
        for n in range(8):
            to = [f"r{round}n{n}@hook-good.test", f"r{round}n{n}@hook-later.test"] + ["bob@hook-no.test"] * (n % 4 == 0)
            sent[relay.submit("a@home.test", to, MESSAGE)] = to
        time.sleep(random.uniform(0, 0.8))
        relay.kill()
        relay.start()
    receiver.mood = []
    expected = {(id, n) for id, to in sent.items() for n in range(len(to))}

    def all_there() -> bool:
        return expected <= finals(receiver.first_arrivals()).keys() and not relay.queue() and standing(relay, "hook")["waiting"] == 0

    assert soon(all_there, 90), (len(finals(receiver.first_arrivals())), standing(relay, "hook"))
    first = receiver.first_arrivals()
    assert set(finals(first).values()) == {1}, "a recipient ended twice"
    # In order, and neither more nor fewer than there are.
    assert [event["event_id"] for event in first] == [event["event_id"] for event in asked(relay, "hook")]
    # As the ledger, another reader of the same journal, has it.
    kinds = ("accepted", *FINAL, "deferred")
    rows = [row for row in relay.ask("evidence", "list", "--limit", "100000")["rows"] if row["kind"] in kinds]
    told = [event for event in first if event["kind"] in kinds]
    as_row = lambda one, id: (one[id], one["kind"], one.get("recipient_number"))
    assert collections.Counter(as_row(row, "id") for row in rows) == collections.Counter(as_row(event, "queue_id") for event in told)
    # And as the receivers of the mail have it.
    there = {mail.recipient for domain in ("hook-good.test", "hook-later.test") for mail in lab.mail_of(domain)}
    assert {event["recipient"] for event in first if event["kind"] == "delivered" and event["sender"]} <= there
    assert not [event for event in first if event["kind"] == "gap"]
    # What was taken in the end is all of it: nothing rests on a request that was not answered 2xx.
    assert {event["event_id"] for event in receiver.taken} == {event["event_id"] for event in first}


def test_an_endpoint_that_is_away_costs_nobody_anything_and_gets_all_of_it_later(lab, receiver, start, tmp_path):
    dead = {"name": "dead", "url": f"http://127.0.0.1:{closed_port(lab)}/", "secret": receiver.secret_file, "alert_after": "1s"}
    with WebhookReceiver(lab, tmp_path, "hangs") as hangs:
        hangs.usual = HANG
        relay = start(receiver.setting(), dead, hangs.setting(timeout="30s"))
        ids = [relay.submit("a@home.test", f"n{n}@hook-good.test", MESSAGE) for n in range(10)]
        assert soon(lambda: len(receiver.of_kind("delivered")) == 10), receiver.events
        assert standing(relay, "dead")["state"] == "failing" and standing(relay, "dead")["waiting"] == 20
        assert len(hangs.requests) == 1
        assert relay.ask("status")["webhooks"]["octets_behind"] == 0  # nor the journal
        said = lambda: {trouble["cause"]: trouble["what"] for trouble in relay.ask("status")["troubles"]}
        assert soon(lambda: "webhook dead" in said()), said()
        assert relay.ask("status")["verdict"]["grade"] == "attention"
        # It comes back at another place: a reload, no restart.
        relay.reload_with(webhook=[receiver.setting(), {**dead, "name": "dead", "url": f"http://127.0.0.1:{hangs.port}/hook", "secret": hangs.secret_file}])
        hangs.name, hangs.usual = "dead", OK
        assert soon(lambda: {event["queue_id"] for event in hangs.of_kind("delivered")} >= set(ids)), hangs.wrong
        assert soon(lambda: "webhook dead" not in said()), said()
        assert [one["name"] for one in relay.ask("webhook", "list")["webhooks"]] == ["hook", "dead"]


def test_replay_pause_and_410(receiver, start):
    relay = start(receiver.setting())
    for n in range(5):
        relay.submit("a@home.test", f"p{n}@hook-good.test", MESSAGE)
    assert soon(lambda: len(receiver.of_kind("delivered")) == 5)
    order = [event["event_id"] for event in receiver.first_arrivals()]
    before = len(receiver.events)
    assert relay.ask("webhook", "replay", "hook", "--from", order[4])["events"] == 6
    assert soon(lambda: len(receiver.events) == before + 6)
    assert [event["event_id"] for event in receiver.events[before:]] == order[4:]
    assert relay.ask("webhook", "replay", "hook", "--since", "1h")["events"] == 10
    assert soon(lambda: len(receiver.events) == before + 16)
    assert [event["event_id"] for event in receiver.events[before + 6 :]] == order
    assert relay.command("webhook", "replay", "hook", "--from", "evt_" + "0" * 32).returncode == 66
    assert relay.command("webhook", "replay", "nobody", "--since", "1h").returncode == 66

    relay.ask("webhook", "pause", "hook")
    relay.restart()  # which is not forgotten
    id = relay.submit("a@home.test", "q@hook-good.test", MESSAGE)
    relay.wait_gone(id)
    assert soon(lambda: standing(relay, "hook")["waiting"] == 2) and standing(relay, "hook")["state"] == "paused"
    receiver.behaviours = [410]
    relay.ask("webhook", "resume", "hook")
    assert soon(lambda: standing(relay, "hook")["state"] == "gone")
    assert soon(lambda: any(trouble["cause"] == "webhook hook" for trouble in relay.ask("status")["troubles"]))
    count = len(receiver.requests)
    relay.wait_gone(relay.submit("a@home.test", "r@hook-good.test", MESSAGE))
    time.sleep(1.5)
    assert len(receiver.requests) == count
    relay.ask("webhook", "resume", "hook")
    assert soon(lambda: {event["event_id"] for event in receiver.taken} == {event["event_id"] for event in asked(relay, "hook")})
    assert soon(lambda: not relay.ask("status")["troubles"])


def test_secrets_rotate_and_a_wrong_one_is_found_by_test(receiver, start):
    relay = start(receiver.setting())
    old = receiver.secret
    new = new_secret()
    receiver.write_secrets(new, old)
    relay.reload_with()
    assert relay.command("webhook", "test", "hook").returncode == 0  # the receiver still has the old one
    receiver.secret = new
    assert relay.command("webhook", "test", "hook").returncode == 0
    receiver.write_secrets(new)
    relay.reload_with()
    receiver.secret = old
    done = relay.command("webhook", "test", "hook")
    assert done.returncode == 1 and "401" in done.stdout
    receiver.secret, receiver.wrong = new, []
    # A secret that others can read, and one that is none, are refused, and what was in force stays.
    receiver.secret_file.chmod(0o644)
    assert relay.reload_with()["event"] == "reload_refused"
    receiver.write_secrets("whsec_!!")
    assert relay.reload_with()["event"] == "reload_refused"
    assert "whsec_!!" not in relay.log.read_text()
    assert relay.command("webhook", "test", "hook").returncode == 0


def test_filters_addresses_and_who_asks_instead(receiver, start):
    poll = {"name": "poll", "addresses": "domain", "sender_domains": ["home.test"], "events": ["delivered"]}
    relay = start(receiver.setting(addresses="hash", events=["failed"]), poll)
    relay.submit("alice@home.test", ["b@hook-good.test", "bob@hook-no.test"], MESSAGE)
    relay.submit("alice@other.test", "c@hook-good.test", MESSAGE)
    assert soon(lambda: receiver.of_kind("failed"))
    assert {event["kind"] for event in receiver.events} == {"failed"}
    assert "@" not in json.dumps(receiver.events) and len(receiver.events[0]["recipient"]) == 32
    assert "<{to}>" in receiver.events[0]["reply"]
    assert soon(lambda: asked(relay, "poll"))
    (event,) = asked(relay, "poll", 1)
    assert event["recipient"] == "@hook-good.test" and event["sender"] == "@home.test"
    answer = relay.ask("webhook", "events", "poll")
    assert relay.ask("webhook", "events", "poll", "--after", answer["cursor"])["events"] == []
    assert standing(relay, "poll")["state"] == "polled"
    for words in (["list"], ["events", "poll"], ["replay", "hook", "--since", "1h"], ["test", "hook"], ["pause", "hook"], ["resume", "hook"]):
        assert relay.command("webhook", *words).returncode == 0, words


def test_the_first_webhook_comes_with_a_reload_and_the_last_one_goes_with_one(receiver, start):
    """What was under way when it came is told from then on, and without any nothing is kept."""
    relay = start()
    id = relay.submit("alice@home.test", ["x@hook-waits.test"], MESSAGE)
    relay.wait_deferred(id)
    assert not (relay.data / "webhooks.db").exists()
    relay.reload_with(webhook=[receiver.setting()])
    assert relay.command("queue", "remove", id, "--yes").returncode == 0
    assert soon(lambda: receiver.of_kind("removed")), receiver.events
    (removed,) = receiver.of_kind("removed")
    assert removed["recipient"] == "x@hook-waits.test" and removed["sender"] == "alice@home.test"
    assert not receiver.of_kind("accepted")
    relay.reload_with(webhook=[])
    assert relay.ask("webhook", "list") == {"webhooks": []}
    relay.wait_gone(relay.submit("alice@home.test", "b@hook-good.test", MESSAGE))
    count = len(receiver.events)
    relay.reload_with(webhook=[receiver.setting()])
    id = relay.submit("alice@home.test", "c@hook-good.test", MESSAGE)
    assert soon(lambda: len(receiver.events) == count + 2)
    assert {event["queue_id"] for event in receiver.events[count:]} == {id}


def test_over_https_to_a_host_that_its_certificate_names(lab, receiver, start):
    """And not to one that it does not, nor to a private address (T-20)."""
    url = lambda host: f"https://{host}.hook-hosts.test/hook"
    with Collector(lab, "in.hook-hosts.test", "hook-hosts.test", address=ENDPOINT) as endpoint:
        relay = start({**receiver.setting(), "name": "in", "url": url("in")}, {**receiver.setting(), "name": "private", "url": url("private")})
        relay.wait_gone(relay.submit("alice@home.test", "b@hook-good.test", MESSAGE))
        assert soon(lambda: standing(relay, "in")["state"] == "well" and standing(relay, "in")["sent"] == 2), standing(relay, "in")
        request = endpoint.requests[0]
        assert request.path == "/hook" and verify_webhook.is_genuine(request.headers, request.body, receiver.secret)
        assert not verify_webhook.is_genuine(request.headers, request.body + b" ", receiver.secret)
        assert not Answers().wrong("webhook_request", json.loads(request.body))
        assert "private or reserved" in standing(relay, "private")["answer"]


def test_the_examples_of_the_page_are_as_the_schema_has_them():
    page = (ROOT / "docs" / "webhooks.md").read_text()
    (example,) = [part.split("```", 1)[0] for part in page.split("```json\n")[1:]]
    assert not Answers().wrong("webhook_event", json.loads(example))
