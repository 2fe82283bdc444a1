# SPDX-License-Identifier: Apache-2.0
"""`injection.http` (docs/injection.md): programs hand in mail by HTTP, with curl and with Python's urllib."""

import base64
import contextlib
import datetime
import email
import email.policy
import http.client
import itertools
import json
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from lab.world import wait_for
from relay import BINARY, ROOT, Relay

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")
doors = itertools.count(8025)
DOMAIN = "injected.test"


class Injected(Relay):
    """A relay with an account for each kind of sender, and a token for each of them."""

    def __init__(self, lab, directory: Path, **settings):
        self.door = next(doors)
        settings.setdefault("injection", {"http": f"127.0.0.1:{self.door}"})
        super().__init__(lab, directory, **settings)
        self.tokens = {}
        for name, words in {"anna": ["--sender", "anna@home.test"], "once": ["--messages", "1"], "any": []}.items():
            self.good("user", "add", name, "--generate", *words)
            self.tokens[name] = self.good("token", "add", name, "first").strip()

    def good(self, *words) -> str:
        done = self.command(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def post(self, body, token=None, type="application/json", query="", **headers):
        """Status, answer and head."""
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        wanted = {"Content-Type": type, "Authorization": f"Bearer {self.tokens['anna'] if token is None else token}"}
        wanted.update({name.replace("_", "-"): value for name, value in headers.items()})
        request = urllib.request.Request(f"http://127.0.0.1:{self.door}/v1/messages{query}", octets, wanted)
        with self.lab.entered():
            try:
                answer = urllib.request.urlopen(request, timeout=30)
            except urllib.error.HTTPError as error:
                answer = error
            with contextlib.closing(answer):
                return answer.status, json.loads(answer.read()), answer.headers

    def taken(self, body, **options) -> str:
        status, answer, _ = self.post(body, **options)
        assert status == 202, answer
        return answer["id"]

    def arrived(self, recipient: str, seconds: float = 20):
        found = lambda: [m for m in self.lab.mail_of(DOMAIN) if m.recipient == recipient]
        assert wait_for(lambda: bool(found()), seconds, 0.1), recipient
        (mail,) = found()
        return mail


@pytest.fixture(scope="module")
def one(lab, tmp_path_factory):
    lab.change_all({"name": "injected"})
    relay = Injected(lab, tmp_path_factory.mktemp("injection"))
    yield relay.start()
    relay.kill()
    lab.remove("injected")


def message_to(*recipients, **more) -> dict:
    return {"from": "Anna <anna@home.test>", "to": list(recipients), "subject": "hello", "text": "one line\n", **more}


def parsed(mail):
    return email.message_from_bytes(mail.octets, policy=email.policy.default)


def test_JSON_becomes_a_message_and_says_what_it_said(one):
    body = message_to(
        f"Bö <full@{DOMAIN}>", cc=f"cc@{DOMAIN}", bcc=[f"bcc@{DOMAIN}"], subject="Grüße, 世界 " + "x" * 100, html="<p>Grüße</p>",
        text="Grüße\n.\n" + "y" * 2000 + "\n", headers={"X-Order": "1 2"}, reply_to="Bo <bo@home.test>",
        attachments=[{"name": "Übersicht.pdf", "type": "application/pdf", "content": base64.b64encode(bytes(range(256))).decode()}],
    )  # fmt: skip
    one.wait_gone(one.taken(body))
    for recipient in (f"full@{DOMAIN}", f"cc@{DOMAIN}", f"bcc@{DOMAIN}"):
        message = parsed(one.arrived(recipient))
        assert message["subject"] == body["subject"] and message["from"] == "Anna <anna@home.test>"
        assert message["to"].addresses[0].display_name == "Bö" and message["bcc"] is None
        assert message["date"] and message["message-id"] and message["x-order"] == "1 2"
        assert any(re.search(r"\bwith HTTP\b", field) for field in message.get_all("received"))
        assert message.get_body(("plain",)).get_content().splitlines() == body["text"].splitlines()
        assert message.get_body(("html",)).get_content().strip() == body["html"]
        (attachment,) = message.iter_attachments()
        assert attachment.get_filename() == "Übersicht.pdf" and attachment.get_content() == bytes(range(256))


def test_a_message_is_taken_as_it_is_with_its_envelope_in_the_query(one):
    text = f"From: anna@home.test\nTo: of-header@{DOMAIN}\nBcc: hidden@{DOMAIN}\nSubject: raw\n\nas it is\n".encode()
    one.wait_gone(one.taken(text, type="message/rfc822", query=f"?to=of%2Bquery@{DOMAIN}"))
    message = parsed(one.arrived(f"of+query@{DOMAIN}"))
    assert message["subject"] == "raw" and message["bcc"] is None and message["message-id"]
    one.wait_gone(one.taken(text, type="message/rfc822"))
    one.arrived(f"of-header@{DOMAIN}"), one.arrived(f"hidden@{DOMAIN}")


def test_T31_T33_nobody_sends_without_a_good_token_and_no_token_is_written_anywhere(one):
    body = message_to(f"nobody@{DOMAIN}")
    for token in ("", "x", "slp_" + "A" * 43, one.tokens["anna"][:-1], one.tokens["anna"] + "A"):
        status, answer, head = one.post(body, token=token)
        assert (status, head["WWW-Authenticate"]) == (401, 'Bearer realm="sealpost"'), answer
    one.good("token", "add", "any", "short-lived")
    revoked = one.good("token", "add", "any", "revoked").strip()
    assert one.post(message_to(f"not-yet@{DOMAIN}"), token=revoked)[0] == 202
    one.good("token", "revoke", "any", "revoked")
    assert one.post(body, token=revoked)[0] == 401
    assert "slp_" not in one.log.read_text()
    data = b"".join(path.read_bytes() for path in one.data.glob("*.db*"))
    assert not any(token.encode() in data for token in one.tokens.values())
    assert "slp_" not in one.good("token", "list")


def test_T31_who_tries_many_tokens_is_slowed_down_and_others_from_there_are_not(one, lab, tmp_path):
    other = Injected(lab, tmp_path / "brakes").start()
    with contextlib.closing(type("", (), {"close": staticmethod(other.kill)})):
        other.taken(message_to(f"before@{DOMAIN}"))
        statuses = [other.post(message_to("x@y.test"), token=f"slp_{number:043}")[0] for number in range(60)]
        assert statuses[0] == 401 and statuses[-1] == 429
        other.taken(message_to(f"after@{DOMAIN}"))


def test_T60_an_account_sends_as_itself_and_no_more_than_it_may(one):
    for body in (message_to(f"x@{DOMAIN}", **{"from": "ceo@home.test"}), message_to(f"x@{DOMAIN}", envelope={"from": ""}),
                 message_to(f"x@{DOMAIN}", **{"from": "ceo@home.test"}, envelope={"from": "anna@home.test"})):  # fmt: skip
        status, answer, _ = one.post(body)
        assert (status, answer["smtp"]) == (403, "550 5.7.1"), answer
    assert one.post(message_to(f"first@{DOMAIN}"), token=one.tokens["once"])[0] == 202
    status, answer, head = one.post(message_to(f"second@{DOMAIN}"), token=one.tokens["once"])
    assert (status, answer["smtp"]) == (429, "451 4.7.0") and int(head["Retry-After"]) > 0
    one.good("user", "disable", "once")
    assert one.post(message_to(f"third@{DOMAIN}"), token=one.tokens["once"])[0] == 401


def test_T23_a_mistake_is_named_with_its_place_and_nothing_is_sent(one):
    before = len(one.events("accepted"))
    for body, status, at in [
        ({**message_to(f"x@{DOMAIN}"), "subject": "a\r\nBcc: y@y.test"}, 422, "/subject"),
        (message_to(f"x@{DOMAIN}", "nobody"), 422, "/to/1"),
        ({**message_to(f"x@{DOMAIN}"), "colour": "red"}, 400, "/colour"),
        (b"{", 400, None),
        ({**message_to(f"x@{DOMAIN}"), "tls": "maybe"}, 422, "/tls"),
    ]:
        got, answer, _ = one.post(body)
        assert (got, answer.get("at")) == (status, at) and answer["error"], answer
    status, answer, _ = one.post(message_to(f"x@{DOMAIN}", "y@[192.0.2.1]", f"z@{DOMAIN}"))
    assert status == 422 and [r["recipient"] for r in answer["refused"]] == ["y@[192.0.2.1]"] and answer["at"] == "/to/1"
    assert one.post(message_to("x@y.test"), type="text/plain")[0] == 415
    assert one.post(message_to("x@y.test"), Idempotency_Key="a\tb")[0] == 400
    assert len(one.events("accepted")) == before


def test_HTTP_itself_is_answered_in_JSON_too(one):
    with one.lab.entered():
        for method, path, status in [("GET", "/v1/messages", 405), ("POST", "/", 404), ("PUT", "/v1/messages", 405)]:
            connection = http.client.HTTPConnection("127.0.0.1", one.door, timeout=10)
            connection.request(method, path, b"" if method == "POST" else None, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == status and json.loads(answer.read())["error"]
        # RFC 9112 §6.3: one length, said before.
        with socket.create_connection(("127.0.0.1", one.door), 10) as raw:
            raw.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 411")


def test_T29_what_is_too_long_is_refused_before_it_is_read(lab, tmp_path):
    small = Injected(lab, tmp_path, limits={"message_size": 65536}).start()
    try:
        assert small.post(message_to(f"x@{DOMAIN}", text="x" * 70_000))[0] == 413
        with lab.entered(), socket.create_connection(("127.0.0.1", small.door), 10) as raw:
            head = "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90000000\r\n\r\n"
            raw.sendall(head.encode())
            assert raw.recv(100).startswith(b"HTTP/1.1 413")
    finally:
        small.kill()


def test_the_same_key_gives_the_same_answer_and_one_message(one):
    body, key = message_to(f"keyed@{DOMAIN}"), {"Idempotency_Key": "order 7"}
    status, first, head = one.post(body, **key)
    assert status == 202 and "Idempotency-Replayed" not in head
    status, again, head = one.post(body, **key)
    assert (status, again, head["Idempotency-Replayed"]) == (202, first, "true")
    status, answer, _ = one.post(message_to(f"keyed@{DOMAIN}", subject="other"), **key)
    assert (status, answer["at"]) == (422, "Idempotency-Key")
    # Another account's key is another one.
    assert one.taken(message_to(f"keyed-too@{DOMAIN}"), token=one.tokens["any"], **key) != first["id"]
    one.wait_gone(first["id"])
    one.arrived(f"keyed@{DOMAIN}")
    assert one.post(body, **key)[1] == first  # also of a message that is delivered
    time.sleep(1)
    one.arrived(f"keyed@{DOMAIN}")


def test_of_many_at_once_with_one_key_one_message_comes(one):
    answers = []
    body = message_to(f"crowd@{DOMAIN}", text="x" * 200_000)

    def ask():
        answers.append(one.post(body, Idempotency_Key="crowd")[:2])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert {status for status, _ in answers} <= {202, 409}
    (id,) = {answer["id"] for status, answer in answers if status == 202}
    one.wait_gone(id)
    one.arrived(f"crowd@{DOMAIN}")


def test_D01_a_key_gives_one_message_whenever_the_relay_is_killed(lab, tmp_path):
    """Killed at any moment, a client that asks again until it has an answer has sent each message once."""
    lab.change_all({"name": "injected"})
    relay = Injected(lab, tmp_path).start()
    wanted = [f"k{number}@{DOMAIN}" for number in range(60)]
    answered: dict[str, str] = {}

    def insist(recipient):
        while recipient not in answered:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                status, answer, _ = relay.post(message_to(recipient), Idempotency_Key=recipient)
                if status == 202:
                    answered[recipient] = answer["id"]
            time.sleep(0.01)

    def client(part):
        for recipient in part:
            insist(recipient)

    try:
        threads = [threading.Thread(target=client, args=(wanted[n::4],)) for n in range(4)]
        [thread.start() for thread in threads]
        for pause in (0.15, 0.3, 0.2, 0.4):
            time.sleep(pause)
            relay.kill()
            relay.start()
        [thread.join(60) for thread in threads]
        assert sorted(answered) == sorted(wanted) and len(set(answered.values())) == len(wanted)
        came = lambda: [m.recipient for m in lab.mail_of(DOMAIN) if m.recipient in wanted]
        assert wait_for(lambda: len(set(came())) == len(wanted) and not relay.queue(), 60, 0.2), relay.queue()
        # The queue id of each message that came is the one that was answered: nothing was taken twice. (A message whose outcome a
        # kill cut off may be delivered twice by SMTP, under the same id: RFC 5321 §4.5.4.1.)
        ids = lambda m: re.search(r"\bwith HTTP\s+id (\w{26})", " ".join(parsed(m).get_all("received")))[1]
        for mail in lab.mail_of(DOMAIN):
            if mail.recipient in answered:
                assert ids(mail) == answered[mail.recipient]
        for recipient in wanted:  # and to the next start
            assert relay.post(message_to(recipient), Idempotency_Key=recipient)[1]["id"] == answered[recipient]
    finally:
        relay.kill()


def test_D11_T61_tls_asked_for_with_a_message_adds_to_what_is_demanded_and_survives_a_restart(lab, tmp_path):
    lab.change_all({"name": "injected"}, {"name": "unproven", "mx": [{"host": "mx", "certificate": "self-signed"}]})
    relay = Injected(lab, tmp_path).start()
    try:
        relay.wait_gone(relay.taken(message_to("opportunistic@unproven.test")))
        relay.wait_gone(relay.taken(message_to("encrypted@unproven.test", tls="encrypt")))
        id = relay.taken(message_to("verified@unproven.test", tls="verify"))
        entry = relay.wait_deferred(id)
        assert entry["policy"] == "message" and "what its sender asks for" in entry["reason"]
        (message,) = relay.ask("queue", "show", id)["messages"]
        assert message["tls_need"] == "verify"
        relay.kill()
        relay.start()
        relay.wait_deferred(id)
        assert relay.ask("queue", "show", id)["messages"][0]["tls_need"] == "verify"
        assert {m.recipient for m in lab.mail_of("unproven.test")} == {"opportunistic@unproven.test", "encrypted@unproven.test"}
        relay.good("user", "limit", "any", "--tls", "verify")  # and of all mail of an account
        floor = relay.taken(message_to("floor@unproven.test"), token=relay.tokens["any"])
        assert relay.wait_deferred(floor)["policy"] == "message"
        less = relay.taken(message_to("less@unproven.test", tls="encrypt"), token=relay.tokens["any"])
        assert relay.wait_deferred(less)["policy"] == "message"
        relay.good("user", "limit", "any", "--tls", "none")
        relay.wait_gone(relay.taken(message_to("lowered@unproven.test"), token=relay.tokens["any"]))
        lab.change_all({"name": "unproven", "mx": [{"host": "mx"}]})
        relay.wait_gone(id)
        relay.wait_gone(relay.taken(message_to(f"good@{DOMAIN}", tls="verify")))
    finally:
        relay.kill()
        lab.remove("unproven")


def test_D12_what_is_to_be_sent_later_is_sent_then_whatever_happens_to_the_relay(lab, tmp_path):
    lab.change_all({"name": "injected"})
    relay = Injected(lab, tmp_path).start()
    at = lambda seconds: (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat(timespec="seconds")
    try:
        when = at(20)
        body = message_to(f"later@{DOMAIN}", send_at=when)
        id = relay.taken(body, Idempotency_Key="later")
        for _ in range(4):  # found again without an attempt: it is no suspect (D-12)
            relay.kill()
            relay.start()
        (entry,) = relay.queue(id)
        assert (entry["state"], entry["attempts"]) == ("waiting", 0), entry
        retried = relay.command("queue", "retry", id, "--yes")
        assert retried.returncode != 0 and "not to be sent before" in retried.stderr
        assert "waits for the time its sender wants it to be sent" in relay.good("queue", "why", id)
        raw = f"From: anna@home.test\nTo: far@{DOMAIN}\n\nx\n".encode()
        far = relay.taken(raw, type="message/rfc822", query="?send_at=" + urllib.parse.quote(at(29 * 24 * 3600)))
        for wrong, place in ((at(31 * 24 * 3600), "/send_at"), ("2001-01-01T00:00:00Z", "/send_at"), ("soon", "/send_at")):
            status, answer, _ = relay.post(message_to(f"x@{DOMAIN}", send_at=wrong))
            assert (status, answer["at"]) == (422, place), answer
        assert datetime.datetime.now(datetime.timezone.utc) < datetime.datetime.fromisoformat(when), "too slow to tell"
        assert not [m for m in lab.mail_of(DOMAIN) if m.recipient == f"later@{DOMAIN}"]
        relay.arrived(f"later@{DOMAIN}", 40)
        assert datetime.datetime.now(datetime.timezone.utc) >= datetime.datetime.fromisoformat(when)
        assert relay.post(body, Idempotency_Key="later")[1]["id"] == id
        assert relay.queue(far) and relay.ask("queue", "show", far)["messages"][0]["send_at"]
        assert wait_for(lambda: "to be sent at" in relay.good("trace", id), 10)
    finally:
        relay.kill()


def test_T05_beyond_this_machine_it_is_spoken_in_TLS_alone(lab, tmp_path):
    pem = tmp_path / "relay.pem"
    pem.touch(0o600)
    pem.write_bytes(lab.certificate("good", "relay.home.test", "home.test"))
    door = next(doors)
    relay = Injected(lab, tmp_path / "tls", injection={"http": f"0.0.0.0:{door}"}, tls={"certificate": pem, "key": pem}).start()
    try:
        curl = ["curl", "--silent", "--show-error", "--max-time", "20", "--json", json.dumps(message_to(f"tls@{DOMAIN}")),
                "--oauth2-bearer", relay.tokens["anna"]]  # fmt: skip
        secure = [*curl, "--cacert", lab.trust_file, "--connect-to", f"::127.0.0.1:{door}", "https://relay.home.test/v1/messages"]
        done = subprocess.run(lab.command(secure), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "id" in json.loads(done.stdout), done
        received = " ".join(" ".join(parsed(relay.arrived(f"tls@{DOMAIN}")).get_all("received")).split())
        assert re.search(r"\bwith HTTPS\b.* tls TLS_", received), received
        clear = subprocess.run(lab.command([*curl, f"http://127.0.0.1:{door}/v1/messages"]), capture_output=True, text=True, timeout=60)
        assert clear.returncode != 0 and clear.stdout == ""
    finally:
        relay.kill()


def test_the_examples_of_the_page_work_as_they_stand(one, tmp_path):
    page = (ROOT / "docs" / "injection.md").read_text()
    examples = re.findall(r"```sh\n(curl .*?)```", page, re.DOTALL)
    assert len(examples) >= 3
    (tmp_path / "message.eml").write_text("From: anna@home.test\nTo: bo@partner.example\nSubject: x\n\nx\n")
    for example in examples:
        words = example.replace("https://relay.home.example:8025", f"http://127.0.0.1:{one.door}").replace("home.example", "home.test")
        words = words.replace("partner.example", DOMAIN).replace("$TOKEN", one.tokens["anna"]).replace("curl ", "curl --silent ", 1)
        done = subprocess.run(one.lab.command(["sh", "-c", f"cd {tmp_path} && {words}"]), capture_output=True, text=True, timeout=60)
        assert "id" in json.loads(done.stdout), (example, done)
