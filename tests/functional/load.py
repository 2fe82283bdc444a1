# SPDX-License-Identifier: Apache-2.0
"""Clients that never stop sending, and the ledger they keep: every message that got its 250."""

import random
import re
import smtplib
import threading
import time

from relay import Relay


class Load:
    """Some threads, each one connection after another, until `stop`. The relay may die meanwhile."""

    def __init__(self, relay: Relay, domain: str, threads: int = 4, size: int = 2000, pause: float = 0.0):
        self.relay = relay
        self.domain = domain
        self.size = size
        self.pause = pause
        self.ledger: set[str] = set()
        self.unknown = 0  # the connection broke before an answer: the relay may have the message or not
        self.refused = 0  # it said no, so it must not have it
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(threads)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(60)

    def work(self, number: int):
        count = 0
        while not self.ended.is_set():
            try:
                with self.relay.client() as connection:
                    connection.ehlo()
                    for _ in range(random.randint(1, 20)):
                        if self.ended.is_set():
                            return
                        count += 1
                        self.send(connection, f"{number}-{count}-{random.getrandbits(32):08x}")
                        time.sleep(self.pause)
            except OSError:  # also what smtplib raises: refused, reset, closed
                time.sleep(0.02)

    def send(self, connection: smtplib.SMTP, token: str):
        filler = ("x" * 70 + "\r\n") * (self.size // 72)
        text = f"From: load@home.test\r\nTo: load@{self.domain}\r\nSubject: load {token}\r\n\r\n{filler}"
        try:
            connection.mail("load@home.test")
            connection.rcpt(f"to@{self.domain}")
            code, _ = connection.data(text)
        except smtplib.SMTPDataError:
            self.add_refused()
            connection.rset()
            return
        except OSError:
            with self.lock:
                self.unknown += 1
            raise
        if code == 250:
            with self.lock:
                self.ledger.add(token)
        else:
            self.add_refused()

    def add_refused(self):
        with self.lock:
            self.refused += 1


def arrived(relay: Relay, domain: str) -> dict[str, int]:
    """How often each token is in the mailbox. Reads file heads only: there may be many thousand."""
    counts: dict[str, int] = {}
    for path in (relay.lab.mail / domain / "new").glob("*"):
        with open(path, "rb") as file:
            found = re.search(rb"^Subject: load (\S+)\r?$", file.read(4096), re.MULTILINE)
        if found:
            token = found[1].decode()
            counts[token] = counts.get(token, 0) + 1
    return counts
