# SPDX-License-Identifier: Apache-2.0
"""The ledger of a running relay: what the receivers saw is what its rows say, through crashes too, and nobody changes it unseen."""

import collections
import json
import shutil
import sqlite3
import subprocess
import sys

import pytest
from lab.world import wait_for
from relay import ROOT, Relay

MESSAGE = "From: a@home.test\r\nMessage-ID: <{}@home.test>\r\nSubject: x\r\n\r\nx\r\n"
FINAL = {"delivered", "failed", "removed"}


@pytest.fixture(scope="module")
def world(lab):
    lab.change_all(
        {"name": "ledger-good", "peer": "script"},
        {"name": "ledger-later", "peer": "script", "script": [{"at": "rcpt", "reply": "451 4.7.1 come back later"}]},
        {"name": "ledger-no", "peer": "script", "script": [{"at": "rcpt", "reply": "550 5.1.1 <bob@ledger-no.test> is nobody"}]},
    )


@pytest.fixture
def one(lab, world, tmp_path):
    relay = Relay(lab, tmp_path)
    yield relay.start()
    relay.kill()


def rows(one, *words) -> list[dict]:
    return one.ask("evidence", "list", "--limit", "100000", *words)["rows"]


def finals(one) -> collections.Counter:
    return collections.Counter((row["id"], row["recipient_number"], row["recipient"]) for row in rows(one) if row["kind"] in FINAL)


def verified(one, *words) -> dict:
    done = one.command("--json", "evidence", "verify", *map(str, words))
    return json.loads(done.stdout)


def test_the_trail_of_a_message(lab, one):
    good = one.submit("alice@home.test", ["b@ledger-good.test", "bob@ledger-no.test"], MESSAGE.format("one"))
    later = one.submit("alice@home.test", "b@ledger-later.test", MESSAGE.format("two"))
    assert wait_for(lambda: len(finals(one)) >= 3 and rows(one, "--domain", "ledger-later.test"), 30, 0.2), rows(one)
    (trail,) = one.ask("trace", good)["messages"]
    kinds = [row["kind"] for row in trail["rows"]]
    # A failure waits for others that the same notification tells of, until then it is deferred.
    assert kinds[0] == kinds[-1] == "accepted" and sorted(kinds[1:-1]) == ["deferred", "delivered", "failed"], trail
    taken, notice = trail["rows"][0], trail["rows"][-1]
    assert taken["sender"] == "alice@home.test" and taken["recipients"] == 2 and "127.0.0.1" in taken["client"]
    assert notice["caused_by"] == good and notice["message_class"] == "notification"
    (failed,) = [row for row in trail["rows"] if row["kind"] == "failed"]
    assert failed["recipient"] == "bob@ledger-no.test" and "550 5.1.1 <bob@ledger-no.test> is nobody" in failed["reply"]
    assert failed["mx_host"] == "mx1.ledger-no.test" and failed["status"] == "5.1.1" and failed["proof"]["verdict"] == "deliver"
    (delivered,) = [row for row in trail["rows"] if row["kind"] == "delivered"]
    assert delivered["status"] == "2.0.0" and delivered["mx_host"] == "mx1.ledger-good.test"
    assert delivered["proof"]["verdict"] == "deliver" and delivered["proof"]["certificate"]["names"] == ["mx1.ledger-good.test"]
    assert [m["id"] for m in one.ask("trace", "<two@home.test>")["messages"]] == [later]
    assert [m["id"] for m in one.ask("trace", "--recipient", "Bob@ledger-no.test")["messages"]] == [good]
    assert {row["kind"] for row in rows(one, "--domain", "ledger-later.test")} == {"deferred"}
    assert one.command("trace", "nothing@home.test").returncode == 66
    words = one.command("trace", good).stdout
    assert "taken from" in words and "delivered: b@ledger-good.test" in words, words
    assert verified(one)["whole"]


def test_what_receivers_saw_is_what_it_says_through_crashes(lab, one):
    """Each accepted recipient has exactly one final row, whenever the relay was killed."""
    sent = {}
    for round in range(4):
        for n in range(10):
            address = f"r{round}n{n}@ledger-good.test"
            sent[one.submit("a@home.test", [address, f"x{address}"], MESSAGE.format(address))] = address
        one.kill()
        one.start()
    assert wait_for(lambda: len(finals(one)) == 80, 60, 0.3), len(finals(one))
    counted = finals(one)
    assert set(counted.values()) == {1}
    assert {id for id, _, _ in counted} == set(sent)
    received = {m.recipient for m in lab.mail_of("ledger-good.test")}
    assert {recipient for _, _, recipient in counted} <= received
    assert len([row for row in rows(one) if row["kind"] == "accepted"]) == 40
    assert verified(one)["whole"]


def test_nobody_changes_it_unseen(lab, one, tmp_path):
    for n in range(5):
        one.submit("a@home.test", f"t{n}@ledger-good.test", MESSAGE.format(n))
    assert wait_for(lambda: len(finals(one)) == 5, 30, 0.2)
    one.stop()
    copy = tmp_path / "copy.db"
    with sqlite3.connect(one.data / "ledger.db") as ledger, sqlite3.connect(copy) as into:
        ledger.backup(into)
    key = one.data / "ledger.key"
    public = tmp_path / "public.pem"
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    assert verified(one, copy, "--key", public)["key_given"]
    script = [sys.executable, ROOT / "docs/verify-ledger.py", copy, public]
    assert subprocess.run(script, check=False, capture_output=True, text=True).stdout.startswith("whole: ")
    forged = tmp_path / "forged.db"
    shutil.copy(copy, forged)
    with sqlite3.connect(forged) as into:
        into.execute("UPDATE row SET payload = replace(payload, '\"delivered\"', '\"deferred\"') WHERE number = (SELECT max(number) FROM row)")
    found = verified(one, forged)
    assert not found["whole"] and found["breaks"][0]["row"] == found["rows"] + 1
    done = one.command("evidence", "verify", str(forged))
    assert done.returncode == 1 and "BROKEN" in done.stdout and "NOT WHOLE" in done.stdout
    assert subprocess.run([*script[:2], forged], check=False, capture_output=True).returncode == 1


def test_addresses_can_be_left_out(lab, world, tmp_path):
    relay = Relay(lab, tmp_path, ledger={"addresses": "hash"})
    relay.start()
    try:
        id = relay.submit("alice@home.test", "carol@ledger-good.test", MESSAGE.format("h"))
        assert wait_for(lambda: any(r["kind"] == "delivered" for r in rows(relay)), 30, 0.2)
        assert [m["id"] for m in relay.ask("trace", "--recipient", "carol@ledger-good.test")["messages"]] == [id]
        relay.stop()
        for file in relay.data.glob("ledger.db*"):
            assert b"carol@" not in file.read_bytes() and b"alice@" not in file.read_bytes()
    finally:
        relay.kill()


def test_the_page_of_a_message_that_is_long_gone_tells_its_trail(lab, world, tmp_path):
    control = {"http": "127.0.0.1:9978", "http_proxy_from": ["127.0.0.1/32"], "http_proxy_header": "X-Remote-User", "http_proxy_role": "operator"}
    one = Relay(lab, tmp_path, control=control).start()

    def page(id: str) -> str:
        with lab.connect("127.0.0.1", 9978) as connection:
            request = [f"GET /message?id={id} HTTP/1.1", "Host: relay.home.test", "X-Remote-User: gina", "Connection: close", "", ""]
            connection.sendall("\r\n".join(request).encode())
            answer = b""
            while part := connection.recv(65536):
                answer += part
        return answer.decode()

    try:
        id = one.submit("alice@home.test", "b@ledger-good.test", MESSAGE.format("gone"))
        one.wait_gone(id)
        assert wait_for(lambda: "delivered: b@ledger-good.test, by mx1.ledger-good.test" in page(id), 30, 0.5)
        one.restart()
        text = page(id)
        assert "It is not in the queue" in text and "lines of the log that are kept in memory" in text
        assert "sender alice@home.test, 1 recipient(s)" in text
        assert "delivered: b@ledger-good.test, by mx1.ledger-good.test" in text
        assert "The ledger has nothing of it yet." in page("01KB9T9Z1QF6R3W0C8N5XKJ4ME")
    finally:
        one.kill()
