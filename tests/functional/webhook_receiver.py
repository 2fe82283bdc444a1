# SPDX-License-Identifier: Apache-2.0
"""Who takes events: an HTTP server on loopback of the relay's namespace that behaves as it is told, and believes nothing that the ten
lines of docs/verify-webhook.py do not."""

import base64
import contextlib
import http.server
import importlib.util
import json
import os
import random
import socket
import threading
import time
from pathlib import Path

from answers import Answers
from lab.world import Lab
from relay import ROOT

specification = importlib.util.spec_from_file_location("verify_webhook", ROOT / "docs" / "verify-webhook.py")
verify_webhook = importlib.util.module_from_spec(specification)
specification.loader.exec_module(verify_webhook)

OK, HANG, DROP, RESET = 204, "hang", "drop", "reset"  # or a status; dropped: the body is read, and nobody answers


def new_secret() -> str:
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        receiver: WebhookReceiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        behaviour = receiver.take({k.lower(): v for k, v in self.headers.items()}, body)
        self.close_connection = True
        if behaviour == HANG:
            receiver.ended.wait(30)
        elif behaviour == RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif behaviour != DROP:
            self.send_response(behaviour)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()

    def log_message(self, *_):
        pass


class WebhookReceiver:
    """`events` are those of requests that it has read whole, whatever it answered, in the order of their coming; `taken` those of
    requests that it answered 2xx."""

    def __init__(self, lab: Lab, directory: Path, name: str = "hook"):
        self.name = name
        self.secret = new_secret()
        self.secret_file = directory / f"{name}.secret"
        self.write_secrets(self.secret)
        self.events: list[dict] = []
        self.taken: list[dict] = []
        self.requests: list[tuple[str, list[str], object]] = []  # webhook-id, event_ids, what it did
        self.wrong: list[str] = []
        self.behaviours: list = []  # of the next requests
        self.usual: object = OK
        self.mood: list = []  # if there is any: one of these at random
        self.ended = threading.Event()
        self.lock = threading.Lock()
        with lab.entered():
            listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler, bind_and_activate=False)
        self.server.socket.close()
        self.server.socket = listener
        self.server.receiver = self
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that was killed is no news
        self.server.server_activate()
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def write_secrets(self, *secrets: str):
        self.secret_file.write_text("".join(secret + "\n" for secret in secrets))
        self.secret_file.chmod(0o600)

    def setting(self, **settings) -> dict:
        return {"name": self.name, "url": f"http://127.0.0.1:{self.port}/hook", "secret": self.secret_file, "timeout": "2s", **settings}

    def take(self, headers: dict[str, str], body: bytes):
        with self.lock:
            if not verify_webhook.is_genuine(headers, body, self.secret):
                self.wrong.append(f"not genuine: {headers}")
                return 401
            said = json.loads(body)
            self.wrong += Answers().wrong("webhook_request", said)
            if said["webhook"] != self.name or headers["content-type"] != "application/json":
                self.wrong.append(f"{headers} {said['webhook']}")
            does = self.behaviours.pop(0) if self.behaviours else random.choice(self.mood) if self.mood else self.usual
            self.events += said["events"]
            self.requests.append((headers["webhook-id"], [event["event_id"] for event in said["events"]], does))
            if isinstance(does, int) and 200 <= does < 300:
                self.taken += said["events"]
            return does

    def first_arrivals(self) -> list[dict]:
        """Each event once, as it came first; whatever comes again must be the same."""
        with self.lock:
            first: dict[str, dict] = {}
            for event in self.events:
                known = first.setdefault(event["event_id"], event)
                assert known == event, f"two events of one name: {known} {event}"
            return list(first.values())

    def of_kind(self, *kinds: str) -> list[dict]:
        return [event for event in self.first_arrivals() if event["kind"] in kinds]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


def asked(relay, name: str, limit: int = 1000) -> list[dict]:
    """All events of a webhook as `webhook events` answers them, page by page."""
    events, cursor, more = [], [], True
    while more:
        answer = relay.ask("webhook", "events", name, "--limit", str(limit), *cursor)
        events += answer["events"]
        more, cursor = answer["more"], ["--after", answer["cursor"]]
    return events


def standing(relay, name: str) -> dict:
    (found,) = [one for one in relay.ask("webhook", "list")["webhooks"] if one["name"] == name]
    return found


def closed_port(lab: Lab) -> int:
    with lab.entered(), contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def soon(condition, seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
